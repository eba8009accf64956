"""How commands are parsed, and which exit codes they have; what they do is in tests/scenarios."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

from twisted.logger import globalLogBeginner
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from quantummail.cli import Options, command
from quantummail.cli.command import Command, CommandFailed, Group, execute
from quantummail.config import ConfigError, Problem
from quantummail.store import errors


class Sample(Command):
    """A command for the tests."""

    optFlags = [["json", "j", "Write JSON."]]
    optParameters = [["quota", "q", None, "Octets."]]
    takes = ("address",)
    takes_more = "targets"
    problem: Exception | None = None

    def run(self) -> int:
        if self.problem is not None:
            raise self.problem
        return 0


class Optional(Command):
    """A command with an argument that may be left out."""

    may_take = "domain"


class ParsingTests(SynchronousTestCase):
    """Arguments and options."""

    def parsed(self, words: Sequence[str], options: Command | None = None) -> Command:
        found = Sample() if options is None else options
        found.parseOptions(words)
        return found

    def refused(self, *words: str, options: Command | None = None) -> str:
        return str(self.assertRaises(usage.UsageError, self.parsed, words, options))

    def test_options_anywhere(self) -> None:
        """Options may stand before, between and behind arguments."""
        for words in (["-j", "--quota=1G", "a", "b"], ["a", "-j", "b", "--quota", "1G"], ["a", "b", "-j", "-q", "1G"]):
            found = self.parsed(words)
            self.assertEqual(dict(found), {"address": "a", "targets": ("b",), "json": 1, "quota": "1G"})

    def test_arguments_that_look_like_options(self) -> None:
        """Behind -- everything is an argument."""
        self.assertEqual(self.parsed(["--", "-a", "--b"])["targets"], ("--b",))

    def test_empty_values(self) -> None:
        """An option may have an empty value."""
        self.assertEqual(self.parsed(["a", "b", "--quota="])["quota"], "")

    def test_too_little(self) -> None:
        """What is missing is named."""
        self.assertEqual((self.refused(), self.refused("a")), ("ADDRESS is missing", "TARGETS is missing"))

    def test_too_much(self) -> None:
        """So is what is too much."""
        self.assertEqual(self.refused("a", "b", options=Optional()), "'b' is one argument too many")

    def test_optional_argument(self) -> None:
        """An argument that is left out is empty."""
        self.assertEqual((self.parsed([], Optional())["domain"], self.parsed(["d"], Optional())["domain"]), ("", "d"))

    def test_unknown_option(self) -> None:
        """An unknown option is named."""
        self.assertIn("--what", self.refused("a", "b", "--what"))


class TopTests(SynchronousTestCase):
    """The whole command line."""

    def ended(self, *words: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            end = self.assertRaises(SystemExit, Options().parseOptions, words)
        return int(str(end.code or 0)), out.getvalue(), err.getvalue()

    def test_wrong_usage(self) -> None:
        """Wrong usage ends with 64 and one line that says what is wrong."""
        for words, said in ((["nonsense"], "Unknown command: nonsense"), (["user"], "which one: add, list, info"),
                            (["user", "add"], "ADDRESS is missing"),
                            (["--nonsense"], "option --nonsense not recognized"),
                            (["alias", "add", "a@b"], "TARGETS is missing")):
            code, _, text = self.ended(*words)
            self.assertEqual(code, 64)
            self.assertIn(said, text)

    def test_help(self) -> None:
        """Every command and group explains itself, and its options."""
        for words in _all_commands(Options):
            code, text, _ = self.ended(*words, "--help")
            self.assertEqual(code, 0, words)
            self.assertIn("quantummail [--config FILE]", text)
            self.assertNotIn("``", text.split("Options:")[0], words)


def _all_commands(options: type[usage.Options]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for name, _, below, _ in getattr(options, "subCommands", ()):
        found += [[name, *words] for words in (_all_commands(below) if issubclass(below, Group) else [[]])]
    return found


class ExitCodeTests(SynchronousTestCase):
    """What stops a command becomes one line and an exit code of sysexits.h."""

    def ended(self, problem: Exception | None, *, debug: bool = False, own_log: bool = False) -> tuple[int, str]:
        sample, err = Sample(), io.StringIO()
        sample.problem = problem
        sample["debug"], sample.own_log = debug, own_log
        self.patch(globalLogBeginner, "beginLoggingTo", lambda *_, **__: None)
        with contextlib.redirect_stderr(err):
            return execute(sample), err.getvalue()

    def test_codes(self) -> None:
        """Each kind of problem has its code."""
        for problem, code in (
            (errors.AlreadyExists("x"), 73), (errors.NoSuchUser("x"), 67), (errors.NoSuchDomain("x"), 67),
            (errors.NoSuchAlias("x"), 67), (errors.InvalidName("x"), 65), (errors.NotAllowed("x"), 65),
            (errors.Unavailable("x"), 75), (CommandFailed(65, "x"), 65),
            (ConfigError([Problem("line 1", "smtp", "listen", "x", "no")]), 78),
        ):
            ended, text = self.ended(problem)
            self.assertEqual((ended, text.count("\n")), (code, 1), text)
            self.assertTrue(text.startswith("quantummail: "))

    def test_done(self) -> None:
        """Nothing is said when nothing is wrong."""
        self.assertEqual(self.ended(None), (0, ""))

    def test_rights(self) -> None:
        """A file that may not be read or written is named, with what to do."""
        code, text = self.ended(PermissionError(13, "Permission denied", "/var/lib/quantummail"))
        self.assertEqual(code, 78)
        self.assertIn("/var/lib/quantummail: Permission denied; run this as the server's user", text)

    def test_our_own_mistakes(self) -> None:
        """An unexpected exception is one line and 70; the traceback is there for who asks for it."""
        problem = ZeroDivisionError("by\nzero")
        code, text = self.ended(problem)
        self.assertEqual((code, text.count("\n")), (70, 1))
        self.assertIn("ZeroDivisionError: by zero; `quantummail --debug ...` shows the traceback", text)
        code, text = self.ended(problem, debug=True)
        self.assertEqual(code, 70)
        self.assertIn("Traceback (most recent call last)", text)

    def test_our_own_mistakes_while_serving(self) -> None:
        """A command that keeps a log has the traceback there."""
        code, text = self.ended(ZeroDivisionError(), own_log=True)
        self.assertEqual((code, text.count("\n")), (70, 1))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class AnswerTests(SynchronousTestCase):
    """What commands print."""

    def said(self, *arguments: object) -> str:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            command.say_table(*arguments)  # type: ignore[arg-type]  # checked by what it prints
        return out.getvalue()

    def test_tables(self) -> None:
        """Columns are as wide as what is in them, without blanks at the end."""
        self.assertEqual(self.said(("A", "LONG"), [("first", 1), ("x", "")]), "A      LONG\nfirst  1\nx\n")

    def test_empty_tables(self) -> None:
        """Nothing is nothing, for `wc -l`."""
        self.assertEqual(self.said(("A",), []), "")
