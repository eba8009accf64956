"""Conversations with other servers, without a transport."""

from __future__ import annotations

import base64
from typing import TypeVar

from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.address import Address
from quantummail.message.envelope import Recipient, Sender
from quantummail.smtp import client_session as session
from quantummail.smtp.client_session import Answer, Conversation, Login, OutgoingMail, Patience, Refused
from quantummail.smtp.remote import Offer, RemoteReply, ReplyReader

T = TypeVar("T")
PATIENCE = Patience()
SENDER = Sender(Address("alice", "example.test"), size=100)


def offer(*keywords: str, **rest: int) -> Offer:
    """What a server offers."""
    return Offer("mx", True, frozenset(keywords), **rest)  # type: ignore[arg-type]  # sizes and limits


def mail(*names: str, sender: Sender = SENDER, require_tls: bool = False) -> OutgoingMail:
    """A message for some people."""
    return OutgoingMail(sender, tuple(Recipient(Address(name, "example.net")) for name in names), require_tls)


class Conversing(SynchronousTestCase):
    """Plays the other server: a reply for each `Receive`."""

    def play(self, conversation: Conversation[T], *replies: str) -> T:
        """Run it to its end. `self.said` is what went out, ``CONTENT`` and ``TLS`` where those come."""
        self.said: list[str] = []
        waiting = [self.reply(text) for text in replies]
        try:
            step = next(conversation)
            while True:
                answer = None
                match step:
                    case session.Send(octets):
                        self.said += octets.decode().split("\r\n")[:-1]
                    case session.Transmit(dotted):
                        self.said.append("CONTENT." if dotted else "CONTENT")
                    case session.Encrypt():
                        self.said.append("TLS")
                    case session.Receive():
                        answer = waiting.pop(0)
                step = conversation.send(answer)  # type: ignore[arg-type]  # only Receive looks at it
        except StopIteration as finished:
            self.assertEqual(waiting, [])
            value: T = finished.value
            return value

    def reply(self, text: str) -> RemoteReply:
        """One reply as it is on the wire, lines separated by LF."""
        reader = ReplyReader()
        reader.feed(text.replace("\n", "\r\n").encode() + b"\r\n")
        found = reader.next()
        assert found is not None
        return found


class BeginningTests(Conversing):
    """Until there can be mail."""

    def test_introduce(self) -> None:
        """A greeting, then EHLO."""
        found = self.play(session.introduce("we.test", PATIENCE), "220 hi", "250-mx\n250 SIZE 9")
        self.assertEqual((self.said, found.size), (["EHLO we.test"], 9))

    def test_helo(self) -> None:
        """HELO where EHLO is unknown; not where there is trouble."""
        found = self.play(session.introduce("we.test", PATIENCE), "220 hi", "502 what?", "250 mx")
        self.assertEqual((self.said, found.extended), (["EHLO we.test", "HELO we.test"], False))
        for replies in (("220 hi", "421 busy"), ("220 hi", "450 later"), ("220 hi", "500 no", "554 no"), ("554 no",),
                        ("421 no",)):
            with self.assertRaises(Refused, msg=replies):
                self.play(session.introduce("we.test", PATIENCE), *replies)

    def test_lhlo(self) -> None:
        """LMTP has its own word, and no older one."""
        self.play(session.introduce("we.test", PATIENCE, lmtp=True), "220 hi", "250 mx")
        self.assertEqual(self.said, ["LHLO we.test"])
        with self.assertRaises(Refused):
            self.play(session.introduce("we.test", PATIENCE, lmtp=True), "220 hi", "500 what?")

    def test_start_tls(self) -> None:
        """After the handshake everything is asked anew."""
        found = self.play(session.start_tls("we.test", PATIENCE), "220 go", "250-mx\n250 PIPELINING")
        self.assertEqual(self.said, ["STARTTLS", "TLS", "EHLO we.test"])
        self.assertIn("PIPELINING", found)
        with self.assertRaises(Refused):
            self.play(session.start_tls("we.test", PATIENCE), "454 no")

    def test_log_in(self) -> None:
        """PLAIN if possible, else LOGIN; a refusal is told."""
        login = Login("us\u00e9r", "p")
        plain = base64.b64encode("\0us\u00e9r\0p".encode()).decode()
        cases: list[tuple[set[str], list[str], list[str]]] = [
            ({"PLAIN", "LOGIN"}, ["235 ok"], [f"AUTH PLAIN {plain}"]),
            ({"LOGIN"}, ["334 u", "334 p", "235 ok"], ["AUTH LOGIN", "dXPDqXI=", "cA=="]),
        ]
        for mechanisms, replies, said in cases:
            self.play(session.log_in(Offer(mechanisms=frozenset(mechanisms)), login, PATIENCE), *replies)
            self.assertEqual(self.said, said)
        for mechanisms, replies in (({"PLAIN"}, ["535 5.7.8 no"]), ({"LOGIN"}, ["334 u", "535 no"]), ({"GSSAPI"}, [])):
            with self.assertRaises(Refused):
                self.play(session.log_in(Offer(mechanisms=frozenset(mechanisms)), login, PATIENCE), *replies)
        self.assertNotIn("'p'", repr(login))


class TransactionTests(Conversing):
    """One message."""

    def hand_over(
        self, offered: Offer, message: OutgoingMail, *replies: str, lmtp: bool = False, encrypted: bool = False,
        again: bool = False,
    ) -> list[str]:
        """The answers, as ``code`` with ``?`` for those we gave ourselves, ``-`` where there is none."""
        self.answers: list[Answer | None] = [None] * len(message.recipients)
        self.play(session.transaction(offered, message, self.answers, PATIENCE, lmtp=lmtp, encrypted=encrypted,
                                      again=again), *replies)
        return [f"{one.reply.code}{'' if one.to else '?'}" if one is not None else "-" for one in self.answers]

    def test_pipelined(self) -> None:
        """With PIPELINING the envelope goes in one piece."""
        self.assertEqual(
            self.hand_over(offer("PIPELINING"), mail("bob", "eve"), "250 ok", "250 ok", "550 no", "354 go", "250 done"),
            ["250", "550"])
        self.assertEqual(self.said, ["MAIL FROM:<alice@example.test>", "RCPT TO:<bob@example.net>",
                                     "RCPT TO:<eve@example.net>", "DATA", "CONTENT."])

    def test_one_by_one(self) -> None:
        """Without, nothing follows a sender who is refused, and RSET comes first on a connection that was used."""
        self.assertEqual(self.hand_over(offer(), mail("bob", "eve"), "550 no"), ["550", "550"])
        self.assertEqual(self.said, ["MAIL FROM:<alice@example.test>"])
        self.assertEqual(self.hand_over(offer(), mail("bob"), "250 ok", "250 ok", "250 ok", "354 go", "250 done",
                                        again=True), ["250"])
        self.assertEqual(self.said[0], "RSET")

    def test_sender_refused_pipelined(self) -> None:
        """The answer to MAIL counts, not those to RCPT that follow from it."""
        for again, before in ((False, []), (True, ["250 reset"])):
            self.assertEqual(self.hand_over(offer("PIPELINING"), mail("bob", "eve"), *before, "451 later", "503 mail?",
                                            "503 mail?", "503 mail?", again=again), ["451", "451"])

    def test_data_without_recipients(self) -> None:
        """A server that takes DATA although it took nobody gets nothing."""
        self.assertEqual(self.hand_over(offer("PIPELINING"), mail("bob"), "250 ok", "550 no", "354 go", "554 nobody"),
                         ["550"])
        self.assertEqual(self.said[-2:], ["DATA", "."])
        self.assertNotIn("CONTENT.", self.said)

    def test_nobody_accepted(self) -> None:
        """Without a recipient there is no DATA."""
        self.assertEqual(self.hand_over(offer(), mail("bob", "eve"), "250 ok", "550 no", "450 later"), ["550", "450"])
        self.assertNotIn("DATA", self.said)

    def test_data_refused(self) -> None:
        """A refusal of DATA is for those who were accepted."""
        self.assertEqual(self.hand_over(offer(), mail("bob", "eve"), "250 ok", "550 no", "250 ok", "452 full"),
                         ["550", "452"])

    def test_content_refused(self) -> None:
        """And so is one of the content."""
        self.assertEqual(self.hand_over(offer(), mail("bob"), "250 ok", "250 ok", "354 go", "554 5.7.1 spam"), ["554"])

    def test_chunking(self) -> None:
        """With CHUNKING the content goes as it is, in one chunk."""
        self.assertEqual(self.hand_over(offer("CHUNKING"), mail("bob"), "250 ok", "250 ok", "250 done"), ["250"])
        self.assertEqual(self.said[-2:], ["BDAT 100 LAST", "CONTENT"])

    def test_lmtp(self) -> None:
        """LMTP answers for each recipient that was accepted."""
        self.assertEqual(
            self.hand_over(offer("PIPELINING"), mail("a", "b", "c"), "250 ok", "250 ok", "550 no", "250 ok", "354 go",
                           "250 stored", "452 full", lmtp=True), ["250", "550", "452"])

    def test_421(self) -> None:
        """421 ends it, whatever it answers; what was said before holds."""
        with self.assertRaises(Refused):
            self.hand_over(offer(), mail("a", "b"), "250 ok", "421 bye")
        with self.assertRaises(Refused):
            self.hand_over(offer(), mail("a", "b"), "250 ok", "250 ok", "250 ok", "354 go", "250 stored", "421 bye",
                           lmtp=True)
        self.assertEqual([one and one.reply.code for one in self.answers], [250, None])

    def test_obstacles(self) -> None:
        """What the other side cannot take is not begun."""
        big, eight = Sender(None, size=1001), Sender(None, body="8BITMIME")
        for offered, message, code in (
            (offer("SIZE", size=1000), mail("bob", sender=big), "552?"),
            (offer(), mail("bob", sender=eight), "554?"),
            (offer("BINARYMIME"), mail("bob", sender=Sender(None, body="BINARYMIME")), "554?"),
            (offer("8BITMIME"), mail("bob", sender=Sender(None, smtputf8=True)), "553?"),
            (offer("REQUIRETLS"), mail("bob", require_tls=True), "550?"),
        ):
            self.assertEqual(self.hand_over(offered, message), [code])
            self.assertEqual(self.said, [])
        self.assertEqual(
            self.hand_over(offer("REQUIRETLS"), mail("bob", require_tls=True), "250 ok", "250 ok", "354 go", "250 done",
                           encrypted=True), ["250"])
        self.assertIn("REQUIRETLS", self.said[0])

    def test_utf8_recipients(self) -> None:
        """A domain can be written in ASCII for a server without SMTPUTF8; a local part cannot."""
        message = OutgoingMail(SENDER, (
            Recipient(Address("bob", "m\u00fcnchen.example")), Recipient(Address("j\u00f6rg", "example.net"))))
        self.assertEqual(self.hand_over(offer(), message, "250 ok", "250 ok", "354 go", "250 done"), ["250", "553?"])
        self.assertEqual(self.said[1], "RCPT TO:<bob@xn--mnchen-3ya.example>")
        self.assertEqual(self.hand_over(offer("SMTPUTF8"), message, "250 ok", "250 ok", "250 ok", "354 go", "250 done"),
                         ["250", "250"])
        self.assertEqual(self.said[1:3], ["RCPT TO:<bob@m\u00fcnchen.example>", "RCPT TO:<j\u00f6rg@example.net>"])
        only = OutgoingMail(SENDER, (Recipient(Address("j\u00f6rg", "example.net")),))
        self.assertEqual(self.hand_over(offer(), only), ["553?"])
        self.assertEqual(self.said, [])


class CommandTests(SynchronousTestCase):
    """MAIL and RCPT with parameters."""

    def test_mail(self) -> None:
        """Parameters that the other side knows, in its own coding."""
        sender = Sender(None, 7, "8BITMIME", True, "HDRS", "a+b=c d")
        message = OutgoingMail(sender, ())
        self.assertEqual(session.mail_command(offer("SIZE", "DSN"), message),
                         b"MAIL FROM:<> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+3Dc+20d\r\n")
        self.assertEqual(session.mail_command(offer(), OutgoingMail(Sender(None), ())), b"MAIL FROM:<>\r\n")

    def test_rcpt(self) -> None:
        """NOTIFY and ORCPT where DSN is known."""
        bob = Recipient(Address("bob", "example.net"), frozenset({"SUCCESS", "FAILURE"}), "rfc822;b+b@example.net")
        self.assertEqual(session.rcpt_command(offer("DSN"), bob),
                         b"RCPT TO:<bob@example.net> NOTIFY=FAILURE,SUCCESS ORCPT=rfc822;b+2Bb@example.net\r\n")
        self.assertEqual(session.rcpt_command(offer(), bob), b"RCPT TO:<bob@example.net>\r\n")
        utf8 = Recipient(Address("bob", "example.net"), orcpt="utf-8;j\u00f6rg+x@example.net")
        self.assertEqual(session.rcpt_command(offer("DSN"), utf8),
                         b"RCPT TO:<bob@example.net> ORCPT=utf-8;j\\x{F6}rg\\x{2B}x@example.net\r\n")

    def test_no_second_command(self) -> None:
        """No address can smuggle a command in."""
        for local_part in ("a\r\nRSET", "a\nb", "a\0"):
            with self.assertRaises(ValueError):
                session.rcpt_command(offer("SMTPUTF8"), Recipient(Address(local_part, "example.net")))
