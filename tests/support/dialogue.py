r"""Dialogues: what a client says and what the server answers, as text that reads like the protocol itself.

::

    # Lines that begin with a hash, and empty lines, are skipped.
    S: 220 mx.example.test *
    C: EHLO client.example
    S: 250-mx.example.test
    S: /250[- ]SIZE [0-9]+/
    S: ...
    S: 250 *
    R: NOOP\r\nNOOP\r
    R: \n
    S: 250 *
    S: 250 *
    T: 300
    S: 421 *
    X:

``C:``  one line of the client; CRLF is added. Lines that follow each other go out as one piece (pipelined).
``R:``  octets of the client, nothing added; Python's escapes (``\r \n \x00 \\``). Each is a piece of its own.
``S:``  one line that the server must have said; CRLF is checked and removed. ``*`` stands for any text,
        except in the ``* `` that begins an untagged response of IMAP; a line between slashes is a regular
        expression for the whole line. After the last ``S:`` in a row the server must have said nothing more.
``S: ...``  any number of lines, up to the next ``S:`` line that matches.
``T:``  seconds that pass (of the connection's clock, in steps of at most ten seconds).
``X:``  the server has ended the connection here.  ``L:`` the client hangs up.
``TLS:``  the server has begun TLS here (and has said nothing else).

A dialogue that ends without ``X:`` also promises that the server has not closed the connection, and has said
nothing that the dialogue leaves out. Octets are UTF-8.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import unittest

    from twisted.internet.task import Clock

    from quantummail.wire.connection import Connection
    from tests.support.transport import MemoryTransport

DIALOGUES = Path(__file__).parent.parent / "dialogues"


def read_dialogues(protocol: str) -> dict[str, str]:
    """The texts in tests/dialogues/<protocol>/*.txt by their names without .txt."""
    return {path.stem: path.read_text("utf-8") for path in sorted((DIALOGUES / protocol).glob("*.txt"))}


def run_dialogue(testcase: unittest.TestCase, connection: Connection, text: str) -> None:
    """Hold a dialogue with a connection made by `tests.support.transport.connect`; fail where it differs."""
    _Run(testcase, connection, text).play()


class _Run:
    def __init__(self, testcase: unittest.TestCase, connection: Connection, text: str) -> None:
        self.testcase = testcase
        self.connection = connection
        self.transport = cast("MemoryTransport", connection.transport)
        self.clock: Clock = connection.clock  # type: ignore[assignment]  # tests run on a Clock
        self.script = _parse(text)
        self.heard = b""
        self.at = 0

    def play(self) -> None:
        expected: list[str] = []
        pieces: list[bytes] = []
        ended = False
        for number, verb, words in [*self.script, (0, "", "")]:
            if pieces and verb != "C":
                self.say(b"".join(pieces))
                pieces = []
            if verb == "S":
                expected.append(words)
                self.at = number
                continue
            self.check(expected)
            expected = []
            self.at = number or self.at
            if verb == "C":
                pieces.append(words.encode() + b"\r\n")
            elif verb:
                ended = self.act(verb, words) or ended
        if not ended and self.transport.disconnecting:
            self.fail("the server has ended the connection")

    def act(self, verb: str, words: str) -> bool:
        """Do one line that is neither C nor S; True if the connection is over after it."""
        if verb == "R":
            self.say(words.encode().decode("unicode_escape").encode("latin-1"))
        elif verb == "T":
            seconds = float(words)
            self.clock.pump([10.0] * int(seconds // 10) + [seconds % 10])
        elif verb == "L":
            self.transport.lose()
            return True
        elif verb == "X":
            if not self.transport.disconnecting:
                self.fail("the server has not ended the connection")
            return True
        elif verb == "TLS" and not self.transport.tls_contexts:
            self.fail("the server has not begun TLS")
        return False

    def say(self, data: bytes) -> None:
        self.connection.dataReceived(data)

    def check(self, expected: list[str]) -> None:
        self.heard += self.transport.take()
        skipping = False
        for words in expected:
            if words == "...":
                skipping = True
                continue
            line = self.next_line(words)
            while skipping and not _matches(words, line):
                line = self.next_line(words)
            skipping = False
            if not _matches(words, line):
                self.fail(f"expected {words!r}\n     heard {line!r}, then {self.heard[:400]!r}")
        if self.heard and not skipping:
            self.fail(f"the server also said {self.heard[:400]!r}")
        self.heard = b""

    def next_line(self, expected: str) -> str:
        line, end, rest = self.heard.partition(b"\r\n")
        if not end:
            self.fail(f"expected {expected!r}, heard {line!r}")
        self.heard = rest
        return line.decode("utf-8", "backslashreplace")

    def fail(self, why: str) -> None:
        self.testcase.fail(f"line {self.at} of the dialogue: {why}")


def _parse(text: str) -> list[tuple[int, str, str]]:
    script = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip(" \t") if not line.lstrip().startswith(("C:", "R:")) else line.lstrip()
        if not line or line.startswith("#"):
            continue
        verb, colon, words = line.partition(":")
        if not colon or verb not in ("C", "R", "S", "T", "X", "L", "TLS"):
            raise ValueError(f"line {number} of the dialogue: {line!r}")
        script.append((number, verb, words.removeprefix(" ")))
    return script


def _matches(words: str, line: str) -> bool:
    if len(words) > 1 and words.startswith("/") and words.endswith("/"):
        return re.fullmatch(words[1:-1], line) is not None
    prefix = ""
    if words.startswith("* "):
        prefix, words = "\\* ", words[2:]
    pattern = prefix + ".*".join(re.escape(part) for part in words.split("*"))
    return re.fullmatch(pattern, line, re.DOTALL) is not None
