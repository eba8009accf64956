"""The syntax of the configuration file."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.config import ini


class IniTests(SynchronousTestCase):
    """What is read, and which mistakes are seen."""

    def settings(self, text: str) -> dict[tuple[str, str], str]:
        found, _, mistakes = ini.read(text)
        self.assertEqual(mistakes, [])
        return {(setting.section, setting.key): setting.value for setting in found}

    def mistakes(self, text: str) -> list[tuple[str, str]]:
        _, _, found = ini.read(text)
        return [(mistake.place, mistake.text) for mistake in found]

    def test_sections_and_settings(self) -> None:
        """Names are taken in any case, values as they are."""
        self.assertEqual(self.settings("[SMTP]\nListen = Here \n[ tls ]\ncertificate=/A=b"),
                         {("smtp", "listen"): "Here", ("tls", "certificate"): "/A=b"})

    def test_comments(self) -> None:
        """A hash or semicolon begins a comment at the start of a line and behind white space, nowhere else."""
        self.assertEqual(self.settings("# a\n; b\n[x] # c\na = 1 ; d\nb = 1#2;3\n"),
                         {("x", "a"): "1", ("x", "b"): "1#2;3"})

    def test_continuation(self) -> None:
        """An indented line goes on with the value above."""
        self.assertEqual(self.settings("[x]\na = 1,\n  # not this\n  2\nb =\n\t3"),
                         {("x", "a"): "1, 2", ("x", "b"): "3"})

    def test_empty_value(self) -> None:
        """A value may be empty."""
        self.assertEqual(self.settings("[x]\na ="), {("x", "a"): ""})

    def test_line_numbers(self) -> None:
        """Each setting knows its line."""
        found, sections, _ = ini.read("\n[x]\n\na = 1\n")
        self.assertEqual((found[0].place, sections), ("line 4", {"x": "line 2"}))

    def test_mistakes_are_all_reported(self) -> None:
        """Every line that is wrong is told, with its number."""
        self.assertEqual(self.mistakes("a = 1\n[x]\nwhat\nb = 1\nB = 2\n[X]\n= 3\n"), [
            ("line 1", "a setting before the first `[section]`"),
            ("line 3", "neither `[section]` nor `key = value`: 'what'"),
            ("line 5", "set on line 4 already"),
            ("line 6", "this section began on line 2 already"),
            ("line 7", "neither `[section]` nor `key = value`: '= 3'"),
        ])
