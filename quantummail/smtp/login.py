"""What the SMTP session needs of SASL (RFC 4954). Mechanisms, users and passwords are behind the receiver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from quantummail.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an exchange has ended."""

    reply: Reply
    """235, or a refusal."""
    user: str = ""
    """The account's address when the reply is positive."""
    disabled: frozenset[str] = frozenset()
    """Extensions that the account does without, in the words of EHLO."""


class Exchange(Protocol):
    """One run of a mechanism. With an initial response `answer` is called at once, otherwise `begin` first."""

    def begin(self) -> bytes:
        """The first challenge, not yet in base64."""

    async def answer(self, response: bytes) -> bytes | Outcome:
        """Take a decoded response: the next challenge, or the end."""
