"""One spelling for each password."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.saslprep import saslprep


class SaslprepTests(SynchronousTestCase):
    """RFC 4013 3, and what it forbids."""

    def test_examples(self) -> None:
        """What the RFC shows."""
        for text, prepared in (("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"),
                               ("\u2168", "IX")):
            self.assertEqual(saslprep(text), prepared)

    def test_spaces(self) -> None:
        """Other spaces are spaces."""
        self.assertEqual(saslprep("a\u00a0b\u3000c"), "a b c")

    def test_forbidden(self) -> None:
        """What it forbids stays as it is, in normal form C: young letters, control characters, mixed directions."""
        for text in ("\U0001f600e\u0301", "\u0627\u0031e\u0301", "e\u0301\u0080", "\u0627a\u0627e\u0301"):
            self.assertEqual(saslprep(text), text.replace("e\u0301", "\u00e9"))

    def test_from_the_right(self) -> None:
        """Text that is written from the right as a whole is fine."""
        self.assertEqual(saslprep("\u0627\u0644\u0627"), "\u0627\u0644\u0627")

    def test_nothing_left(self) -> None:
        """A password of characters that map to nothing is not empty."""
        self.assertEqual(saslprep("\u00ad\u00ad"), "\u00ad\u00ad")
