"""Where a POP3 session is, and what may be said there (RFC 1939 3 to 6). Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum


class State(Enum):
    """The states of RFC 1939 3."""

    AUTHORIZATION = "before login"
    TRANSACTION = "after login"
    UPDATE = "after QUIT"


_ANY = frozenset({State.AUTHORIZATION, State.TRANSACTION})
_BEFORE = frozenset({State.AUTHORIZATION})
_AFTER = frozenset({State.TRANSACTION})

_LEGAL: dict[str, frozenset[State]] = {
    "QUIT": _ANY, "CAPA": _ANY, "LANG": _ANY,  # RFC 2449 5, RFC 6856 3: CAPA and LANG in both states
    "USER": _BEFORE, "PASS": _BEFORE, "AUTH": _BEFORE, "STLS": _BEFORE, "UTF8": _BEFORE,
    "STAT": _AFTER, "LIST": _AFTER, "UIDL": _AFTER, "RETR": _AFTER, "TOP": _AFTER,
    "DELE": _AFTER, "RSET": _AFTER, "NOOP": _AFTER,
}

_ALWAYS = ("TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "UTF8 USER", "LANG",
           "IMPLEMENTATION QuantumMail")
# Commands that are capabilities, too
_OPTIONAL = frozenset({"TOP", "UIDL", "UTF8", "LANG", "STLS", "USER"})

SWITCHABLE = ("AUTH-RESP-CODE", "EXPIRE", "IMPLEMENTATION", "LANG", "PIPELINING", "RESP-CODES", "SASL", "STLS", "TOP",
              "UIDL", "USER", "UTF8")
"""Besides these there are the mechanisms, ``AUTH=PLAIN`` and so on."""


class Session:
    """The state of one session. `refusal` decides whether a command is legal, before it is done."""

    __slots__ = ("disabled", "failures", "mechanisms", "plaintext", "state", "stls", "tls", "username", "utf8")

    def __init__(self, *, tls: bool, stls: bool, plaintext: bool, mechanisms: Callable[[], Sequence[str]],
                 disabled: frozenset[str] = frozenset()) -> None:
        """
        :param stls: whether STLS is offered while there is no TLS.
        :param plaintext: whether this client may send a password without TLS.
        :param mechanisms: asked for the names of the SASL mechanisms that can work now.
        :param disabled: what is switched off, in the words of CAPA.
        """
        self.tls = tls
        self.stls = stls
        self.plaintext = plaintext
        self.mechanisms = mechanisms
        self.disabled = disabled
        self.state = State.AUTHORIZATION
        self.username = ""
        self.utf8 = False
        self.failures = 0

    @property
    def may_login(self) -> bool:
        """Whether a password may be sent now."""
        return self.tls or self.plaintext

    def refusal(self, verb: str) -> str | None:
        """Why this command is not legal now, in words for the client; None if it is."""
        if self.state not in _LEGAL[verb]:
            return "please log in first" if self.state is State.AUTHORIZATION else "not after login"
        if self._is_off(verb):
            return "this command is switched off"
        if verb in ("USER", "PASS", "AUTH") and not self.may_login:
            # RFC 2595 2.2: a server may refuse passwords in the clear
            return "passwords are not taken without TLS: use STLS first, or port 995"
        if verb == "PASS" and not self.username:
            return "USER comes first"
        if verb == "STLS":
            return self._stls_refusal()
        return None

    def _stls_refusal(self) -> str | None:
        if self.tls:
            return "TLS is active already"
        if not self.stls:
            return "TLS is not available"
        if self.utf8:  # RFC 6856 2.1: STLS after UTF8 may be refused
            return "STLS comes before UTF8"
        return None

    def _is_off(self, verb: str) -> bool:
        if verb in ("USER", "PASS"):
            return "USER" in self.disabled
        return (verb in _OPTIONAL and verb in self.disabled) or (verb == "AUTH" and "SASL" in self.disabled)

    def secured(self) -> None:
        """TLS begins: everything said before is forgotten (RFC 2595 4)."""
        self.tls = True
        self.username = ""
        self.utf8 = False

    def failed(self) -> None:
        """A login has failed."""
        self.username = ""
        self.failures += 1

    def entered(self, disabled: frozenset[str] = frozenset()) -> None:
        """A login has succeeded, of an account that does without these capabilities, too."""
        self.disabled |= disabled
        self.username = ""
        self.state = State.TRANSACTION

    def capabilities(self) -> list[str]:
        """The lines of CAPA (RFC 2449 6), as they are true now."""
        lines = list(_ALWAYS)
        if self.may_login:
            lines.append("USER")
            mechanisms = self.mechanisms()
            if mechanisms:
                lines.append("SASL " + " ".join(mechanisms))
        if self.state is State.AUTHORIZATION and self.stls and not self.tls:
            lines.append("STLS")
        return [line for line in lines if line.partition(" ")[0] not in self.disabled]
