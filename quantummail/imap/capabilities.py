"""What the server says it can do (RFC 3501 7.2.1). Each extension's module adds its own with `offer`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantummail.imap.settings import ImapSettings


@dataclass(frozen=True, slots=True)
class _Offer:
    name: str
    before_login: bool
    value: Callable[[ImapSettings], str] | None


_OFFERS: dict[str, _Offer] = {}


def offer(name: str, *, before_login: bool = False, value: Callable[[ImapSettings], str] | None = None) -> str:
    """Advertise a capability; `value` gives what stands behind its ``=``, nothing if it is not there. The name."""
    _OFFERS[name] = _Offer(name, before_login, value)
    return name


def spelt(name: str) -> str:
    """A name in any case as it is advertised: ``IMAP4rev2``."""
    return next((known for known in _OFFERS if known.upper() == name.upper()), name)


def names() -> list[str]:
    """Everything that can be switched off."""
    return list(_OFFERS)


def takes_passwords(mechanisms: tuple[str, ...]) -> bool:
    """Whether LOGIN works: where passwords are taken at all."""
    return "PLAIN" in mechanisms or "LOGIN" in mechanisms


def advertised(
    settings: ImapSettings, *, logged_in: bool, starttls: bool = False, mechanisms: tuple[str, ...] = ()
) -> str:
    """The capabilities as one line of words.

    Before login: `starttls` says that it is possible, `mechanisms` which logins are; none means LOGINDISABLED.
    """
    words = ["IMAP4rev1"]
    # RFC 7888 section 6: one of the two, not both
    if settings.offers("LITERAL+"):
        words.append("LITERAL+")
    elif settings.offers("LITERAL-"):
        words.append("LITERAL-")
    for one in sorted(_OFFERS.values(), key=lambda one: one.name):
        if settings.offers(one.name) and (logged_in or one.before_login):
            value = one.value(settings) if one.value is not None else None
            if value != "":
                words.append(one.name if value is None else f"{one.name}={value}")
    if not logged_in:
        if starttls:
            words.append("STARTTLS")
        # RFC 3501 6.2.3: LOGINDISABLED where LOGIN is refused
        words += [f"AUTH={name}" for name in mechanisms]
        if not takes_passwords(mechanisms):
            words.append("LOGINDISABLED")
    return " ".join(words)
