"""Data items of FETCH that are one value of the message, rendered from its row (RFC 3501 7.4.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.imap.grammar import dates

if TYPE_CHECKING:
    from quantummail.imap.view import View
    from quantummail.store.records import Message

Render = Callable[["View", "Message"], bytes]


@dataclass(frozen=True, slots=True)
class Renderer:
    """How an attribute becomes octets."""

    render: Render
    """Gives name and value: ``UID 5``."""
    contents: bool
    """Whether it needs `Message.contents`."""


# A message whose contents the index has lost: something that every client can read, until a reindex repairs it
_NO_ENVELOPE = b"(" + b" ".join([b"NIL"] * 10) + b")"
_NO_STRUCTURE = b'"TEXT" "PLAIN" NIL NIL NIL "7BIT" %d 0'


def _envelope(_view: View, message: Message) -> bytes:
    return b"ENVELOPE " + (message.contents.envelope if message.contents is not None else _NO_ENVELOPE)


def _body(_view: View, message: Message) -> bytes:
    if message.contents is None:
        return b"BODY (" + _NO_STRUCTURE % message.size + b")"
    return b"BODY " + message.contents.body


def _bodystructure(_view: View, message: Message) -> bytes:
    if message.contents is None:
        return b"BODYSTRUCTURE (" + _NO_STRUCTURE % message.size + b")"
    return b"BODYSTRUCTURE " + message.contents.bodystructure


def _flags(view: View, message: Message) -> bytes:
    return b"FLAGS " + view.flag_text(message.uid, message.flags)


def _internal_date(_view: View, message: Message) -> bytes:
    return b"INTERNALDATE " + dates.render_date_time(message.internal_date)


def _size(_view: View, message: Message) -> bytes:
    return b"RFC822.SIZE %d" % message.size


def _uid(_view: View, message: Message) -> bytes:
    return b"UID %d" % message.uid


RENDERERS: dict[str, Renderer] = {
    "BODY": Renderer(_body, contents=True),
    "BODYSTRUCTURE": Renderer(_bodystructure, contents=True),
    "ENVELOPE": Renderer(_envelope, contents=True),
    "FLAGS": Renderer(_flags, contents=False),
    "INTERNALDATE": Renderer(_internal_date, contents=False),
    "RFC822.SIZE": Renderer(_size, contents=False),
    "UID": Renderer(_uid, contents=False),
}
"""Attributes by name. An extension adds its own, here and to `quantummail.imap.grammar.fetch.READERS`."""
