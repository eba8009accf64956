"""ENVELOPE as IMAP shows it (RFC 3501 7.4.2, RFC 9051 7.5.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quantummail.message.address_list import MAX_ADDRESSES, ListedAddress, parse_address_list
from quantummail.message.headers import compact, unfold
from quantummail.message.imap_string import nstring, string

if TYPE_CHECKING:
    from collections.abc import Mapping

# RFC 3501 knows only NIL for what is missing, and NIL there means a group: these are Dovecot's words for it
_MISSING_MAILBOX = b"MISSING_MAILBOX"
_MISSING_DOMAIN = b"MISSING_DOMAIN"

# What nearly all addresses look like: words or one quoted string, and an address without anything odd. A list of
# such addresses is rendered straight from the match, everything else by the parser.
_ATOM = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]"
# what is repeated begins with a class that is not: message/address.py says why
_DOMAIN = rb"[A-Za-z0-9\-_]++(?:\.[A-Za-z0-9\-_][A-Za-z0-9\-_]*+)*+"
_simple_address = re.compile(
    rb"[ \t]*+(?:"
    rb'(?:(?:"([!#-\[\]-~]++(?: [!#-\[\]-~][!#-\[\]-~]*+)*+)"|(' + _ATOM + rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-]*+"
    rb"(?: " + _ATOM + rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\-]*+)*+)) ?)?"
    rb"<(" + _ATOM + rb"++(?:\." + _ATOM + _ATOM + rb"*+)*+)@(" + _DOMAIN + rb")>"
    rb"|(" + _ATOM + rb"++(?:\." + _ATOM + _ATOM + rb"*+)*+)@(" + _DOMAIN + rb")"
    rb")[ \t]*+(?:(?:\r?\n[ \t]*+)?,(?:\r?\n[ \t])?|$)").match


def render_envelope(fields: Mapping[bytes, bytes]) -> bytes:
    """ENVELOPE with its parentheses, from the raw values of the fields (names in lower case)."""
    get = fields.get
    from_ = _addresses(get(b"from"))
    sender = _addresses(get(b"sender"))
    reply_to = _addresses(get(b"reply-to"))
    subject = get(b"subject")
    # RFC 3501 7.4.2: Sender and Reply-To that are absent or empty are the same as From
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        _unstructured(get(b"date")),
        b"NIL" if subject is None else string(compact(subject)),
        from_,
        from_ if sender == b"NIL" else sender,
        from_ if reply_to == b"NIL" else reply_to,
        _addresses(get(b"to")),
        _addresses(get(b"cc")),
        _addresses(get(b"bcc")),
        _unstructured(get(b"in-reply-to")),
        _unstructured(get(b"message-id")),
    )


def _unstructured(value: bytes | None) -> bytes:
    return b"NIL" if value is None else string(unfold(value))


def _addresses(value: bytes | None) -> bytes:
    """An address list; at most 1000 addresses of it. NIL when there is none in it."""
    if value is None:
        return b"NIL"
    value = value.strip()
    position = 0
    length = len(value)
    rendered = []
    while position < length:
        match = _simple_address(value, position)
        if match is None:
            return _odd_addresses(value)
        quoted, words, local_part, domain, bare, bare_domain = match.groups()
        if bare:
            rendered.append(b'(NIL NIL "' + bare + b'" "' + bare_domain + b'")')
        elif quoted or words:
            rendered.append(b'("%b" NIL "%b" "%b")' % (quoted or words, local_part, domain))
        else:
            rendered.append(b'(NIL NIL "' + local_part + b'" "' + domain + b'")')
        position = match.end()
        if len(rendered) == MAX_ADDRESSES:
            break
    return b"(" + b"".join(rendered) + b")" if rendered else b"NIL"


def _odd_addresses(value: bytes) -> bytes:
    entries = parse_address_list(value)
    return b"(" + b"".join(map(_entry, entries)) + b")" if entries else b"NIL"


def _entry(entry: ListedAddress) -> bytes:
    name, route, local_part, domain = entry
    if domain is None:
        # RFC 3501 7.4.2: a NIL host begins a group (with its name), or ends it
        return b"(NIL NIL " + (nstring(local_part) if local_part is None else string(compact(local_part))) + b" NIL)"
    return b"(%b %b %b %b)" % (
        string(compact(name)) if name else b"NIL",
        nstring(route),
        string(local_part or _MISSING_MAILBOX),
        string(domain or _MISSING_DOMAIN),
    )
