"""SMTP with the program that has started us, as `sendmail -bs` speaks it (RFC 5321). Nothing but the wire is new."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import BinaryIO

from quantummail.message.drop import Drop
from quantummail.message.envelope import Recipient, Sender
from quantummail.message.local_header import canonical
from quantummail.smtp import events
from quantummail.smtp.reply import Reply
from quantummail.smtp.server_session import ServerSession
from quantummail.smtp.settings import SmtpSettings
from quantummail.wire.lines import LineBuffer

Send = Callable[[Sender, tuple[Recipient, ...], bytes], Reply]
"""Hands a message in, and knows the answer."""

_LF = re.compile(rb"(?<!\r)\n")
_OK = Reply(250, "2.1.0", "Ok")
_PERHAPS = Reply(252, "2.1.5", "Cannot verify the user")
_REPLIES = {
    0: (250, "2.0.0"), 64: (501, "5.1.3"), 65: (554, "5.6.0"), 67: (550, "5.1.1"), 69: (554, "5.7.1"),
}


def reply_of(code: int, text: str) -> Reply:
    """The reply that says what an exit code says; everything unknown is for now."""
    number, status = _REPLIES.get(code, (451, "4.3.0"))
    return Reply(number, status, text)


def serve(source: BinaryIO, sink: BinaryIO, hostname: str, most_octets: int, send: Send) -> None:
    """Speak until the other side says QUIT, or stops speaking."""
    buffer = LineBuffer()
    # not CHUNKING: who counts octets must not have them changed on the way
    session = ServerSession(buffer, SmtpSettings(
        hostname, max_size=most_octets, normalize_line_ends=True, disabled=frozenset({"CHUNKING"})))
    conversation = _Conversation(session, sink, send)
    conversation.say(session.greeting())
    cr = False
    while not conversation.over:
        event = session.next_event()
        if event is not None:
            conversation.take(event)
            continue
        data = source.read1(65536) if hasattr(source, "read1") else source.read(65536)
        if not data:
            return
        # programs of the machine end lines as its files do
        buffer.feed(_LF.sub(b"\r\n", data) if not cr else _LF.sub(b"\r\n", b"\r" + data)[1:])
        cr = data.endswith(b"\r")


class _Conversation:
    def __init__(self, session: ServerSession, sink: BinaryIO, send: Send) -> None:
        self.over = False
        self._session = session
        self._sink = sink
        self._send = send
        self._content = bytearray()

    def say(self, *replies: Reply) -> None:
        """Answer."""
        self._sink.write(b"".join([reply.encode() for reply in replies]))
        self._sink.flush()

    def take(self, event: events.Event) -> None:
        """What the other side wants, and what it gets."""
        session = self._session
        match event:
            case Reply():
                self.say(event)
            case events.Farewell():
                self.say(event.reply)
                self.over = True
            case events.MailAsked():
                self._content.clear()
                self.say(session.mail_answered(_OK))
            case events.RcptAsked():
                self.say(session.rcpt_answered(event.recipient, _OK))
            case events.VrfyAsked():
                self.say(session.answered(_PERHAPS))
            case events.DataAsked():
                self._content.clear()
                self.say(session.data_accepted())
            case events.Block():
                self._content += event.data
            case events.Complete():
                reply = self._send(
                    session.sender or Sender(None), tuple(session.recipients), canonical(bytes(self._content)))
                self._content.clear()
                self.say(*session.delivered((reply,)))
            case events.MessageRefused():
                self._content.clear()
                self.say(*event.replies)


def drop_of(key: str, sender: Sender, recipients: tuple[Recipient, ...], size: int) -> Drop:
    """The line for a message that came so. NOTIFY is the first recipient's: a drop has one for all."""
    first = recipients[0]
    return Drop(
        key, size, tuple(str(one.address) for one in recipients),
        sender=str(sender.address) if sender.address is not None else "", notify=tuple(sorted(first.notify)),
        ret=sender.ret, envid=sender.envid)
