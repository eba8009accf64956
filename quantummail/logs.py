"""What the log looks like: one event is one line, to read or as JSON, and nothing can forge a line."""

from __future__ import annotations

import json
import math
import re
import sys
import threading
import traceback
import unicodedata
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import IO, TYPE_CHECKING

from twisted.logger import ILogObserver, LogLevel, formatEvent
from zope.interface import implementer

if TYPE_CHECKING:
    from collections.abc import Callable

    from constantly import NamedConstant  # type: ignore[import-untyped]  # it ships no annotations
    from twisted.logger import LogEvent
    from twisted.python.failure import Failure

_ORDER = {level: number for number, level in enumerate(LogLevel.iterconstants())}
# A name in an event that would make a secret visible if somebody ever logged it
_SECRET = ("password", "secret", "token", "authorization", "credential", "private_key")
_LONGEST = 8192


def visible(text: str) -> str:
    """The text with everything escaped that moves the cursor, ends a line, or turns the writing direction."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character.isprintable() and unicodedata.category(character) not in {"Cf", "Zl", "Zp", "Cs", "Co"}:
        return character
    return character.encode("unicode_escape").decode("ascii")


def one_line(failure: Failure) -> str:
    """A failure as ``TypeError: text (at a.py:12 in f < b.py:7 in g)``, the innermost place first."""
    error = failure.value
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} in {frame.name}"
              for frame in traceback.extract_tb(failure.getTracebackObject())]
    where = f" (at {' < '.join(reversed(places[-12:]))})" if places else ""
    cause = error.__cause__ if isinstance(error, BaseException) else None
    because = f", because of {type(cause).__name__}: {cause}" if cause is not None else ""
    return f"{type(error).__name__}: {error}{because}{where}"


# Formats that are only text and names; Twisted's formatter, which can do more, takes ten times as long for them
_SIMPLE = re.compile(r"(?:[^{}]|\{[a-z_]+\})*")


@lru_cache(maxsize=1024)
def _is_simple(log_format: str) -> bool:
    return _SIMPLE.fullmatch(log_format) is not None


def _text(event: LogEvent) -> str:
    log_format = event.get("log_format")
    if isinstance(log_format, str) and _is_simple(log_format):
        try:
            return log_format.format_map(event)
        except Exception:  # noqa: BLE001  # a value that cannot be shown: Twisted says which
            return formatEvent(event)
    return formatEvent(event)


def _message(event: LogEvent) -> str:
    text = _text(event)
    failure = event.get("log_failure")
    if failure is not None:
        text = f"{text}: {one_line(failure)}" if text else one_line(failure)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _moment(event: LogEvent) -> datetime:
    return datetime.fromtimestamp(event["log_time"], UTC)


def _level(event: LogEvent) -> NamedConstant:
    level = event.get("log_level")
    return LogLevel.info if level is None else level


def _system(event: LogEvent) -> str:
    """The package: Twisted puts the module and class in the place of a Logger's own namespace."""
    return ".".join(str(event.get("log_namespace") or "-").split(".")[:2])


def text_line(event: LogEvent) -> str:
    """An event for a reader: local time, level, system, message."""
    moment = _moment(event).astimezone().strftime("%H:%M:%S.%f")[:-3]
    system = _system(event).removeprefix("quantummail.")
    line = f"{moment} {_level(event).name:<5} {system:<10} {_message(event)}"
    said = str(event.get("log_format") or "")
    about = " ".join(f"{name}={event[name]}" for name in ("connection", "id")
                     if event.get(name) and f"{{{name}}}" not in said)
    return visible(f"{line} [{about}]" if about else line)


def json_line(event: LogEvent) -> str:
    """An event for programs: time, level, system, message, its unchanging format (`event`), its fields."""
    line = (f'{{"time":"{_utc(event["log_time"])}","level":"{_level(event).name}",'
            f'"system":{_quoted(_system(event))},"message":{_quoted(visible(_message(event)))}')
    event_format = event.get("log_format")
    if event_format:
        line += f',"event":{_quoted_again(str(event_format))}'
    for name, value in event.items():
        if name not in _OURS and not name.startswith("log_"):
            line += f",{_quoted_again(name)}:{_encoded(name, value)}"
    return line + "}"


_OURS = frozenset(("time", "level", "system", "message", "event", "isError", "format"))


@lru_cache(maxsize=1024)
def _quoted_again(text: str) -> str:
    """Formats and names, of which there are few."""
    return _quoted(visible(text))


def _utc(seconds: float) -> str:
    second = math.floor(seconds)
    return f"{_utc_second(second)}.{int((seconds - second) * 1000):03d}Z"


@lru_cache(maxsize=8)
def _utc_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET)


def _encoded(name: str, value: object) -> str:
    if _is_secret(name):
        return '"***"'
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    text = str(value)
    return _quoted(visible(text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."))


@implementer(ILogObserver)
class LogFile:
    """Writes events of at least one level to a stream, a line each."""

    def __init__(self, stream: IO[str], line: Callable[[LogEvent], str], least: str = "info") -> None:
        self._stream = stream
        self._line = line
        self._least = _ORDER[LogLevel.levelWithName(least)]
        self._call_soon: Callable[[Callable[[], None]], object] | None = None
        self._thread = 0
        self._gathered: list[str] = []

    def gather(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        """From now on write what this thread logs in one turn of the reactor together: a write for a line would
        give the interpreter away each time. Warnings, and what other threads log, are written at once.

        :param call_soon: calls a function in the next turn.
        """
        self._call_soon = call_soon
        self._thread = threading.get_ident()

    def __call__(self, event: LogEvent) -> None:
        level = _ORDER[_level(event)]
        if level < self._least or _noise(event):
            return
        line = self._line(event) + "\n"
        if self._call_soon is None or threading.get_ident() != self._thread:
            self._write(line)
            return
        self._gathered.append(line)
        if level >= _ORDER[LogLevel.warn]:
            self.flush()
        elif len(self._gathered) == 1:
            self._call_soon(self.flush)

    def flush(self) -> None:
        """Write what was gathered."""
        if self._gathered:
            lines, self._gathered = self._gathered, []
            self._write("".join(lines))

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # Whoever read the log is gone, or the disk is full: mail is more important
            return


def _noise(event: LogEvent) -> bool:
    """Twisted announces its reactor and each port, with the names of classes; the service says it in our words."""
    namespace = str(event.get("log_namespace") or "")
    if event.get("isError") or event.get("log_failure") is not None:
        return False
    return namespace == "log_legacy" or (namespace.startswith("twisted.") and _level(event) is LogLevel.info)


def observer(style: str, least: str, stream: IO[str] | None = None) -> LogFile:
    """The observer for `[server] log` and `log_level`. `auto` is text on a terminal and JSON elsewhere."""
    chosen = sys.stdout if stream is None else stream
    if style == "auto":
        style = "text" if chosen.isatty() else "json"
    return LogFile(chosen, text_line if style == "text" else json_line, least)
