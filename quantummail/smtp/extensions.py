"""What EHLO lists (RFC 5321 4.1.1.1), and what is refused because the administrator has switched it off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from quantummail.smtp.reply import Refusal

if TYPE_CHECKING:
    from quantummail.message.envelope import Recipient, Sender
    from quantummail.smtp.settings import SmtpSettings

SWITCHABLE = ("8BITMIME", "BINARYMIME", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES", "LIMITS", "PIPELINING",
              "REQUIRETLS", "SIZE", "SMTPUTF8", "STARTTLS")
"""Besides these there are the mechanisms, ``AUTH=PLAIN`` and so on."""

# Commands that belong to an extension
COMMANDS: Mapping[str, str] = {"BDAT": "CHUNKING", "STARTTLS": "STARTTLS"}


def keywords(settings: SmtpSettings, disabled: frozenset[str], *, tls: bool, starttls: bool,
             mechanisms: Sequence[str]) -> list[str]:
    """The lines of EHLO after the first.

    :param disabled: what this session does without.
    """
    size = f"SIZE {settings.max_size}" if settings.max_size else "SIZE"
    lines = ["PIPELINING", size, "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN", "CHUNKING"]
    if settings.binarymime:
        lines.append("BINARYMIME")
    if tls:  # RFC 8689 2: never before
        lines.append("REQUIRETLS")
    limits = [f"{name}={limit}" for name, limit in
              (("RCPTMAX", settings.max_recipients), ("MAILMAX", settings.max_messages)) if limit]
    if limits:  # RFC 9422
        lines.append("LIMITS " + " ".join(limits))
    if starttls:
        lines.append("STARTTLS")
    if mechanisms:
        lines.append("AUTH " + " ".join(mechanisms))
    return [line for line in lines if line.partition(" ")[0] not in disabled]


def check_sender(sender: Sender, disabled: frozenset[str]) -> None:
    """Refuse parameters of MAIL whose extension is off."""
    used = {
        "SIZE": sender.size > 0, "8BITMIME": sender.body == "8BITMIME", "BINARYMIME": sender.body == "BINARYMIME",
        "SMTPUTF8": sender.smtputf8, "DSN": bool(sender.ret or sender.envid), "REQUIRETLS": sender.require_tls,
    }
    _refuse([name for name, is_used in used.items() if is_used and name in disabled])


def check_recipient(recipient: Recipient, disabled: frozenset[str]) -> None:
    """Refuse parameters of RCPT whose extension is off."""
    if "DSN" in disabled and (recipient.notify or recipient.orcpt):
        _refuse(["DSN"])


def _refuse(names: Sequence[str]) -> None:
    if names:
        # RFC 5321 4.1.1.11
        raise Refusal(555, "5.5.4", f"{names[0]} is not offered")
