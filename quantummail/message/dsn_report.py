"""Reading delivery status notifications of other servers, strictly: what is not as RFC 3464 has it says nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quantummail.message.content_type import ContentType, parse_content_type
from quantummail.message.dsn import Action
from quantummail.message.headers import Headers, header_end
from quantummail.message.message_id import message_ids

_TYPES = frozenset((b"delivery-status", b"global-delivery-status"))
_STATUS_PARTS = frozenset((b"message/delivery-status", b"message/global-delivery-status"))
_ORIGINAL_PARTS = frozenset(
    (b"message/rfc822", b"text/rfc822-headers", b"message/global", b"message/global-headers"))
# As they are; what is encoded is not looked into
_PLAIN = frozenset((b"", b"7bit", b"8bit", b"binary"))
# RFC 3464 2.1.2:  typed address = address-type ";" address
_TYPED = re.compile(rb"[ \t]*(rfc822|utf-8)[ \t]*;[ \t]*<?([^\s<>]{1,320})>?[ \t]*", re.IGNORECASE)
# RFC 3464 2.3.4:  status-code = DIGIT "." 1*3DIGIT "." 1*3DIGIT
_STATUS = re.compile(rb"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
_ACTIONS = {action.value.encode("ascii"): action for action in Action}
_BLANK = re.compile(rb"\r?\n(?:[ \t]*\r?\n)+")
_MOST_PARTS, _MOST_RECIPIENTS, _LONGEST = 20, 100, 500


@dataclass(frozen=True, slots=True)
class Reported:
    """What is said of one recipient."""

    recipient: str
    """Final-Recipient."""
    original: str
    """Original-Recipient, empty if it is not there."""
    action: Action
    status: str
    diagnostic: str
    """Words of the server that decided, as far as they are told."""


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """One notification."""

    reporter: str
    """Reporting-MTA, without its type."""
    envid: str
    header_id: str
    """Message-ID of the message that it is about, with angle brackets; empty if that did not come back."""
    recipients: tuple[Reported, ...]


def read_report(octets: bytes) -> DeliveryReport | None:
    """Read a message, which may be cut off behind the header of what came back. None: it is no notification."""
    content_type = _type(Headers.scan(octets))
    kinds = [value.lower() for name, value in content_type.parameters if name.lower() == b"report-type"]
    if content_type.media != b"multipart/report" or not content_type.boundary or not _TYPES.intersection(kinds):
        return None
    status: bytes | None = None
    header_id = ""
    for part in _parts(octets[header_end(octets) :], content_type.boundary):
        headers = Headers.scan(part)
        media = _type(headers).media
        encoding = (headers.get(b"content-transfer-encoding") or b"").strip().lower()
        body = part[header_end(part) :]
        if encoding not in _PLAIN:
            continue
        if media in _STATUS_PARTS and status is None:
            status = body
        elif media in _ORIGINAL_PARTS and status is not None and not header_id:
            header_id = next(iter(message_ids(Headers.scan(body).get(b"message-id") or b"")), "")
    return None if status is None else _read_status(status, header_id)


def _type(headers: Headers) -> ContentType:
    return parse_content_type(headers.get(b"content-type") or b"")


def _parts(body: bytes, boundary: bytes) -> list[bytes]:
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary, _MOST_PARTS + 1)
    # what stands before the first boundary is no part, nor what stands behind the last
    found = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            break
        found.append(piece.partition(b"\r\n")[2])
    return found


def _read_status(body: bytes, header_id: str) -> DeliveryReport | None:
    groups = [group for group in _BLANK.split(body.strip(b"\r\n \t"), _MOST_RECIPIENTS + 1) if group]
    if len(groups) < 2 or len(groups) > _MOST_RECIPIENTS + 1:
        return None
    message = Headers.scan(groups[0] + b"\r\n\r\n")
    reporter = message.get(b"reporting-mta")
    recipients = [_recipient(Headers.scan(group + b"\r\n\r\n")) for group in groups[1:]]
    if reporter is None or None in recipients:
        return None
    return DeliveryReport(
        _text(reporter.rpartition(b";")[2]), _text(message.get(b"original-envelope-id") or b""), header_id,
        tuple(one for one in recipients if one is not None))


def _recipient(fields: Headers) -> Reported | None:
    final = _TYPED.fullmatch(fields.get(b"final-recipient") or b"")
    action = _ACTIONS.get((fields.get(b"action") or b"").partition(b"(")[0].strip().lower())
    status = _STATUS.match((fields.get(b"status") or b"").strip())
    if final is None or action is None or status is None:
        return None
    original = _TYPED.fullmatch(fields.get(b"original-recipient") or b"")
    return Reported(
        _text(final[2]), _text(original[2]) if original is not None else "", action, status[1].decode("ascii"),
        _text((fields.get(b"diagnostic-code") or b"").partition(b";")[2]))


def _text(value: bytes) -> str:
    text = value[:_LONGEST].decode("utf-8", "replace").strip()
    return "".join(character if character.isprintable() else " " for character in text)
