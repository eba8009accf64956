"""The dialogue runner itself."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.wire.admission import ConnectionLimits
from quantummail.wire.connection import Connection
from quantummail.wire.factory import ConnectionFactory
from tests.support.dialogue import run_dialogue
from tests.support.transport import connect


class Echo(Connection):
    """Says every line back; two lines for `twice`, ends at `bye`."""

    async def greet(self) -> None:
        self.write(b"* hello\r\n")

    async def step(self) -> bool:
        line = self.buffer.take_line(100)
        if line is None:
            return False
        self.write(line * (2 if line == b"twice\r\n" else 1))
        if line == b"bye\r\n":
            self.close()
        return True

    def timed_out(self) -> None:
        self.write(b"too slow\r\n")


class EchoFactory(ConnectionFactory):
    """Echo connections."""

    def new_connection(self) -> Connection:
        return Echo(self.clock, 60)


class DialogueTests(SynchronousTestCase):
    """What run_dialogue accepts and what it fails on."""

    def run_text(self, text: str) -> None:
        connection, _ = connect(EchoFactory("echo", Clock(), ConnectionLimits()))
        run_dialogue(self, connection, text)

    def refuses(self, text: str) -> None:
        self.assertRaises(self.failureException, self.run_text, text)

    def test_whole(self) -> None:
        """Wildcards, regular expressions, pipelining, raw octets, time and ends can all be told."""
        self.run_text("""
            # a comment
            S: * hello
            C: one
            C: two
            S: o*e
            S: /t[w]o/
            R: th\\x72ee\\r
            R: \\n
            S: three
            C: twice
            S: twice
            S: twice
            T: 59
            C: still
            S: ...
            T: 60
            S: too slow
            X:
        """)

    def test_skip(self) -> None:
        """`...` skips lines up to the one that matches."""
        self.run_text("S: ...\nC: a\nC: b\nC: c\nS: ...\nS: c")

    def test_differs(self) -> None:
        """A line that differs fails."""
        self.refuses("S: * hello\nC: one\nS: two")

    def test_star_of_imap(self) -> None:
        """The star that begins an untagged response is not a wildcard."""
        self.refuses("S: * hello\nC: x y\nS: * y")

    def test_says_more(self) -> None:
        """A server that says more than the dialogue tells fails."""
        self.refuses("S: * hello\nC: twice\nS: twice")

    def test_says_less(self) -> None:
        """A server that says less fails."""
        self.refuses("S: * hello\nC: one\nS: one\nS: one")

    def test_silent(self) -> None:
        """What no S: line tells must not be said."""
        self.refuses("S: * hello\nC: one")

    def test_unexpected_end(self) -> None:
        """An end of the connection has to be told."""
        self.refuses("S: * hello\nC: bye\nS: bye")

    def test_missing_end(self) -> None:
        """X: fails while the connection is open."""
        self.refuses("S: * hello\nX:")

    def test_unknown_verb(self) -> None:
        """A line of an unknown kind is an error of the dialogue."""
        self.assertRaises(ValueError, self.run_text, "Q: what")
