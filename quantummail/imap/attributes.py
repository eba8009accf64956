"""Data items of FETCH that are one value of the message, rendered from its row (RFC 3501 7.4.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantummail.imap.grammar import dates

if TYPE_CHECKING:
    from quantummail.imap.session import Session
    from quantummail.imap.view import View
    from quantummail.store.records import Message

Render = Callable[["View", "Message"], bytes]
Prepare = Callable[["Session", Sequence["Message"]], Awaitable[Render]]


@dataclass(frozen=True, slots=True)
class Renderer:
    """How an attribute becomes octets."""

    render: Render
    """Gives name and value: ``UID 5``."""
    contents: bool
    """Whether it needs `Message.contents`."""
    columns: Columns | None = None
    """The same for many messages at once. FETCH of attributes that all have this makes no `Message`."""
    prepare: Prepare | None = None
    """What has to be asked for besides the rows: called with those of a page, it gives what takes the place of
    `render` for them."""
    capability: str = ""
    """The extension it belongs to: without it the client asks for something unknown. Empty for RFC 3501."""


@dataclass(frozen=True, slots=True)
class Columns:
    """How an attribute is made of columns of `messages` and `contents` (see `quantummail.store.tables`)."""

    form: bytes
    """Name and value, with one place for the value: ``UID %d``."""
    names: tuple[str, ...]
    values: Callable[..., Iterable[Any]]
    """Called with the view and a sequence for each name, in the order of UIDs: what goes into the form."""
    lost: tuple[str, ...] = ()
    """Further columns, where one of those is lost (`contents` have no row): only then `values` gets them."""


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


def as_they_are(_view: View, values: Sequence[Any]) -> Iterable[Any]:
    """Values of `Columns` that stand in the row."""
    return values


def _envelopes(_view: View, envelopes: Sequence[bytes | None]) -> Iterable[bytes]:
    return [envelope or _NO_ENVELOPE for envelope in envelopes]


def _structures(
    _view: View, structures: Sequence[bytes | None], sizes: Sequence[int] | None = None
) -> Iterable[bytes | None]:
    if sizes is None:
        return structures
    return [
        b"(" + _NO_STRUCTURE % size + b")" if structure is None else structure
        for structure, size in zip(structures, sizes, strict=True)
    ]


def _flag_texts(view: View, uids: Sequence[int], flags: Sequence[int]) -> Iterable[bytes]:
    return view.flag_texts(uids, flags)


def date_times(_view: View, moments: Sequence[int]) -> Iterable[bytes]:
    """Values of `Columns` that are seconds since the epoch."""
    return map(dates.render_date_time, moments)


RENDERERS: dict[str, Renderer] = {
    "BODY": Renderer(_body, contents=True, columns=Columns(b"BODY %b", ("body",), _structures, lost=("size",))),
    "BODYSTRUCTURE": Renderer(
        _bodystructure, contents=True,
        columns=Columns(b"BODYSTRUCTURE %b", ("bodystructure",), _structures, lost=("size",))),
    "ENVELOPE": Renderer(_envelope, contents=True, columns=Columns(b"ENVELOPE %b", ("envelope",), _envelopes)),
    "FLAGS": Renderer(_flags, contents=False, columns=Columns(b"FLAGS %b", ("uid", "flags"), _flag_texts)),
    "INTERNALDATE": Renderer(
        _internal_date, contents=False, columns=Columns(b"INTERNALDATE %b", ("internal_date",), date_times)),
    "RFC822.SIZE": Renderer(_size, contents=False, columns=Columns(b"RFC822.SIZE %d", ("size",), as_they_are)),
    "UID": Renderer(_uid, contents=False, columns=Columns(b"UID %d", ("uid",), as_they_are)),
}
"""Attributes by name. An extension adds its own, here and to `quantummail.imap.grammar.fetch.READERS`."""
