"""Reading a maildrop: read-ahead, pieces, and clients that do not read."""

from __future__ import annotations

from quantummail.pop3.retrieval import AHEAD_MOST, SMALL
from quantummail.pop3.server import POP3Connection
from quantummail.store.errors import Unavailable
from tests.pop3.case import Pop3Case


def message(number: int, size: int = 10_000) -> bytes:
    """A message of about this size, with dots to stuff."""
    return f"Subject: {number}\r\n\r\n".encode() + b".dots and text\r\n" * (size // 16)


class ReadAheadTests(Pop3Case):
    """300 messages of 10 KB."""

    messages = tuple(message(number) for number in range(1, 301))

    def retr(self, *numbers: int) -> bytes:
        return b"".join(b"RETR %d\r\n" % number for number in numbers)

    def kept(self, connection: POP3Connection) -> dict[int, bytes]:
        """What was read ahead and not yet asked for."""
        assert connection.transaction is not None
        assert connection.transaction._retrieval is not None
        return connection.transaction._retrieval._octets

    def test_in_order(self) -> None:
        """One after another, they are read many at once; each is what it was."""
        connection, _ = self.logged_in()
        for number, data in enumerate(self.messages, 1):
            answer = self.say(connection, self.retr(number))
            self.assertEqual(answer, b"+OK %d octets\r\n" % len(data) + data.replace(b"\n.", b"\n..") + b".\r\n")
        self.assertLess(len(self.bodies.reads), 12)

    def test_pipelined(self) -> None:
        """The same when all commands come at once."""
        connection, _ = self.logged_in()
        answer = self.say(connection, self.retr(*range(1, 301)))
        self.assertEqual(answer.count(b"\r\n.\r\n"), 300)
        self.assertLess(len(self.bodies.reads), 12)

    def test_with_deletions(self) -> None:
        """A client that deletes what it has read keeps the order."""
        connection, _ = self.logged_in()
        for number in range(1, 301):
            answer = self.say(connection, b"RETR %d\r\nDELE %d\r\n" % (number, number))
            self.assertIn(b"Subject: %d\r\n" % number, answer)
        self.assertLess(len(self.bodies.reads), 12)

    def test_top_then_retr(self) -> None:
        """TOP n before RETR n costs no second read."""
        connection, _ = self.logged_in()
        for number in range(1, 301):
            self.say(connection, b"TOP %d 0\r\nRETR %d\r\n" % (number, number))
        self.assertLess(len(self.bodies.reads), 12)

    def test_deleted_before(self) -> None:
        """Messages marked deleted are not read ahead, and the others are still found."""
        connection, _ = self.logged_in()
        self.say(connection, b"".join(b"DELE %d\r\n" % number for number in range(2, 300, 2)))
        for number in range(1, 300, 2):
            self.assertIn(b"Subject: %d\r\n" % number, self.say(connection, self.retr(number)))

    def test_out_of_order(self) -> None:
        """Out of order, each is read alone, and nothing is kept."""
        connection, _ = self.logged_in()
        for number in range(300, 200, -1):
            self.assertIn(b"Subject: %d\r\n" % number, self.say(connection, self.retr(number)))
        self.assertEqual(set(self.bodies.reads), {1})
        self.assertLessEqual(len(self.kept(connection)), 1)

    def test_bounded(self) -> None:
        """What is read ahead never exceeds its limit."""
        connection, _ = self.logged_in()
        for number in range(1, 301):
            self.say(connection, self.retr(number))
            kept = self.kept(connection)
            self.assertLessEqual(sum(map(len, kept.values())), AHEAD_MOST)


class ManyTests(Pop3Case):
    """More messages than one page of rows."""

    messages = tuple(b"Subject: %d\r\n\r\n" % number for number in range(1, 1203))

    def test_list(self) -> None:
        """LIST and UIDL have a line for each, STAT the sum of all."""
        connection, _ = self.logged_in()
        listing = self.say(connection, b"LIST\r\n")
        lines = listing.split(b"\r\n")
        self.assertEqual(lines[1:-2], [b"%d %d" % (number, len(data)) for number, data in enumerate(self.messages, 1)])
        total = sum(map(len, self.messages))
        self.assertEqual(lines[0], b"+OK 1202 messages (%d octets)" % total)
        self.assertEqual(self.say(connection, b"STAT\r\n"), b"+OK 1202 %d\r\n" % total)
        self.assertEqual(self.say(connection, b"UIDL\r\n").count(b"\r\n"), 1204)

    def test_delete_all(self) -> None:
        """All of them can be removed in one session."""
        connection, _ = self.logged_in()
        self.say(connection, b"".join(b"DELE %d\r\n" % number for number in range(1, 1203)) + b"STAT\r\n")
        self.assertIn(b"+OK bye", self.say(connection, b"QUIT\r\n"))
        self.assertEqual(self.uids(), [])

    def test_never_reading(self) -> None:
        """A client that does not read gets a page, and no command after it is looked at."""
        connection, transport = self.logged_in()
        transport.full()
        connection.dataReceived(b"UIDL\r\n" + b"STAT\r\n" * 50)
        self.assertLess(len(transport.value()), 20_000)
        self.assertNotIn(b"+OK 1202", transport.value())
        transport.taken()
        self.assertEqual(transport.take().count(b"+OK 1202 "), 50)


class BigTests(Pop3Case):
    """A message of 3 MB."""

    big = message(1, 3_000_000) + b"."
    messages = (b"Subject: small\r\n\r\n", big)
    answer = b"+OK %d octets\r\n" % len(big) + big.replace(b"\n.", b"\n..") + b"\r\n.\r\n"

    def test_whole(self) -> None:
        """It comes in pieces, and is what it was; its last line, a dot without an end, too."""
        connection, _ = self.logged_in()
        self.assertGreater(len(self.big), SMALL)
        self.assertEqual(self.say(connection, b"RETR 2\r\n"), self.answer)

    def test_never_reading(self) -> None:
        """A client that does not read costs one piece; when it reads it gets all."""
        connection, transport = self.logged_in()
        self.bodies.before_read = transport.full
        connection.dataReceived(b"RETR 2\r\nNOOP\r\n")
        received = b""
        while piece := transport.take():
            self.assertLess(len(piece), 200_000)
            received += piece
            transport.taken()
        self.assertEqual(received, self.answer + b"+OK\r\n")
        self.assertGreater(len(self.bodies.reads), 20)

    def test_top(self) -> None:
        """TOP reads no more than it needs."""
        connection, _ = self.logged_in()
        self.assertEqual(self.say(connection, b"TOP 2 1\r\n"),
                         b"+OK top of message follows\r\nSubject: 1\r\n\r\n..dots and text\r\n.\r\n")
        self.assertEqual(self.bodies.reads, [0])

    def test_top_of_all(self) -> None:
        """With lines enough TOP is the whole message."""
        connection, _ = self.logged_in()
        answer = self.say(connection, b"TOP 2 9999999\r\n")
        self.assertEqual(answer.partition(b"\r\n")[2], self.answer.partition(b"\r\n")[2])

    def test_cut_off(self) -> None:
        """When the rest cannot be read the connection ends: half a message is never taken for whole.

        What the client sent ahead, such as DELE and QUIT, has no effect any more.
        """
        connection, transport = self.logged_in()
        self.bodies.before_read = transport.full
        connection.dataReceived(b"RETR 2\r\nDELE 2\r\nQUIT\r\n")
        self.bodies.failure = Unavailable("input/output error")
        transport.taken()
        self.assertTrue(transport.value().startswith(b"+OK"))
        self.assertNotIn(b"\r\n.\r\n", transport.value())
        self.assertTrue(connection.closing)
        connection.wake()
        transport.lose()
        self.assertEqual(self.uids(), [1, 2])

    def test_lost_in_the_middle(self) -> None:
        """A client that hangs up in the middle leaves nothing behind."""
        connection, transport = self.logged_in()
        self.bodies.before_read = transport.full
        connection.dataReceived(b"RETR 2\r\nDELE 2\r\nQUIT\r\n")
        self.assertTrue(transport.value().startswith(b"+OK"))
        transport.lose()
        self.assertEqual(self.uids(), [1, 2])
        self.logged_in()
