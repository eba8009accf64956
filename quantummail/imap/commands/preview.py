"""PREVIEW: some words of a message's text, for lists of messages (RFC 8970)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.attributes import RENDERERS, Renderer
from quantummail.imap.grammar.fetch import READERS, Attribute, Item
from quantummail.message.imap_string import nstring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.imap.attributes import Render
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.imap.view import View
    from quantummail.store.records import Message

CAPABILITY = capabilities.offer("PREVIEW")
PREVIEW = Attribute("PREVIEW")
LAZY = Attribute("PREVIEW (LAZY)")


def _preview(cursor: Cursor) -> Item:
    # "PREVIEW" [SP "(" preview-mod *(SP preview-mod) ")"], preview-mod = "LAZY" (RFC 8970 section 6)
    if cursor.data[cursor.position : cursor.position + 7].upper() == b" (LAZY)":
        cursor.position += 7
        return LAZY
    return PREVIEW


def _words(preview: str | None) -> bytes:
    return b"PREVIEW " + nstring(None if preview is None else preview.encode("utf-8"))


def _render(_view: View, message: Message) -> bytes:
    return _words(None if message.contents is None else message.contents.preview)


async def _found(session: Session, messages: Sequence[Message]) -> Render:
    missing = _missing(messages)
    if not missing:
        return _render
    found = await session.store.previews.find(session.selected.account_id, missing)

    def render(view: View, message: Message) -> bytes:
        words = found.get(message.email_id)
        return _render(view, message) if words is None else _words(words)

    return render


async def _at_hand(session: Session, messages: Sequence[Message]) -> Render:
    # RFC 8970 section 4: NIL for now; who asks again will find it
    session.store.previews.find_later(
        session.selected.account_id, session.selected.mailbox_id, [message.uid for message in _missing(messages)])
    return _render


def _missing(messages: Sequence[Message]) -> list[Message]:
    return [one for one in messages if one.contents is not None and one.contents.preview is None]


READERS["PREVIEW"] = _preview
RENDERERS[PREVIEW.name] = Renderer(_render, contents=True, prepare=_found, capability=CAPABILITY)
RENDERERS[LAZY.name] = Renderer(_render, contents=True, prepare=_at_hand, capability=CAPABILITY)
