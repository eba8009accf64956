"""What programs of the machine call to send mail: `sendmail`, and its other names `mailq` and `newaliases`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from quantummail import config as configuration
from quantummail.cli.handing_in import (
    EX_CONFIG,
    EX_NOUSER,
    EX_OK,
    EX_UNAVAILABLE,
    EX_USAGE,
    Answer,
    Places,
    hand_in,
    new_key,
    places,
)
from quantummail.message.drop import Drop
from quantummail.message.local_header import canonical

MOST_OCTETS = 50 * 1024 * 1024
"""What is read at all; the server's own limit may be lower."""

# Flags whose value may stand in the next argument, those that we follow and those that say nothing to us
_WITH_VALUE = frozenset("fFrNRVoOBChLXp")
# Only what stands in the same argument is their value
_ATTACHED = frozenset("bdqeA")
_PLAIN = frozenset("itvnmsUGE")
_MODES = frozenset("mspivt")
_NOTIFY = frozenset(("NEVER", "SUCCESS", "FAILURE", "DELAY"))
_SWITCHES = {"t": "from_header", "i": "dots_are_text", "v": "verbose", "q": "flush"}
_DOTS_ARE_TEXT = ("i", "ignoredots", "ignoredots=true")
_RETS = {"full": "FULL", "hdrs": "HDRS"}


class BadUsage(Exception):
    """The flags cannot be understood."""


@dataclass(slots=True)
class Flags:
    """What was asked for."""

    mode: str = "m"
    recipients: list[str] = field(default_factory=list)
    from_header: bool = False
    dots_are_text: bool = False
    sender: str | None = None
    name: str = ""
    notify: tuple[str, ...] = ()
    ret: str = ""
    envid: str = ""
    verbose: bool = False
    flush: bool = False


def parse(arguments: Sequence[str]) -> Flags:
    """Read flags as sendmail does: together, with values behind them or in the next argument. `BadUsage`."""
    flags = Flags()
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            flags.recipients += rest
            break
        if not argument.startswith("-") or argument == "-":
            # flags may stand behind recipients, as GNU programs take them
            flags.recipients.append(argument)
            continue
        letters = argument[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in _WITH_VALUE:
                if not letters and not rest:
                    raise BadUsage(f"-{letter} needs a value")
                _set(flags, letter, letters or rest.pop(0))
                break
            if letter in _ATTACHED:
                _set(flags, letter, letters)
                break
            if letter not in _PLAIN:
                raise BadUsage(f"-{letter} is not known")
            _set(flags, letter, "")
    return flags


def _set(flags: Flags, letter: str, value: str) -> None:
    if letter in _SWITCHES:
        setattr(flags, _SWITCHES[letter], True)
    elif letter in ("f", "r"):
        flags.sender = "" if value == "<>" else value
    elif letter == "F":
        flags.name = value
    elif letter == "V":
        flags.envid = value
    elif letter == "R":
        if value.lower() not in _RETS:
            raise BadUsage("-R is full or hdrs")
        flags.ret = _RETS[value.lower()]
    elif letter == "N":
        flags.notify = _notify(value)
    elif letter == "b":
        if value not in _MODES:
            raise BadUsage(f"-b{value} is not possible here")
        flags.mode = value
    elif letter in "oO" and value.replace(" ", "").lower() in _DOTS_ARE_TEXT:
        # -oem, -odb and their like say nothing to us
        flags.dots_are_text = True


def _notify(value: str) -> tuple[str, ...]:
    words = {word.strip().upper() for word in value.split(",")}
    if not words <= _NOTIFY or ("NEVER" in words and len(words) > 1):
        raise BadUsage("-N is never, or some of success, failure and delay")
    return tuple(sorted(words))


def main(arguments: Sequence[str] | None = None) -> int:
    """The program ``quantummail-sendmail``. The exit code."""
    name = os.path.basename(sys.argv[0])
    given = list(sys.argv[1:] if arguments is None else arguments)
    if name == "mailq":
        given = ["-bp", *given]
    elif name == "newaliases":
        given = ["-bi", *given]
    return run(given, os.environ.get("QUANTUMMAIL_CONFIG"))


def run(arguments: Sequence[str], config: str | None) -> int:
    """Do what the flags say; `config`: the configuration file, if one was named."""
    try:
        flags = parse(arguments)
    except BadUsage as error:
        return _complain(EX_USAGE, str(error))
    path = configuration.config_path(config)
    if flags.mode == "p":
        return _command(["--config", str(path), "mailq"])
    if flags.mode == "i":
        return _command(["--config", str(path), "local", "aliases"])
    if flags.mode in ("v", "t"):
        return _command(["--config", str(path), "local", "resolve", *_addresses(flags.recipients)])
    if flags.flush:
        return _command(["--config", str(path), "queue", "flush"])
    where = places(path)
    if where.socket is None and where.drop_directory is None:
        return _complain(EX_CONFIG, "[local] has neither socket nor drop_directory: mail cannot be handed in")
    if flags.mode == "s":
        return _speak(where, flags)
    return _send(where, flags)


def _send(where: Places, flags: Flags) -> int:
    recipients = _addresses(flags.recipients)
    if not recipients and not flags.from_header:
        return _complain(EX_USAGE, "nobody is to get the message: give recipients, or -t")
    octets = _read(sys.stdin.buffer, dots_are_text=flags.dots_are_text)
    if octets is None:
        return _complain(EX_UNAVAILABLE, f"the message is bigger than {MOST_OCTETS} octets")
    octets = canonical(octets)
    drop = Drop(
        new_key(), len(octets), tuple(recipients), flags.from_header, flags.sender, _clean(flags.name), flags.notify,
        flags.ret, _clean(flags.envid))
    answer = hand_in(where, drop, octets)
    return _told(answer, flags)


def _speak(where: Places, flags: Flags) -> int:
    # what speaks SMTP is loaded where it is wanted
    import socket

    from quantummail.cli.smtp_on_stdin import drop_of, reply_of, serve
    from quantummail.message.envelope import Recipient, Sender
    from quantummail.smtp.reply import Reply

    def send(sender: Sender, recipients: tuple[Recipient, ...], octets: bytes) -> Reply:
        drop = drop_of(new_key(), sender, recipients, len(octets))
        if flags.sender is not None:
            drop = replace(drop, sender=flags.sender)
        answer = hand_in(where, drop, octets)
        return reply_of(answer.code, answer.text)

    serve(sys.stdin.buffer, sys.stdout.buffer, socket.gethostname().lower() or "localhost", MOST_OCTETS, send)
    return EX_OK


def _addresses(given: Iterable[str]) -> list[str]:
    """Recipients as they are typed: several may stand in one argument, separated by commas or blanks."""
    found: list[str] = []
    for one in given:
        if '"' in one:
            found.append(one.strip())
        else:
            found += one.replace(",", " ").split()
    return [one for one in found if one]


def _clean(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _read(source: BinaryIO, *, dots_are_text: bool) -> bytes | None:
    """The message: to the end of the input, or to a line that has nothing but a dot. None if it is too big."""
    octets = bytearray()
    for line in source:
        if not dots_are_text and line.rstrip(b"\r\n") == b".":
            break
        octets += line
        if len(octets) > MOST_OCTETS:
            return None
    return bytes(octets)


def _told(answer: Answer, flags: Flags) -> int:
    if answer.code != EX_OK:
        return _complain(answer.code, answer.text)
    if flags.verbose:
        print(answer.text)  # noqa: T201  # what -v is for
    return EX_OK


def _complain(code: int, text: str) -> int:
    print(f"sendmail: {text}", file=sys.stderr)  # noqa: T201  # a command's answer
    return code


def _command(arguments: list[str]) -> int:
    """What another command of ours does; it needs the server's rights."""
    from quantummail.cli.options import Options

    try:
        Options().parseOptions(arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else EX_NOUSER
    return EX_OK


if __name__ == "__main__":
    raise SystemExit(main())
