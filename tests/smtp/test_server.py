"""SMTP and LMTP on a transport: order, failures, limits, and what becomes of a message's content."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.address import Address
from quantummail.message.envelope import Sender
from quantummail.smtp.server import SMTPConnection
from quantummail.wire.admission import ConnectionLimits
from tests.smtp.receivers import Server
from tests.support.transport import MemoryTransport, connect

MESSAGE = b"Subject: x\r\n\r\nHello\r\n"


class OrderTests(SynchronousTestCase):
    """One command at a time, answers in order."""

    def test_slow_receiver(self) -> None:
        """What is pipelined behind a slow check waits, and is answered in order."""
        server = Server()
        server.begin()
        server.say(b"RSET\r\n")
        heard = server.say(b"MAIL FROM:<slow@example.org>\r\nRCPT TO:<unknown@example.test>\r\nNOOP\r\nQUIT\r\n")
        self.assertEqual(heard, [])
        self.assertEqual(len(server.receiver.asked), 1)
        server.receiver.gate.callback(None)
        self.assertEqual([line[:9] for line in server.heard()], ["250 2.1.0", "550 5.1.1", "250 2.0.0", "221 2.0.0"])
        self.assertTrue(server.transport.disconnecting)

    def test_slow_delivery(self) -> None:
        """The answer to a message comes before those to what is pipelined behind it."""
        server = Server()
        server.begin()
        server.say(b"DATA\r\n")
        self.assertEqual(server.say(b"SLOW\r\n.\r\nNOOP\r\n"), [])
        server.receiver.gate.callback(None)
        self.assertEqual(server.heard(), ["250 2.0.0 Taken", "250 2.0.0 OK"])

    def test_message_behind_data(self) -> None:
        """A message that does not wait for 354 is taken all the same."""
        server = Server()
        server.begin()
        heard = server.say(b"DATA\r\n" + MESSAGE + b".\r\nNOOP\r\n")
        self.assertEqual([line[:3] for line in heard], ["354", "250", "250"])
        self.assertEqual(server.delivered, [MESSAGE])

    def test_byte_by_byte(self) -> None:
        """A whole session octet by octet."""
        server = Server()
        heard: list[str] = []
        stream = (b"EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n" + MESSAGE +
                  b".\r\nQUIT\r\n")
        for at in range(len(stream)):
            heard += server.say(stream[at:at + 1])
        self.assertEqual([line[:3] for line in heard[-5:]], ["250", "250", "354", "250", "221"])
        self.assertEqual(server.delivered, [MESSAGE])

    def test_timeouts_wait_for_us(self) -> None:
        """The time that a check takes is not the client's."""
        server = Server()
        server.begin()
        server.say(b"RSET\r\nMAIL FROM:<slow@example.org>\r\n")
        server.clock.pump([100] * 20)
        server.receiver.gate.callback(None)
        self.assertEqual(server.heard(), ["250 2.1.0 OK"])
        server.clock.pump([100] * 2)
        self.assertEqual(server.heard(), [])
        server.clock.pump([100] * 2)
        self.assertEqual([line[:3] for line in server.heard()], ["421"])

    def test_never_reading_client(self) -> None:
        """A client that pipelines and does not read is not read from either, until it takes its answers."""
        server = Server(max_junk=0)
        server.transport.full()
        for _ in range(40):
            server.say(b"NOOP\r\n" * 1000)
        self.assertEqual(server.heard(), [])
        self.assertEqual(server.transport.producerState, "paused")
        server.transport.taken()
        self.assertEqual(len(server.heard()), 40_000)
        self.assertEqual(server.transport.producerState, "producing")

    def test_never_reading_client_is_cut_off(self) -> None:
        """After some minutes it is cut off."""
        server = Server()
        server.transport.full()
        server.say(b"NOOP\r\n")
        server.clock.pump([100] * 4)
        self.assertTrue(server.transport.disconnected)


class LineTests(SynchronousTestCase):
    """Over-long lines."""

    def test_state_is_kept(self) -> None:
        """A line that is too long is refused, the transaction goes on."""
        server = Server()
        server.begin()
        long = b"RCPT TO:<" + b"x" * 5000 + b"@example.test>\r\n"
        for at in (len(long), 3000, 4096, 4097, 5000):
            heard = server.say(long[:at]) + server.say(long[at:])
            self.assertEqual(heard, ["500 5.5.2 Line too long"], at)
        self.assertEqual([line[:3] for line in server.say(b"DATA\r\n" + MESSAGE + b".\r\n")], ["354", "250"])

    def test_megabyte(self) -> None:
        """A line of a megabyte costs no memory, and nothing in it is executed."""
        server = Server()
        server.heard()
        for _ in range(1000):
            self.assertEqual(server.say(b"x" * 1024), [])
            self.assertLess(len(server.connection.buffer), 8192)
        self.assertEqual(server.say(b"\r\nNOOP\r\n"), ["500 5.5.2 Line too long", "250 2.0.0 OK"])

    def test_auth_lines(self) -> None:
        """AUTH and its answers may be longer than commands, up to 12288 octets; other lines may not."""
        server = Server("127.0.0.1", mode="submission", plaintext_login=True)
        server.say(b"EHLO c\r\n")
        self.assertEqual(server.say(b"NOOP " + b"x" * 5000 + b"\r\n"), ["500 5.5.2 Line too long"])
        self.assertEqual([line[:3] for line in server.say(b"AUTH PLAIN " + b"QUFB" * 2000 + b"\r\n")], ["535"])
        server.say(b"AUTH PLAIN\r\n")
        self.assertEqual(server.say(b"x" * 12300 + b"\r\n"), ["500 5.5.6 Authentication exchange line is too long"])
        self.assertEqual(server.say(b"NOOP\r\n"), ["250 2.0.0 OK"])

    def test_long_text_lines(self) -> None:
        """Lines of a message may be longer than 998 octets."""
        server = Server()
        server.begin()
        server.say(b"DATA\r\n" + b"x" * 10_000 + b"\r\n.\r\n")
        self.assertEqual(server.delivered, [b"x" * 10_000 + b"\r\n"])


class ContentTests(SynchronousTestCase):
    """A content is discarded exactly once, exactly when it is not wanted any more."""

    def discarded(self, server: Server) -> list[int]:
        return [content.discarded for content in server.receiver.contents]

    def test_after_delivery(self) -> None:
        """After the receiver has dealt with it."""
        server = Server()
        server.begin()
        server.say(b"DATA\r\nSLOW\r\n.\r\n")
        self.assertEqual(self.discarded(server), [0])
        server.receiver.gate.callback(None)
        self.assertEqual(self.discarded(server), [1])

    def test_disconnect_in_data(self) -> None:
        """When the client hangs up in DATA; nothing is delivered."""
        server = Server()
        server.begin()
        server.say(b"DATA\r\n" + MESSAGE)
        server.transport.lose()
        self.assertEqual(self.discarded(server), [1])
        self.assertEqual(server.delivered, [])

    def test_disconnect_in_write(self) -> None:
        """When the client hangs up while octets are being written: after the write."""
        server = Server()
        gate: Deferred[None] = Deferred()
        server.receiver.write_gate = gate
        server.begin()
        server.say(b"DATA\r\n" + MESSAGE + b".\r\n")
        server.transport.lose()
        self.assertEqual(self.discarded(server), [0])
        gate.callback(None)
        self.assertEqual(self.discarded(server), [1])
        self.assertEqual(server.delivered, [])

    def test_disconnect_in_delivery(self) -> None:
        """When the client hangs up after the end: the message is delivered, then discarded."""
        server = Server()
        server.begin()
        server.say(b"DATA\r\nSLOW\r\n.\r\n")
        server.transport.lose()
        self.assertEqual(self.discarded(server), [0])
        server.receiver.gate.callback(None)
        self.assertEqual(self.discarded(server), [1])
        self.assertEqual(server.delivered, [b"SLOW\r\n"])

    def test_timeout_in_data(self) -> None:
        """When the client falls silent in DATA."""
        server = Server()
        server.begin()
        server.say(b"DATA\r\n" + MESSAGE)
        server.clock.pump([100] * 7)
        self.assertEqual([line[:9] for line in server.heard()], ["421 4.4.2"])
        server.transport.lose()
        self.assertEqual(self.discarded(server), [1])

    def test_between_chunks(self) -> None:
        """When RSET, EHLO, STARTTLS or QUIT come between chunks."""
        for command in (b"RSET", b"EHLO c", b"STARTTLS", b"QUIT"):
            server = Server()
            server.begin()
            server.say(b"BDAT 3\r\na\r\n")
            self.assertEqual(self.discarded(server), [0])
            server.say(command + b"\r\n")
            server.transport.lose()
            self.assertEqual(self.discarded(server), [1], command)

    def test_refused(self) -> None:
        """When the octets themselves are refused."""
        server = Server(max_size=10)
        server.begin()
        server.say(b"DATA\r\nabc\r\n" + b"x" * 100 + b"\r\n.\r\n")
        self.assertEqual(self.discarded(server), [1])

    def test_receiver_raises(self) -> None:
        """When delivery fails in an unexpected way: 451, and the session lives."""
        server = Server()
        server.begin()
        self.assertEqual([line[:9] for line in server.say(b"DATA\r\nRAISE\r\n.\r\nNOOP\r\n")],
                         ["354 End t", "451 4.3.0", "250 2.0.0"])
        self.assertEqual(self.discarded(server), [1])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_empty_chunks(self) -> None:
        """A message of no octets has a content too."""
        server = Server()
        server.begin()
        self.assertEqual([line[:3] for line in server.say(b"BDAT 0 LAST\r\n")], ["250"])
        self.assertEqual(server.delivered, [b""])
        self.assertEqual(self.discarded(server), [1])


class NoRoomTests(SynchronousTestCase):
    """The store cannot keep the content."""

    def test_no_place(self) -> None:
        """No place at all: 452 instead of 354, and the transaction is still there."""
        server = Server()
        server.receiver.no_content = OSError(28, "No space left on device")
        server.begin()
        self.assertEqual([line[:9] for line in server.say(b"DATA\r\n")], ["452 4.3.1"])
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        server.receiver.no_content = None
        self.assertEqual([line[:3] for line in server.say(b"DATA\r\n" + MESSAGE + b".\r\n")], ["354", "250"])

    def test_no_place_for_chunks(self) -> None:
        """The same for BDAT: the chunks are swallowed."""
        server = Server()
        server.receiver.no_content = OSError(28, "No space left on device")
        server.begin()
        heard = server.say(b"BDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
        self.assertEqual([line[:9] for line in heard], ["452 4.3.1", "452 4.3.1", "250 2.0.0"])
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_write_fails(self) -> None:
        """The rest is swallowed, then it is said; nothing of the message is executed."""
        for trouble, code in ((OSError(28, "No space"), "452 4.3.1"), (RuntimeError("what"), "451 4.3.0")):
            server = Server()
            server.receiver.write_trouble = trouble
            server.begin()
            heard = server.say(b"DATA\r\nabc\r\n") + server.say(b"QUIT\r\n") + server.say(b".\r\nNOOP\r\n")
            self.assertEqual([line[:9] for line in heard], ["354 End t", code, "250 2.0.0"])
            self.assertEqual([content.discarded for content in server.receiver.contents], [1])
            self.assertEqual(server.delivered, [])
            self.assertEqual(len(self.flushLoggedErrors(type(trouble))), 1)

    def test_lmtp(self) -> None:
        """An LMTP client is answered once for each recipient."""
        server = Server(mode="lmtp")
        server.receiver.write_trouble = OSError(28, "No space")
        server.begin()
        heard = server.say(b"RCPT TO:<c@example.test>\r\nDATA\r\nabc\r\n.\r\n")
        self.assertEqual([line[:3] for line in heard], ["250", "354", "452", "452"])
        self.flushLoggedErrors(OSError)


class EnvelopeTests(SynchronousTestCase):
    """What the receiver is told."""

    def test_envelope(self) -> None:
        """Everything the client said, under one id."""
        server = Server()
        server.begin(b"MAIL FROM:<a@example.org> SIZE=10 RET=HDRS")
        server.say(b"RCPT TO:<c@example.test>\r\nRCPT TO:<unknown@example.test>\r\nDATA\r\n" + MESSAGE + b".\r\n")
        envelope, octets = server.receiver.messages[0]
        self.assertEqual(octets, MESSAGE)
        self.assertEqual(envelope.sender, Sender(Address("a", "example.org"), size=10, ret="HDRS"))
        self.assertEqual([str(recipient.address) for recipient in envelope.recipients],
                         ["b@example.test", "c@example.test"])
        self.assertRegex(envelope.id, "^[0-9a-z]{16}$")
        client = envelope.client
        self.assertEqual((client.address, client.port, client.helo, client.protocol, client.tls, client.user),
                         ("192.0.2.1", 40000, "client.example", "ESMTP", "", ""))
        self.assertEqual(client.connection, server.connection.connection_id)

    def test_ids_differ(self) -> None:
        """Each transaction has its own id."""
        server = Server()
        for _ in range(2):
            server.begin()
            server.say(b"DATA\r\n.\r\n")
        first, second = (envelope.id for envelope, _ in server.receiver.messages)
        self.assertNotEqual(first, second)

    def protocol(self, *commands: bytes, client: str = "127.0.0.1", **settings: Any) -> tuple[str, str]:
        server = Server(client, **settings)
        for command in commands:
            server.say(command + b"\r\n")
        told = server.receiver.clients[-1]
        return told.protocol, told.tls

    def test_protocol(self) -> None:
        """The word after `with`, and the TLS session."""
        mail, utf8, auth = b"MAIL FROM:<a@b>", b"MAIL FROM:<a@b> SMTPUTF8", b"AUTH PLAIN AGEAc2VjcmV0"
        tls = "TLSv1.3 TLS_AES_256_GCM_SHA384"
        submission = {"mode": "submission", "plaintext_login": True}
        for expected, commands, settings in (
            (("SMTP", ""), [b"HELO c", mail], {}),
            (("SMTP", tls), [b"STARTTLS", b"HELO c", mail], {}),
            (("ESMTP", ""), [b"EHLO c", mail], {}),
            (("ESMTPS", tls), [b"STARTTLS", b"EHLO c", mail], {}),
            (("ESMTPS", tls), [b"EHLO c", mail], {"implicit_tls": True}),
            (("ESMTPA", ""), [b"EHLO c", auth, mail], submission),
            (("ESMTPSA", tls), [b"STARTTLS", b"EHLO c", auth, mail], submission),
            (("UTF8SMTP", ""), [b"EHLO c", utf8], {}),
            (("UTF8SMTPSA", tls), [b"STARTTLS", b"EHLO c", auth, utf8], submission),
            (("ESMTP", ""), [b"EHLO c", utf8, b"RSET", mail], {}),
            (("LMTP", ""), [b"LHLO c", mail], {"mode": "lmtp"}),
            (("LMTPS", tls), [b"STARTTLS", b"LHLO c", mail], {"mode": "lmtp"}),
            (("UTF8LMTPS", tls), [b"STARTTLS", b"LHLO c", utf8], {"mode": "lmtp"}),
        ):
            self.assertEqual(self.protocol(*commands, **settings), expected, commands)

    def test_user(self) -> None:
        """The account's address after a login, nobody's after STARTTLS."""
        server = Server("127.0.0.1", mode="submission", plaintext_login=True)
        server.say(b"EHLO c\r\nAUTH PLAIN AGEAc2VjcmV0\r\nMAIL FROM:<a@b>\r\n")
        self.assertEqual(server.receiver.clients[-1].user, "a")
        server.say(b"STARTTLS\r\n")
        self.assertEqual(server.say(b"EHLO c\r\nMAIL FROM:<a@b>\r\n")[-1][:9], "530 5.7.0")

    def expelled(self, *octets: bytes) -> tuple[Server, list[str]]:
        """A user's session, that is ended after these octets; and what it heard after that."""
        server = Server("127.0.0.1", mode="submission", plaintext_login=True)
        server.say(b"EHLO c\r\nAUTH PLAIN AGEAc2VjcmV0\r\n")
        (end,) = server.receiver.ends
        for piece in octets:
            server.say(piece)
        end()
        return server, server.heard()

    def test_expelled(self) -> None:
        """The session of a disabled account is over as soon as it is known."""
        for begun in (b"", b"MAIL FROM:<a@b>\r\nRCPT TO:<b@example.test>\r\n", b"AUTH PL",
                      b"MAIL FROM:<a@b>\r\nRCPT TO:<b@example.test>\r\nDATA\r\nhalf of "):
            server, heard = self.expelled(begun)
            self.assertEqual(heard, ["421 4.7.0 mx.example.test Log in again"], begun)
            self.assertTrue(server.transport.disconnecting)
            self.assertEqual(server.delivered, [])

    def test_expelled_after_the_message(self) -> None:
        """A message that is whole is answered first; commands behind it are not looked at."""
        begun = b"MAIL FROM:<a@b>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n"
        server, heard = self.expelled(begun, b"SLOW\r\n.\r\nMAIL FROM:<a@b>\r\n")
        self.assertEqual(heard, [])
        server.receiver.gate.callback(None)
        self.assertEqual([line[:9] for line in server.heard()], ["250 2.0.0", "421 4.7.0"])
        self.assertEqual(server.delivered, [b"SLOW\r\n"])
        self.assertEqual(len(server.receiver.senders), 1)

    def test_expelled_while_content_is_written(self) -> None:
        """Nor is one lost whose last octets wait to be looked at."""
        server = Server("127.0.0.1", mode="submission", plaintext_login=True)
        gate = server.receiver.write_gate = Deferred()
        server.say(b"EHLO c\r\nAUTH PLAIN AGEAc2VjcmV0\r\nMAIL FROM:<a@b>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n")
        server.say(b"first\r\n")
        server.say(b"last\r\n.\r\nNOOP\r\n")
        server.receiver.ends[0]()
        gate.callback(None)
        self.assertEqual([line[:9] for line in server.heard()], ["250 2.0.0", "421 4.7.0"])

    def test_logged_out(self) -> None:
        """The login is over with the connection, at STARTTLS, and when it comes too late."""
        for octets in (b"", b"STARTTLS\r\n"):
            server = Server("127.0.0.1", mode="submission", plaintext_login=True)
            server.say(b"EHLO c\r\nAUTH PLAIN AGEAc2VjcmV0\r\n" + octets)
            self.assertEqual(len(server.receiver.ends), not octets)
            server.transport.lose()
            self.assertEqual(server.receiver.ends, [])
        server = Server("127.0.0.1", mode="submission", plaintext_login=True)
        server.say(b"EHLO c\r\nAUTH PLAIN AHNsb3cAc2VjcmV0\r\n")
        server.transport.lose()
        server.receiver.ends.append(server.connection.expel)
        server.receiver.gate.callback(None)
        self.assertEqual(server.receiver.ends, [])

    def test_lmtp_answers_must_fit(self) -> None:
        """A receiver with too few answers is a local error for every recipient."""
        server = Server(mode="lmtp")
        server.begin()
        server.receiver.lmtp = False
        heard = server.say(b"RCPT TO:<c@example.test>\r\nDATA\r\n" + MESSAGE + b".\r\n")
        self.assertEqual([line[:9] for line in heard[2:]], ["451 4.3.0", "451 4.3.0"])


class ConnectionTests(SynchronousTestCase):
    """The ends of a connection."""

    def test_early_talker(self) -> None:
        """Who talks before the greeting is remembered."""
        server = Server()
        self.assertFalse(server.connection.early_talker)
        talker = SMTPConnection(server.factory)
        talker.factory = server.factory
        talker.buffer.feed(b"EHLO c\r\n")
        transport = MemoryTransport()
        transport.connection = talker
        talker.makeConnection(transport)
        self.assertTrue(talker.early_talker)
        self.assertEqual([line[:4] for line in transport.take().split(b"\r\n")[:2]], [b"220 ", b"250-"])

    def test_idle_connections_end_at_once(self) -> None:
        """When the server stops, an idle client is told so."""
        server = Server()
        server.begin()
        stopped = server.factory.drain(30)
        self.assertEqual([line[:9] for line in server.heard()], ["421 4.3.2"])
        self.assertNoResult(stopped)
        server.transport.lose()
        self.successResultOf(stopped)

    def test_messages_may_end(self) -> None:
        """When the server stops, a message that is coming in is taken first."""
        server = Server()
        server.begin()
        server.say(b"DATA\r\nabc\r\n")
        server.factory.drain(30)
        self.assertEqual(server.heard(), [])
        self.assertEqual([line[:9] for line in server.say(b".\r\nNOOP\r\n")], ["250 2.0.0", "421 4.3.2"])
        self.assertEqual(server.delivered, [b"abc\r\n"])

    def test_patience(self) -> None:
        """But not for ever."""
        server = Server()
        server.begin()
        server.say(b"DATA\r\nabc\r\n")
        server.factory.drain(30)
        server.clock.advance(31)
        self.assertTrue(server.transport.disconnected)

    def test_refused_client(self) -> None:
        """One client too many is told 421."""
        server = Server()
        server.factory.admission.limits = ConnectionLimits(total=1)
        _, transport = connect(server.factory)
        self.assertRegex(transport.take(), rb"^421 4\.7\.0 mx\.example\.test too many connections\r\n$")
        self.assertTrue(transport.disconnecting)

    def test_starttls_forgets(self) -> None:
        """After the handshake the transaction is gone, and STARTTLS is not offered again."""
        server = Server()
        server.begin()
        self.assertEqual(server.say(b"STARTTLS\r\n"), ["220 2.0.0 Ready to start TLS"])
        self.assertEqual(server.say(b"RCPT TO:<c@example.test>\r\n"), ["503 5.5.1 Say EHLO first"])
        self.assertNotIn("250 STARTTLS", server.say(b"EHLO c\r\n"))
        self.assertEqual(server.say(b"RCPT TO:<c@example.test>\r\n"), ["503 5.5.1 Say MAIL first"])

    def test_starttls_not_offered(self) -> None:
        """Without a context there is no STARTTLS."""
        server = Server(tls=False)
        server.heard()
        self.assertEqual([line[:3] for line in server.say(b"STARTTLS\r\n")], ["502"])
        self.assertFalse(any("STARTTLS" in line for line in server.say(b"EHLO c\r\n")))
