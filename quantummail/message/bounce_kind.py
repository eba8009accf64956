"""What kind of failure a bounce is, from the last answer: codes first, words where the codes say nothing. Pure."""

from __future__ import annotations

import re
from enum import Enum


class BounceKind(Enum):
    """In the words that mailing programs use."""

    HARD = "hard"
    """The address does not exist, or takes no mail any more: writing again is of no use."""
    SOFT = "soft"
    """The mailbox is full."""
    TRANSIENT = "transient"
    """It was refused for now, or nobody answered, until it was given up."""
    PERMANENT = "permanent"
    """This message was refused for good: policy, content, size. Another one may pass."""


# RFC 3463 3.2, 3.3; RFC 7505 4.2 for 5.1.10
_NO_SUCH_ADDRESS = frozenset(("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"))
# Statuses that say no more than the code
_NOTHING_SAID = frozenset(("", "5.0.0", "5.1.0", "5.2.0", "5.5.0"))
_FULL = re.compile(
    r"(?:mail ?box|inbox|storage|folder)[^.]{0,20} (?:is )?full|over ?quota|quota exceeded|exceeded[^.]{0,30}quota",
    re.IGNORECASE)
_UNKNOWN = re.compile(
    r"(?:user|recipient|mailbox|address|account|addressee)(?: \S{1,100}){0,3} (?:is )?"
    r"(?:unknown|not found|does(?: not|n't) exist|not exist)"
    r"|(?:unknown|no such|invalid|nonexistent) (?:local )?(?:user|recipient|mailbox|address|account|person)"
    r"|(?:account|mailbox|address) (?:that you tried to reach )?(?:is |has been )?"
    r"(?:disabled|closed|deactivated|inactive)",
    re.IGNORECASE)
# Some servers call an address unknown when they do not like the sender
_POLICY = re.compile(
    r"\b(?:spam|junk|virus|malware|black ?list|block ?list|blocked|banned|reputation|dnsbl|rbl|policy|dmarc|dkim|spf"
    r"|relay(?:ing)? (?:denied|not)|access denied|greylist|rate limit)", re.IGNORECASE)


def bounce_kind(code: int, status: str, words: str, *, step: str = "", given_up: bool = False) -> BounceKind:
    """The kind of a failure.

    :param step: the command that was answered; what is said about the whole message is not about its recipient.
    :param given_up: whether all answers were temporary, until it had taken too long.
    """
    words = words[:1000]
    if status in ("4.2.2", "5.2.2") or _FULL.search(words):
        return BounceKind.SOFT
    if given_up:
        return BounceKind.TRANSIENT
    if _POLICY.search(words):
        return BounceKind.PERMANENT
    if status in _NO_SUCH_ADDRESS:
        return BounceKind.HARD
    about_recipient = code in (550, 551, 553) and step in ("RCPT TO", "")
    if about_recipient and status in _NOTHING_SAID and _UNKNOWN.search(words):
        return BounceKind.HARD
    return BounceKind.PERMANENT
