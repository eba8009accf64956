"""The trace fields that we put on top of a message (RFC 5321 4.4, RFC 9228)."""

from __future__ import annotations

import re

from quantummail.message.date import rfc5322_date
from quantummail.message.envelope import Envelope

# RFC 5322 3.2.2: parentheses and backslashes would end the comment that they stand in
_COMMENT_SPECIALS = re.compile(r"[()\\]")
# What a HELO name may hold to stand in the header as it is; everything else is shown as `?`
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9.:\[\]_-]")


def received(envelope: Envelope, hostname: str, seconds: float) -> bytes:
    """The Received field. `for` is told only where there is one recipient: others must not learn of each other."""
    client = envelope.client
    name = _NOT_A_NAME.sub("?", client.helo) or "unknown"
    address = f"IPv6:{client.address}" if ":" in client.address else client.address
    origin = f"from {name} ([{address}])" if client.address != "unix" else f"from {name} (local)"
    lines = [f"Received: {origin}"]
    if client.tls:
        lines.append(f"\t(using {_COMMENT_SPECIALS.sub('?', client.tls)})")
    lines.append(f"\tby {hostname} (QuantumMail) with {client.protocol} id {envelope.id}")
    if len(envelope.recipients) == 1:
        recipient = envelope.recipients[0].address
        lines.append(f"\tfor <{recipient}>; {rfc5322_date(seconds)}")
    else:
        lines[-1] += ";"
        lines.append(f"\t{rfc5322_date(seconds)}")
    return ("\r\n".join(lines) + "\r\n").encode("utf-8")


def final_delivery(envelope: Envelope) -> bytes:
    """Return-Path and, for one recipient, Delivered-To: what the last server adds.

    A message for several has neither `for` nor Delivered-To: all of them share one file.
    """
    sender = envelope.sender.address
    fields = f"Return-Path: <{sender if sender is not None else ''}>\r\n"
    if len(envelope.recipients) == 1:
        fields += f"Delivered-To: {envelope.recipients[0].address}\r\n"
    return fields.encode("utf-8")
