"""Messages with UTF-8 in their headers, for clients that say UTF8 and for those that do not (RFC 6856)."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.description import describe
from quantummail.message.headers import MAX_OCTETS
from quantummail.message.parts import headers
from quantummail.pop3.retrieval import SMALL
from quantummail.pop3.surrogate import Surrogate
from tests.pop3.case import LOGIN, Pop3Case

HEAD, PART = "Subject: Grüße\r\nMIME-Version: 1.0\r\n", "Content-Type: text/plain; charset=utf-8\r\n"
PLAIN = f"{HEAD}{PART}\r\nGröße: bleibt\r\n".encode()
NESTED = (
    f'{HEAD}Content-Type: multipart/mixed; boundary="b"\r\n\r\nSubject: kein Kopf, größer\r\n'
    f"--b\r\n{PART}Content-Description: Übersicht\r\n\r\nFrom: größer\r\n"
    f"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: Zoë <z@e>\r\n\r\nTo: größer\r\n--b--\r\nSubject: größer\r\n"
).encode()
GREETING, OVERVIEW, ZOE = b"=?UTF-8?B?R3LDvMOfZQ==?=", b"=?UTF-8?B?w5xiZXJzaWNodA==?=", b"=?UTF-8?B?Wm/Dqw==?="


def surrogate_of(octets: bytes) -> bytes:
    """What a client gets that has not said UTF8."""
    return (octets.replace("Subject: Grüße".encode(), b"Subject: " + GREETING)
            .replace("Übersicht".encode(), OVERVIEW).replace("Zoë".encode(), ZOE))


class SurrogateTests(SynchronousTestCase):
    """Headers within a stream."""

    @given(st.sampled_from([PLAIN, NESTED]), st.lists(st.integers(0, len(NESTED)), max_size=8))
    def test_cut_anywhere(self, octets: bytes, cuts: list[int]) -> None:
        """Headers of the message and its parts, wherever the pieces end; nothing else is touched."""
        surrogate = Surrogate(headers(describe(octets).parts))
        edges = [0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]
        given_ = b"".join(surrogate.feed(octets[start:end]) for start, end in pairwise(edges))
        self.assertEqual(given_ + surrogate.end(), surrogate_of(octets))

    def test_byte_by_byte(self) -> None:
        """The same in pieces of one octet."""
        surrogate = Surrogate(headers(describe(NESTED).parts))
        given_ = b"".join(surrogate.feed(NESTED[at : at + 1]) for at in range(len(NESTED)))
        self.assertEqual(given_ + surrogate.end(), surrogate_of(NESTED))

    def test_huge_header(self) -> None:
        """A header that is not looked into is not held either."""
        octets = "Subject: ü\r\n".encode() + b"X: y\r\n" * (MAX_OCTETS // 6 + 1) + b"\r\ntext"
        surrogate = Surrogate([(0, len(octets) - 4)])
        self.assertEqual(surrogate.feed(octets[:100]), octets[:100])
        self.assertEqual(surrogate.feed(octets[100:]) + surrogate.end(), octets[100:])


class Utf8Tests(Pop3Case):
    """Clients of both kinds."""

    messages = (PLAIN, NESTED, NESTED + b"x" * SMALL, b"Subject: 8bit body\r\n\r\n--\xc3\xa4\r\n",
                b"Subject: \xe4\r\n\r\n")

    def test_without_utf8(self) -> None:
        """Who has not said UTF8 gets headers in ASCII, small messages and large ones, whole and by TOP."""
        connection, _ = self.logged_in()
        for number, octets in enumerate(self.messages, 1):
            expected = surrogate_of(octets)
            answer = self.say(connection, b"RETR %d\r\n" % number)
            self.assertEqual(answer.partition(b"\r\n")[2].removesuffix(b".\r\n").removesuffix(b"\r\n"),
                             expected.removesuffix(b"\r\n"))
            answer = self.say(connection, b"TOP %d 0\r\n" % number)
            head = expected.partition(b"\r\n\r\n")[0]
            self.assertEqual(answer, b"+OK top of message follows\r\n" + head + b"\r\n\r\n.\r\n")

    def test_with_utf8(self) -> None:
        """Who has said it gets what was stored, and its size."""
        connection, _ = self.connect()
        self.say(connection, b"UTF8\r\n" + LOGIN)
        for number, octets in enumerate(self.messages, 1):
            answer = self.say(connection, b"RETR %d\r\n" % number)
            self.assertTrue(answer.startswith(b"+OK %d octets\r\n" % len(octets) + octets), number)
            self.assertTrue(self.say(connection, b"TOP %d 0\r\n" % number).startswith(
                b"+OK top of message follows\r\n" + octets.partition(b"\r\n\r\n")[0]))

    def test_size(self) -> None:
        """The answer to RETR tells how long the surrogate is; LIST how long the message is."""
        connection, _ = self.logged_in()
        self.assertEqual(self.say(connection, b"LIST 1\r\n"), b"+OK 1 %d\r\n" % len(PLAIN))
        self.assertTrue(self.say(connection, b"RETR 1\r\n").startswith(b"+OK %d octets\r\n" % len(surrogate_of(PLAIN))))
