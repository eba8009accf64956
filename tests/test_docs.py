"""What the manual says is there, is there."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from quantummail.config import template

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LINES = {"A": 70, "B": 97, "C": 29, "D": 32, "E": 39}


class CoverageTests(SynchronousTestCase):
    """docs/coverage.rst answers every line that was asked for."""

    def test_every_line_once(self) -> None:
        """A1 to E39 are all there, each once, each with an answer."""
        text = (DOCS / "coverage.rst").read_text("utf-8")
        found = re.findall(r"^   ([A-E]\d+)\|[^|]+\|[^|]+$", text, re.MULTILINE)
        wanted = [f"{letter}{number}" for letter, last in LINES.items() for number in range(1, last + 1)]
        self.assertEqual(Counter(found), Counter(wanted))


class ReferenceTests(SynchronousTestCase):
    """Files that the manual names exist."""

    def test_modules(self) -> None:
        """Where rfcs.rst says that something is, there is something."""
        for line in (DOCS / "rfcs.rst").read_text("utf-8").splitlines():
            if not line.startswith("   ") or line.strip().startswith(":"):
                continue
            *_, where = re.split(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", line)
            for module in where.strip(' "').split(", "):
                path = ROOT / "quantummail" / module
                there = not module or path.is_dir() or path.with_suffix(".py").is_file()
                self.assertTrue(there, f"{module!r} in {line}")

    def test_readme_is_short(self) -> None:
        """The README is read to its end: at most 120 lines."""
        self.assertLessEqual(len((ROOT / "README.rst").read_text("utf-8").splitlines()), 120)

    def test_readme_names_the_ports(self) -> None:
        """The ports of `make run` are those of the README."""
        text = (ROOT / "README.rst").read_text("utf-8")
        for listen in template.local_listeners().values():
            self.assertIn(listen.rpartition(":")[2], text)

    def test_no_machine_paths(self) -> None:
        """Nothing in the project points to a place outside of it."""
        for directory in ("quantummail", "docs", "etc", "systemd", "alembic"):
            for path in (ROOT / directory).rglob("*"):
                if path.is_file() and path.suffix != ".pyc" and "_build" not in path.parts:
                    text = path.read_text("utf-8", "replace")
                    self.assertNotRegex(text, r"\.\./shared|/work/", str(path))
