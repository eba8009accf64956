"""One conversation with another server, step by step: what to send, which answers to wait for, what they mean.

Knows no transport and no clock. Each function is a generator: it yields steps, gets the reply to each `Receive`, and
returns what came of it. Whoever drives it (smtp/client.py) writes, reads and watches the time.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import idna

from quantummail.message.address import Address
from quantummail.message.envelope import Recipient, Sender
from quantummail.smtp.remote import Offer, RemoteReply, offer_of


@dataclass(frozen=True, slots=True)
class Send:
    """Write these octets."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait for a reply, at most so many seconds."""

    to: str
    """What it is the reply to, as reports say it: ``RCPT TO``."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send the content: with dots stuffed and the final dot, or as it is."""

    dotted: bool


@dataclass(frozen=True, slots=True)
class Encrypt:
    """Do the TLS handshake. Whatever came in before it must not be there any more (RFC 3207 6)."""


Step = Send | Receive | Transmit | Encrypt
T = TypeVar("T")
Conversation = Generator[Step, RemoteReply, T]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each answer may take, in seconds (RFC 5321 4.5.3.2, at least as long)."""

    connection: float = 30.0
    greeting: float = 300.0
    hello: float = 300.0
    mail: float = 300.0
    recipient: float = 300.0
    data: float = 120.0
    block: float = 180.0
    """For the other side to take one block of the content."""
    final: float = 600.0
    farewell: float = 10.0


@dataclass(frozen=True, slots=True)
class Login:
    """What a smarthost wants to know."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """One message for some recipients at one destination."""

    sender: Sender
    """`body` and `smtputf8` say what the message needs; `size` its octets."""
    recipients: tuple[Recipient, ...]
    require_tls: bool = False
    """RFC 8689: it may only travel under verified TLS, also behind the other side."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a recipient's fate is based on."""

    reply: RemoteReply
    to: str
    """The command that was answered; empty if we did not ask."""


class Refused(Exception):
    """The other side will not go on with this connection."""

    def __init__(self, reply: RemoteReply, to: str) -> None:
        super().__init__(f"{to}: {reply}")
        self.reply = reply
        self.to = to


# What we find out without asking. RFC 3463 says what the codes mean.
NOT_ENCRYPTED = RemoteReply(451, "4.7.10", "TLS is required, and the other server does not offer it")
_TOO_BIG = RemoteReply(552, "5.3.4", "The message is larger than the other server takes")
_NEEDS_8BIT = RemoteReply(554, "5.6.3", "The message has 8-bit octets, and the other server takes none")
_NEEDS_UTF8 = RemoteReply(553, "5.6.7", "The message needs SMTPUTF8, and the other server does not know that")
_NEEDS_BINARY = RemoteReply(554, "5.6.3", "The message is binary, and the other server does not take that")
NEEDS_REQUIRETLS = RemoteReply(550, "5.7.30", "The message requires TLS all the way, and the other server "
                               "does not promise that")
_NO_LOGIN = RemoteReply(535, "5.7.4", "The server takes none of the ways to log in that we know")

_OUTSIDE_XTEXT = re.compile(r"[^!-*,-<>-~]")
# RFC 6533 3: QCHAR = %x21-2a / %x2c-3c / %x3e-5b / %x5d-7e
_OUTSIDE_QCHAR = re.compile(r"[^!-*,-<>-\[\]-~]")


def introduce(name: str, patience: Patience, *, lmtp: bool = False) -> Conversation[Offer]:
    """Wait for the greeting and say hello."""
    greeting = yield Receive("the greeting", patience.greeting)
    if greeting.code != 220:
        raise Refused(greeting, "the greeting")
    return (yield from hello(name, patience, lmtp=lmtp))


def hello(name: str, patience: Patience, *, lmtp: bool = False) -> Conversation[Offer]:
    """EHLO, or HELO where that is unknown (RFC 5321 3.2); LHLO for LMTP (RFC 2033)."""
    verb = "LHLO" if lmtp else "EHLO"
    yield Send(_line(f"{verb} {name}"))
    reply = yield Receive(verb, patience.hello)
    if reply.positive:
        return offer_of(reply, extended=True)
    if lmtp or not reply.permanent:
        raise Refused(reply, verb)
    yield Send(_line(f"HELO {name}"))
    reply = yield Receive("HELO", patience.hello)
    if not reply.positive:
        raise Refused(reply, "HELO")
    return offer_of(reply, extended=False)


def start_tls(name: str, patience: Patience, *, lmtp: bool = False) -> Conversation[Offer]:
    """STARTTLS, the handshake, and a new introduction: what was said before it does not count (RFC 3207 4.2)."""
    yield Send(b"STARTTLS\r\n")
    reply = yield Receive("STARTTLS", patience.hello)
    if reply.code != 220:
        raise Refused(reply, "STARTTLS")
    yield Encrypt()
    return (yield from hello(name, patience, lmtp=lmtp))


def log_in(offer: Offer, login: Login, patience: Patience) -> Conversation[None]:
    """AUTH PLAIN, or LOGIN (RFC 4954)."""
    if "PLAIN" in offer.mechanisms:
        words = ["AUTH PLAIN " + _base64(f"\0{login.username}\0{login.password}")]
    elif "LOGIN" in offer.mechanisms:
        words = ["AUTH LOGIN", _base64(login.username), _base64(login.password)]
    else:
        raise Refused(_NO_LOGIN, "AUTH")
    reply = _NO_LOGIN
    for index, word in enumerate(words):
        yield Send(word.encode("ascii") + b"\r\n")
        reply = yield Receive("AUTH", patience.mail)
        if reply.code != (334 if index < len(words) - 1 else 235):
            raise Refused(reply, "AUTH")


def transaction(
    offer: Offer, mail: OutgoingMail, answers: list[Answer | None], patience: Patience,
    *, lmtp: bool = False, encrypted: bool = False, again: bool = False,
) -> Conversation[None]:
    """Hand over one message. `answers` gets what is said about each recipient as soon as it is certain.

    `again`: something went before on this connection, so it begins with RSET. `Refused` when the other side ends it
    (421); the answers that are there already hold.
    """
    obstacle = _obstacle(offer, mail, encrypted=encrypted)
    if obstacle is not None:
        answers[:] = [Answer(obstacle, "")] * len(answers)
        return
    accepted, data = yield from _envelope(offer, mail, answers, patience, again=again)
    if not accepted:
        if data is not None and data.code == 354:
            # RFC 2920 3.1: a server that takes DATA without any recipient gets nothing
            yield Send(b".\r\n")
            yield from _received("DATA", patience.final)
        return
    if "CHUNKING" in offer.keywords:
        # RFC 3030: no dots to stuff, and one answer less to wait for
        yield Send(b"BDAT %d LAST\r\n" % mail.sender.size)
        yield Transmit(dotted=False)
    else:
        if data is None:
            yield Send(b"DATA\r\n")
            data = yield from _received("DATA", patience.data)
        if data.code != 354:
            _answer_all(answers, accepted, data, "DATA")
            return
        yield Transmit(dotted=True)
    # RFC 2033 4.2: LMTP says it for each recipient that was accepted
    if lmtp:
        for place in accepted:
            answers[place] = Answer((yield from _received("the message", patience.final)), "the message")
    else:
        _answer_all(answers, accepted, (yield from _received("the message", patience.final)), "the message")


def quit_(patience: Patience) -> Conversation[None]:
    """QUIT; what is said to that does not matter."""
    yield Send(b"QUIT\r\n")
    yield Receive("QUIT", patience.farewell)


def _obstacle(offer: Offer, mail: OutgoingMail, *, encrypted: bool) -> RemoteReply | None:
    """Why it is no use to begin."""
    sender = mail.sender
    if mail.require_tls and not (encrypted and "REQUIRETLS" in offer):
        return NEEDS_REQUIRETLS
    if offer.size and sender.size > offer.size:
        return _TOO_BIG
    if sender.smtputf8 and "SMTPUTF8" not in offer:
        return _NEEDS_UTF8
    if sender.body == "8BITMIME" and "8BITMIME" not in offer:
        return _NEEDS_8BIT
    if sender.body == "BINARYMIME" and not {"BINARYMIME", "CHUNKING"} <= offer.keywords:
        return _NEEDS_BINARY
    return None


def _envelope(
    offer: Offer, mail: OutgoingMail, answers: list[Answer | None], patience: Patience, *, again: bool
) -> Conversation[tuple[list[int], RemoteReply | None]]:
    """MAIL and RCPT, and DATA if it can go along; the places of who was accepted, and the answer to DATA."""
    commands = [("RSET", b"RSET\r\n", patience.mail)] if again else []
    commands.append(("MAIL FROM", mail_command(offer, mail), patience.mail))
    known: list[int] = []
    for place, recipient in enumerate(mail.recipients):
        try:
            command = rcpt_command(offer, recipient)
        except ValueError:
            answers[place] = Answer(_NEEDS_UTF8, "")
            continue
        known.append(place)
        commands.append(("RCPT TO", command, patience.recipient))
    if not known:
        return [], None
    together = "PIPELINING" in offer
    data_too = together and "CHUNKING" not in offer
    if data_too:
        # RFC 2920 3.1: the last one of a group
        commands.append(("DATA", b"DATA\r\n", patience.data))
    replies = yield from _asked(commands, together=together)
    data = replies.pop() if data_too else None
    sender_reply = replies[again]
    if not sender_reply.positive:
        _answer_all(answers, known, sender_reply, "MAIL FROM")
        return [], data
    for place, reply in zip(known, replies[again + 1:], strict=True):
        if not reply.positive:
            answers[place] = Answer(reply, "RCPT TO")
    return [place for place in known if answers[place] is None], data


def _asked(commands: Sequence[tuple[str, bytes, float]], *, together: bool) -> Conversation[list[RemoteReply]]:
    """Send commands, all at once (RFC 2920) or one by one, and wait for all replies.

    One by one, nothing follows a MAIL that was refused.
    """
    replies: list[RemoteReply] = []
    if together:
        yield Send(b"".join(octets for _, octets, _ in commands))
    for to, octets, seconds in commands:
        if not together:
            if to == "RCPT TO" and not replies[-1].positive and len(replies) == _before_recipients(commands):
                return replies
            yield Send(octets)
        replies.append((yield from _received(to, seconds)))
    return replies


def _before_recipients(commands: Sequence[tuple[str, bytes, float]]) -> int:
    return sum(to != "RCPT TO" for to, _, _ in commands)


def _received(to: str, seconds: float) -> Conversation[RemoteReply]:
    reply = yield Receive(to, seconds)
    if reply.code == 421:
        # RFC 5321 3.8: the other side closes the connection, whatever it was asked
        raise Refused(reply, to)
    return reply


def _answer_all(answers: list[Answer | None], places: Sequence[int], reply: RemoteReply, to: str) -> None:
    for place in places:
        answers[place] = Answer(reply, to)


def mail_command(offer: Offer, mail: OutgoingMail) -> bytes:
    """MAIL FROM with the parameters that the other side understands."""
    sender = mail.sender
    words = [f"MAIL FROM:<{_path(sender.address, utf8=sender.smtputf8) if sender.address is not None else ''}>"]
    if "SIZE" in offer and sender.size:
        words.append(f"SIZE={sender.size}")
    if sender.body != "7BIT":
        words.append(f"BODY={sender.body}")
    if sender.smtputf8:
        words.append("SMTPUTF8")
    if mail.require_tls:
        words.append("REQUIRETLS")
    if "DSN" in offer:
        if sender.ret:
            words.append(f"RET={sender.ret}")
        if sender.envid:
            words.append(f"ENVID={_xtext(sender.envid)}")
    return _line(" ".join(words))


def rcpt_command(offer: Offer, recipient: Recipient) -> bytes:
    """RCPT TO with the parameters that the other side understands. ValueError: it would need SMTPUTF8."""
    words = [f"RCPT TO:<{_path(recipient.address, utf8='SMTPUTF8' in offer)}>"]
    if "DSN" in offer:
        if recipient.notify:
            words.append(f"NOTIFY={','.join(sorted(recipient.notify))}")
        if recipient.orcpt:
            kind, _, address = recipient.orcpt.partition(";")
            words.append(f"ORCPT={kind};{_utf8_xtext(address) if kind == 'utf-8' else _xtext(address)}")
    return _line(" ".join(words))


def _path(address: Address, *, utf8: bool) -> str:
    """An address for a server; without SMTPUTF8 its domain as A-labels, and ValueError for its local part."""
    text = str(address)
    if utf8 or text.isascii():
        return text
    if not address.local_part.isascii():
        raise ValueError(f"{text} needs SMTPUTF8")
    # idna's errors are ValueErrors
    return str(Address(address.local_part, idna.encode(address.domain, uts46=True).decode("ascii")))


def _line(text: str) -> bytes:
    """A command line. What would be two of them is never sent."""
    if not text.isprintable():
        raise ValueError("control characters in a command")
    return text.encode("utf-8") + b"\r\n"


def _xtext(text: str) -> str:
    """RFC 3461 4."""
    return _OUTSIDE_XTEXT.sub(lambda match: f"+{ord(match[0]):02X}" if ord(match[0]) < 256 else "?", text)


def _utf8_xtext(text: str) -> str:
    """RFC 6533 3: utf-8-addr-xtext, which every server can take."""
    return _OUTSIDE_QCHAR.sub(lambda match: f"\\x{{{ord(match[0]):02X}}}", text)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8")).decode("ascii")
