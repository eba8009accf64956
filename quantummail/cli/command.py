"""What a command is: options in any order, one answer, and an exit code of sysexits.h."""

from __future__ import annotations

import getopt
import inspect
import json
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger, globalLogBeginner
from twisted.python import usage
from twisted.python.failure import Failure

from quantummail import config as configuration
from quantummail import logs
from quantummail.cli.versions import say, say_versions
from quantummail.config import ConfigError
from quantummail.store import errors
from quantummail.store.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from quantummail.config import Config
    from quantummail.store.store import Store

T = TypeVar("T")
log = Logger(namespace="quantummail.cli")

EX_OK, EX_USAGE, EX_DATAERR, EX_NOUSER = 0, 64, 65, 67
EX_SOFTWARE, EX_CANTCREAT, EX_TEMPFAIL, EX_CONFIG = 70, 73, 75, 78

# The option of lists
JSON = ["json", None, "Write JSON."]

# For errors of the store: the first that fits
_CODES: tuple[tuple[type[StoreError], int], ...] = (
    (errors.AlreadyExists, EX_CANTCREAT), (errors.NoSuchUser, EX_NOUSER), (errors.NoSuchDomain, EX_NOUSER),
    (errors.NoSuchAlias, EX_NOUSER), (errors.Unavailable, EX_TEMPFAIL), (StoreError, EX_DATAERR),
)


class CommandFailed(Exception):
    """A command cannot do what it is for. The text is for the one who typed it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class _Options(usage.Options):
    """What commands and groups of commands share."""

    @property
    def longdesc(self) -> str:
        """What --help says: the docstring."""
        return inspect.getdoc(type(self)) or ""

    def opt_version(self) -> None:
        """Say which versions run here."""
        say_versions()
        raise SystemExit(EX_OK)


class Command(_Options):
    """One command. Subclasses say what they take (`parseArgs`, `optFlags` ...) and what they do (`run`)."""

    takes: Sequence[str] = ()
    """Arguments that must be there, by name."""
    may_take = ""
    """One that may follow."""
    takes_more = ""
    """At least one of these follow."""
    own_log = False
    """Whether the command decides itself where the log goes; others get warnings on stderr."""

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Options may come after arguments, too."""
        try:
            found, arguments = getopt.gnu_getopt(list(options or ()), self.shortOpt, self.longOpt)
        except getopt.error as error:
            raise usage.UsageError(str(error)) from None
        flat = []
        for option, value in found:
            takes_value = f"{option[2:]}=" in self.longOpt or f"{option[1:]}:" in self.shortOpt
            flat += [option, value] if takes_value else [option]
        super().parseOptions([*flat, "--", *arguments])

    def parseArgs(self, *given: str) -> None:
        """Name the arguments."""
        most = len(self.takes) + (1 if self.may_take else 0)
        if len(given) < len(self.takes) + (1 if self.takes_more else 0):
            names = [*self.takes, self.takes_more]
            raise usage.UsageError(f"{names[len(given)].upper()} is missing")
        if len(given) > most and not self.takes_more:
            raise usage.UsageError(f"{given[most]!r} is one argument too many")
        self.update(zip(self.takes, given, strict=False))
        rest = given[len(self.takes):]
        if self.may_take:
            self[self.may_take] = rest[0] if rest else ""
        if self.takes_more:
            self[self.takes_more] = rest

    def run(self) -> int:
        """Do it. Returns the exit code; raises CommandFailed, or an error of the store."""
        raise NotImplementedError  # pragma: no cover

    @property
    def config_path(self) -> Path:
        """The configuration file that was asked for."""
        return configuration.config_path(self._from_the_top("config"))

    @property
    def debug(self) -> bool:
        """Whether mistakes of ours are to be shown with everything that is known about them."""
        return bool(self._from_the_top("debug"))

    def _from_the_top(self, name: str) -> Any:
        """An option of the program, which stands before the command."""
        options: Any = self
        while options is not None and name not in options:
            options = getattr(options, "parent", None)
        return None if options is None else options[name]

    def configuration(self) -> Config:
        """The configuration. Raises ConfigError."""
        return configuration.load(self.config_path)


class Group(_Options):
    """A command that has commands below it."""

    synopsis = "COMMAND"
    subCommands: Sequence[Sequence[Any]] = ()

    def parseArgs(self) -> None:
        """Nothing was given, which is too little."""
        names = ", ".join(name for name, *_ in self.subCommands)
        raise usage.UsageError(f"which one: {names}?")


def execute(command: Command) -> int:
    """Run a command; whatever stops it becomes one line on stderr and an exit code."""
    if not command.own_log:
        observer = logs.LogFile(sys.stderr, logs.text_line, "warn")
        globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    try:
        return command.run()
    except CommandFailed as failed:
        return _complain(failed.code, str(failed))
    except ConfigError as error:
        for problem in error.problems:
            _complain(EX_CONFIG, str(problem))
        return EX_CONFIG
    except BrokenPipeError:
        # `quantummail user list | head`
        return EX_OK
    except PermissionError as error:
        return _complain(EX_CONFIG, f"{error.filename}: {error.strerror}; run this as the server's user")
    except StoreError as error:
        return _complain(next(code for kind, code in _CODES if isinstance(error, kind)), str(error))
    except Exception as error:  # noqa: BLE001  # the edge: an administrator gets a line, not a traceback
        return _say_unexpected(command, error)


def _say_unexpected(command: Command, error: Exception) -> int:
    told = " ".join(f"{type(error).__name__}: {error}".split())
    if command.own_log:
        log.failure("unexpected error")
        where = "the log has the traceback"
    elif command.debug:
        traceback.print_exc()
        where = "see above"
    else:
        where = "`quantummail --debug ...` shows the traceback"
    return _complain(EX_SOFTWARE, f"a mistake of QuantumMail: {told}; {where}")


def _complain(code: int, text: str) -> int:
    print(f"quantummail: {text}", file=sys.stderr)  # noqa: T201  # a command's answer
    return code


def warn(text: str) -> None:
    """Something that may not be as it was meant, and keeps nothing from being done."""
    print(f"quantummail: warning: {text}", file=sys.stderr)  # noqa: T201  # a command's answer


def say_json(value: object) -> None:
    """Something for the program that ran the command."""
    say(json.dumps(value, indent=2, ensure_ascii=False))


def say_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns for a reader."""
    lines = [[str(cell) for cell in row] for row in rows]
    if not lines:
        return
    widths = [max(map(len, column)) for column in zip(headings, *lines, strict=True)]
    for line in (headings, *lines):
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def say_fields(fields: Mapping[str, object]) -> None:
    """One thing, a property a line."""
    width = max(map(len, fields)) + 1
    for name, value in fields.items():
        say(f"{name + ':':<{width}} {value}")


def moment(seconds: int) -> str:
    """A time for a reader, who is where this machine is."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing: so it is with a store that was opened without a reactor."""
    outcome: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(outcome.append)
    if not outcome:
        raise RuntimeError("the store did not answer at once")
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    result: T = outcome[0]
    return result


def with_store(config: Config, work: Callable[[Store], Coroutine[Any, Any, T]]) -> T:
    """Open the store beside a server that may be running, and do something with it."""
    # Loading the store takes longer than all the rest of a command: not for `version` or --help
    from quantummail.cli.store import opened

    with opened(config) as store:
        return finished(work(store))
