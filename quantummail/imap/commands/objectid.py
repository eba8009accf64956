"""OBJECTID: identifiers of mailboxes, messages and threads that outlive renames and copies (RFC 8474)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.attributes import RENDERERS, Columns, Renderer
from quantummail.imap.commands.status import ITEMS
from quantummail.imap.grammar import fetch, search
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.searching import LOOKUPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quantummail.imap.attributes import Render
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.imap.view import View
    from quantummail.store.records import Mailbox, Message

OBJECTID = capabilities.offer("OBJECTID")

# objectid = 1*255(ALPHA / DIGIT / "_" / "-"), RFC 8474 section 7
_OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}")
_THREAD = re.compile(r"T([0-9a-f]{16})")
_UNSIGNED = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class EmailId:
    """Copies of one message."""

    value: str


@dataclass(frozen=True, slots=True)
class ThreadId:
    """Messages of one thread."""

    value: str


def _email_id(_view: View, message: Message) -> bytes:
    return b"EMAILID (%b)" % message.email_id.encode("ascii")


def _email_ids(_view: View, values: Sequence[str]) -> Iterable[bytes]:
    return [value.encode("ascii") for value in values]


def _no_thread(_view: View, _message: Message) -> bytes:
    return b"THREADID NIL"


async def _threads(session: Session, messages: Sequence[Message]) -> Render:
    threads = await session.store.conversations.threads(session.selected.account_id, messages)

    def render(view: View, message: Message) -> bytes:
        thread = threads.get(message.email_id)
        return _no_thread(view, message) if thread is None else b"THREADID (T%016x)" % (thread & _UNSIGNED)

    return render


def _object_id(kind: type[EmailId | ThreadId]) -> search.Reader:
    def read(cursor: Cursor, _codec: str) -> search.Program:
        cursor.space()
        value = cursor.astring()
        if not _OBJECT_ID.fullmatch(value):
            raise BadSyntax("Invalid object id")
        return (kind(value.decode("ascii")),)

    return read


async def _of_email(session: Session, key: EmailId) -> Sequence[int]:
    view = session.selected
    return await session.store.conversations.of_email(view.account_id, view.mailbox_id, key.value)


async def _of_thread(session: Session, key: ThreadId) -> Sequence[int]:
    found = _THREAD.fullmatch(key.value)
    if found is None:
        return ()
    number = int(found[1], 16)
    thread = number - (_UNSIGNED + 1) if number >> 63 else number
    return await session.store.conversations.of_thread(session.selected.account_id, session.selected.mailbox_id, thread)


async def _mailbox_id(_session: Session, box: Mailbox) -> str:
    return f"({box.object_id})"


fetch.READERS["EMAILID"] = lambda _: fetch.Attribute("EMAILID")
fetch.READERS["THREADID"] = lambda _: fetch.Attribute("THREADID")
RENDERERS["EMAILID"] = Renderer(
    _email_id, contents=False, columns=Columns(b"EMAILID (%b)", ("email_id",), _email_ids))
RENDERERS["THREADID"] = Renderer(_no_thread, contents=False, prepare=_threads)
ITEMS["MAILBOXID"] = _mailbox_id
search.READERS["EMAILID"] = _object_id(EmailId)
search.READERS["THREADID"] = _object_id(ThreadId)
LOOKUPS[EmailId] = _of_email
LOOKUPS[ThreadId] = _of_thread
