"""Delivery status notifications: what became of a message, for people and for programs (RFC 3464, RFC 6533)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from quantummail.message.date import rfc5322_date

# Lines of text for people are folded at this length
_WIDTH = 76
# A line for programs has an end, whatever a server has said (RFC 5322 2.1.1)
_LONGEST = 900


class Action(Enum):
    """What became of a recipient (RFC 3464 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """One recipient's part."""

    address: str
    action: Action
    status: str
    """Enhanced status code (RFC 3463)."""
    original: str = ""
    """ORCPT, ``type;address``."""
    remote_host: str = ""
    code: int = 0
    """Of the reply, 0 where nobody was asked."""
    answer: str = ""
    """The words of the reply, or ours."""
    last_attempt: int = 0
    retry_until: int = 0


@dataclass(frozen=True, slots=True)
class Notification:
    """Everything that a notification says."""

    id: str
    """Its own, for Message-ID."""
    hostname: str
    """Reporting-MTA."""
    to: str
    """The sender of the message that it is about."""
    now: int
    arrived: int
    """When that message came."""
    recipients: tuple[RecipientStatus, ...]
    original: bytes
    """The message, or its header."""
    whole: bool = False
    """Whether `original` is the whole message."""
    envid: str = ""
    header_id: str = ""
    """Message-ID of that message."""


_SUBJECTS = {
    Action.FAILED: "Your message could not be delivered",
    Action.DELAYED: "Your message is delayed",
    Action.DELIVERED: "Your message was delivered",
    Action.RELAYED: "Your message was handed on",
    Action.EXPANDED: "Your message was handed on",
}
_OPENINGS = {
    Action.FAILED: "Your message could not be delivered to the recipients below. It will not be tried again.",
    Action.DELAYED: (
        "Your message has not been delivered to the recipients below yet. This is only a warning: you need not send "
        "it again, it will be tried further."),
    Action.DELIVERED: "Your message was delivered to the recipients below, as you asked to be told.",
    Action.RELAYED: (
        "Your message was handed on to a mail server that does not tell when it is delivered. You asked to be told; "
        "this is the last that you will hear of the recipients below."),
    Action.EXPANDED: "Your message was handed on to the addresses that the recipients below stand for.",
}


def build(notification: Notification) -> bytes:
    """The message, with CRLF line ends. All recipients have the same `Action`."""
    texts = [_for_people(notification), _for_programs(notification)]
    utf8 = not texts[1].isascii()
    boundary = _boundary(notification, "".join(texts).encode("utf-8", "replace") + notification.original)
    kinds = (
        "text/plain; charset=utf-8",
        # RFC 6533 4
        "message/global-delivery-status" if utf8 else "message/delivery-status",
        _kind_of_original(notification),
    )
    parts = [*[text.encode("utf-8", "replace") for text in texts], notification.original]
    lines = [_header(notification, boundary, kinds[1]).encode("utf-8", "replace")]
    for kind, part in zip(kinds, parts, strict=True):
        encoding = "7bit" if part.isascii() else "8bit"
        lines.append(
            f"--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode("ascii"))
        lines.append(part if part.endswith(b"\r\n") or not part else part + b"\r\n")
    lines.append(f"--{boundary}--\r\n".encode("ascii"))
    return b"".join(lines)


def _header(notification: Notification, boundary: str, report: str) -> str:
    action = notification.recipients[0].action
    fields = [
        f"Date: {rfc5322_date(notification.now)}",
        f"From: Mail Delivery System <MAILER-DAEMON@{notification.hostname}>",
        f"To: <{notification.to}>",
        f"Subject: {_SUBJECTS[action]}",
        f"Message-ID: <{notification.id}@{notification.hostname}>",
    ]
    if notification.header_id:
        fields += [f"In-Reply-To: {notification.header_id}", f"References: {notification.header_id}"]
    fields += [
        # RFC 3834 5: no machine shall answer
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        # RFC 6522 3
        f"Content-Type: multipart/report; report-type={report.removeprefix('message/')};",
        f'\tboundary="{boundary}"',
    ]
    return "\r\n".join(fields) + "\r\n\r\nThis is a report for mail programs that understand MIME.\r\n"


def _for_people(notification: Notification) -> str:
    action = notification.recipients[0].action
    paragraphs = [f"This is the mail server {notification.hostname}.", _OPENINGS[action]]
    paragraphs += [_explained(one) for one in notification.recipients]
    if action is Action.DELAYED and (until := notification.recipients[0].retry_until):
        paragraphs.append(f"It will be tried until {rfc5322_date(until)}.")
    paragraphs.append(
        "Your message is attached." if notification.whole else "The header of your message is attached.")
    return "\r\n\r\n".join(_folded(paragraph) for paragraph in paragraphs) + "\r\n"


def _explained(one: RecipientStatus) -> str:
    name = f"<{one.address}>"
    original = one.original.partition(";")[2]
    if original and original.lower() != one.address.lower():
        name += f" (for <{original}>)"
    if one.action not in (Action.FAILED, Action.DELAYED):
        return name
    # a code that we made up for what no server has said tells nobody anything
    words = f"{one.code} {one.answer}" if one.code and one.code != 400 else one.answer
    return f"{name}: {one.remote_host} said: {words}" if one.remote_host and one.code else f"{name}: {words}"


def _for_programs(notification: Notification) -> str:
    groups = [_per_message(notification), *[_per_recipient(one) for one in notification.recipients]]
    return "\r\n\r\n".join("\r\n".join(group) for group in groups) + "\r\n"


def _per_message(notification: Notification) -> list[str]:
    """RFC 3464 2.2."""
    fields = []
    if notification.envid:
        fields.append(f"Original-Envelope-Id: {_safe(notification.envid)}")
    fields.append(f"Reporting-MTA: dns; {notification.hostname}")
    fields.append(f"Arrival-Date: {rfc5322_date(notification.arrived)}")
    return fields


def _per_recipient(one: RecipientStatus) -> list[str]:
    """RFC 3464 2.3."""
    fields = []
    if one.original:
        kind, _, address = one.original.partition(";")
        fields.append(f"Original-Recipient: {kind}; {_safe(address)}")
    kind = "rfc822" if one.address.isascii() else "utf-8"
    fields += [
        f"Final-Recipient: {kind}; {_safe(one.address)}",
        f"Action: {one.action.value}",
        f"Status: {one.status}",
    ]
    if one.remote_host:
        fields.append(f"Remote-MTA: dns; {_safe(one.remote_host)}")
    if one.code and one.code != 400:
        fields.append(f"Diagnostic-Code: smtp; {one.code} {_safe(one.answer)}"[:_LONGEST])
    elif one.answer:
        fields.append(f"Diagnostic-Code: x-quantummail; {_safe(one.answer)}"[:_LONGEST])
    if one.last_attempt:
        fields.append(f"Last-Attempt-Date: {rfc5322_date(one.last_attempt)}")
    if one.retry_until:
        fields.append(f"Will-Retry-Until: {rfc5322_date(one.retry_until)}")
    return fields


def _kind_of_original(notification: Notification) -> str:
    # RFC 6533 5: UTF-8 in the header has names of its own. Octets in the body alone are 8bit, not that.
    header = notification.original.partition(b"\r\n\r\n")[0]
    if notification.whole:
        return "message/rfc822" if header.isascii() else "message/global"
    return "text/rfc822-headers" if header.isascii() else "message/global-headers"


def _boundary(notification: Notification, content: bytes) -> str:
    boundary = f"report-{notification.id}"
    while boundary.encode("ascii") in content:
        boundary += "x"
    return boundary


def _safe(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _folded(paragraph: str) -> str:
    lines = [""]
    for word in _safe(re.sub(r"\s+", " ", paragraph)).split(" "):
        while len(word) > _LONGEST:
            lines += [word[:_LONGEST]]
            word = word[_LONGEST:]
        if lines[-1] and len(lines[-1]) + 1 + len(word) > _WIDTH:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return "\r\n".join(lines)
