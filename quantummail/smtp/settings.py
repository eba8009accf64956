"""What the administrator decides about one SMTP or LMTP listener."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Settings of one listener; sizes in octets, times in seconds. Zero switches a maximum off."""

    hostname: str
    """Who we are: greeting, EHLO, 421."""
    mode: Literal["mx", "submission", "lmtp"] = "mx"
    """mx offers no AUTH; submission wants a login before MAIL; lmtp speaks RFC 2033."""
    implicit_tls: bool = False
    """The listener does the handshake before the greeting (465): nobody is told to use STARTTLS."""
    plaintext_login: bool = False
    """AUTH without TLS from loopback addresses and unix sockets."""
    require_tls: bool = False
    """Nothing but EHLO, NOOP, STARTTLS and QUIT before TLS (RFC 3207 4)."""
    binarymime: bool = False
    """Offer BINARYMIME (RFC 3030): honest only when whatever reads the mail copes with NUL and bare line ends."""
    normalize_line_ends: bool = False
    """Make CRLF of a bare CR or LF in messages instead of refusing them. For trusted networks only."""
    disabled: frozenset[str] = frozenset()
    """Extensions that are switched off, in the words of EHLO; mechanisms as ``AUTH=PLAIN``."""
    max_size: int = 26_214_400
    max_recipients: int = 1000
    max_messages: int = 10_000
    """Transactions in one connection (RFC 9422 MAILMAX)."""
    max_errors: int = 20
    """Refused commands in one connection, counted since the last accepted message."""
    max_junk: int = 100
    """Commands that bring no mail forward (NOOP, RSET, VRFY ...); each one more counts as an error."""
    max_logins: int = 5
    """Failed logins in one connection."""
    command_timeout: float = 300.0
    data_timeout: float = 600.0
