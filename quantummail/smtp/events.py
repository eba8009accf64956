"""What a server session wants of its connection: reply, ask, write, deliver."""

from __future__ import annotations

from dataclasses import dataclass

from quantummail.message.envelope import Recipient, Sender
from quantummail.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Farewell:
    """Send the reply and end the connection."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class StartTls:
    """Send the reply, begin TLS, then call `tls_started`."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class MailAsked:
    """MAIL: may this sender begin? `mail_answered` takes the reply."""

    sender: Sender


@dataclass(frozen=True, slots=True)
class RcptAsked:
    """RCPT: is this recipient taken? `rcpt_answered` takes the reply."""

    recipient: Recipient


@dataclass(frozen=True, slots=True)
class VrfyAsked:
    """VRFY: `answered` takes the reply."""

    argument: str


@dataclass(frozen=True, slots=True)
class LoginAsked:
    """AUTH: begin an exchange; `challenged` or `login_answered` takes what comes of it."""

    mechanism: str
    initial: bytes | None
    """The initial response; None: the server begins."""


@dataclass(frozen=True, slots=True)
class Responded:
    """The client's answer to a challenge: it goes to the exchange that is under way."""

    response: bytes


@dataclass(frozen=True, slots=True)
class DataAsked:
    """DATA: make a place for the content, then call `data_accepted`, or `answered` with a refusal."""


@dataclass(frozen=True, slots=True)
class Block:
    """Octets of the message. Write them; when that fails, call `content_failed` (nothing is sent yet)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Complete:
    """The message is whole: deliver it; `delivered` takes the replies."""


@dataclass(frozen=True, slots=True)
class MessageRefused:
    """The octets of a message cannot be taken. Send the replies: from an LMTP server one for each recipient."""

    transaction: str
    replies: tuple[Reply, ...]


Event = (Reply | MessageRefused | Farewell | StartTls | MailAsked | RcptAsked | VrfyAsked | LoginAsked | Responded
         | DataAsked | Block | Complete)
