"""What an administrator can say about an IMAP listener."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """Limits and switches; the defaults are those of the documentation. Sizes in octets, times in seconds."""

    hostname: str = "localhost"
    implicit_tls: bool = False
    plaintext_login: bool = False
    """Whether a client on a loopback address (or a unix socket) may log in without TLS."""
    message_limit: int = 50 * 1024 * 1024
    """The largest message that APPEND takes."""
    idle_timeout: float = 1860.0
    """Autologout; RFC 3501 5.4 wants 30 minutes at least."""
    login_timeout: float = 180.0
    """How long a client may stay without logging in."""
    login_attempts: int = 3
    """Failed logins after which the connection ends."""
    login_delay: float = 1.0
    """How long the answer to a failed login is held back."""
    connections_per_user: int = 20
    search_timeout: float = 30.0
    """How long one SEARCH may read messages."""
    messages_per_command: int = 0
    """How many messages one FETCH, STORE, COPY or MOVE may be about (RFC 9738); 0 for any number."""
    annotation_size: int = 32 * 1024
    """The longest value of an annotation (RFC 5464)."""
    annotations: int = 100
    """How many annotations of each kind, private and shared, a mailbox or the server may have."""
    contact: str = ""
    """The URI by which users reach the administrator, told as /shared/admin."""
    disabled: frozenset[str] = frozenset()
    """Capabilities that are switched off, by name: ``MOVE``, ``LITERAL+``."""

    def offers(self, capability: str) -> bool:
        """Whether a capability is switched on."""
        return capability not in self.disabled
