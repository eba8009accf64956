"""Awkward messages, octet for octet: what mail programs, mailing lists and machines really send."""

from __future__ import annotations

import base64
import hashlib

from tests.scenarios.case import simple_message


def _noise(octets: int, seed: bytes = b"QuantumMail") -> bytes:
    """Octets without any order in them, the same every time."""
    blocks = (hashlib.sha512(seed + number.to_bytes(4, "big")).digest() for number in range(octets // 64 + 1))
    return b"".join(blocks)[:octets]


def with_attachment(octets: int) -> bytes:
    """A text and a binary attachment in base64; the whole message is about `octets` long."""
    attachment = base64.encodebytes(_noise(octets * 57 // 78)).replace(b"\n", b"\r\n")
    return (simple_message("attachment", "", MIME_Version="1.0", Content_Type='multipart/mixed; boundary="=_b"')
            + b"preamble\r\n--=_b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nsee below\r\n"
            + b"--=_b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
            + b"Content-Disposition: attachment; filename=noise.bin\r\n\r\n" + attachment + b"--=_b--\r\nepilogue\r\n")


_EIGHT_BIT = bytes(octet for octet in range(1, 256) if octet not in (10, 13))
AWKWARD: dict[str, bytes] = {
    "plain": simple_message("plain"),
    "8-bit text": simple_message("8 bit", "", Content_Type="text/plain; charset=iso-8859-1",
                                 Content_Transfer_Encoding="8bit") + "Grüße aus Köln\r\n".encode("latin-1"),
    "every octet but NUL, CR and LF": simple_message("octets", "") + _EIGHT_BIT + b"\r\n",
    "no body": b"From: friend@example.net\r\nSubject: no body\r\n\r\n",
    "no body and no empty line": b"From: friend@example.net\r\nSubject: no body\r\n",
    "no header": b"\r\njust a text\r\n",
    "nothing": b"",
    "only an empty line": b"\r\n",
    "no colon": b"This is no header\r\nand has no empty line\r\n",
    "dots": simple_message("dots", ".\r\n..\r\n...\r\n.leading\r\n\r\n.\r\n"),
    "dots only": b".\r\n.\r\n.\r\n",
    "dot at the end": simple_message("dot", "the end\r\n.\r\n"),
    "very long line": simple_message("long", "x" * 100_000 + "\r\nshort\r\n"),
    "very long header": simple_message("y" * 50_000),
    "a thousand fields": b"".join(b"X-Field-%d: %d\r\n" % (number, number) for number in range(1000)) + b"\r\nHi\r\n",
    "trailing blanks": simple_message("blanks", "line  \r\n\t\r\n \r\n\r\n\r\n\r\n"),
    "empty lines at the top": b"\r\n\r\n\r\nSubject: late\r\n\r\n",
    "mbox line": simple_message("mbox", "From somebody Fri Nov 20 10:00:00 2026\r\n>From quoted\r\n"),
    "raw UTF-8 header": "Subject: Grüße 日本語 🎉\r\nFrom: Jürgen <friend@example.net>\r\n\r\nHallo\r\n".encode(),
    "broken encoded words": simple_message("=?utf-8?B?4pi?= =?x?Q?a =?="),
    "folded subject": b"From: friend@example.net\r\nSubject:\r\n\ta\r\n \tb\r\n\r\nHi\r\n",
    "two of everything": b"Subject: one\r\nSubject: two\r\nFrom: a@example.net\r\nFrom: b@example.net\r\n\r\nHi\r\n",
    "unclosed multipart": simple_message("unclosed", "--x\r\n\r\ntext\r\n", Content_Type="multipart/mixed; boundary=x"),
    "deep multiparts": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
                                for level in range(150)) + b"\r\nin\r\n",
    "attachment": with_attachment(300_000),
    "trace of its own": (b"Return-Path: <forged@example.org>\r\nReceived: from nowhere\r\n\tby nobody\r\n"
                         + simple_message("trace")),
    "bdat size of a chunk": simple_message("chunk", ("z" * 62 + "\r\n") * 4096),
}
"""By name. All end with CRLF or are empty, none has a bare CR or LF or a NUL: that is refused (RFC 5321 2.3.8)."""
