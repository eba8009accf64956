"""The envelope of a mail in transit: from whom, to whom, and what they asked (RFC 5321 2.3.1, RFC 3461)."""

from __future__ import annotations

from dataclasses import dataclass, field

from quantummail.message.address import Address


@dataclass(frozen=True, slots=True)
class Sender:
    """MAIL FROM and its parameters."""

    address: Address | None
    """None is the null reverse-path ``<>``."""
    size: int = 0
    """SIZE= in octets (RFC 1870), 0 when not given."""
    body: str = "7BIT"
    """BODY= (RFC 6152, RFC 3030): 7BIT, 8BITMIME or BINARYMIME."""
    smtputf8: bool = False
    ret: str = ""
    """RET= (RFC 3461 4.3): FULL, HDRS or empty."""
    envid: str = ""
    """ENVID= (RFC 3461 4.4), decoded from xtext."""
    require_tls: bool = False
    """REQUIRETLS (RFC 8689): the message may only travel over TLS, between servers that prove who they are."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """RCPT TO and its parameters. The bare ``<postmaster>`` has an address with an empty domain."""

    address: Address
    notify: frozenset[str] = frozenset()
    """NOTIFY= (RFC 3461 4.1): NEVER, or some of SUCCESS, FAILURE, DELAY; empty when not given."""
    orcpt: str = ""
    """ORCPT= (RFC 3461 4.2), ``type;address`` with the address decoded from xtext."""


@dataclass(frozen=True, slots=True)
class Client:
    """The other side of the connection, as far as it is known when a message comes."""

    address: str
    port: int = 0
    helo: str = ""
    protocol: str = "SMTP"
    """The word after `with` in Received (RFC 3848, RFC 6531): ESMTPSA, LMTP, UTF8SMTPS ..."""
    tls: str = ""
    """Version and cipher, for example ``TLSv1.3 TLS_AES_256_GCM_SHA384``; empty when plain."""
    connection: str = ""
    user: str = ""
    """The address of the authenticated account, empty when there is none."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Everything about one transaction but its content."""

    id: str
    client: Client
    sender: Sender
    recipients: tuple[Recipient, ...] = field(default=())
