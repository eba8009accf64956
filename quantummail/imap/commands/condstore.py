"""CONDSTORE and QRESYNC: mod-sequences where a client can see them (RFC 7162). SELECT, FETCH and STORE use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.attributes import RENDERERS, Columns, Renderer, as_they_are
from quantummail.imap.commands.enable import CAN_BE_ENABLED
from quantummail.imap.commands.status import ITEMS
from quantummail.imap.grammar import fetch, search
from quantummail.imap.grammar.modseq import ModSeq, modseq
from quantummail.imap.searching import PICTURE_TESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quantummail.imap.session import Session
    from quantummail.imap.view import View
    from quantummail.store.records import Mailbox, Message

CONDSTORE = capabilities.offer("CONDSTORE")
QRESYNC = capabilities.offer("QRESYNC")
CAN_BE_ENABLED.update((CONDSTORE, QRESYNC))

MODSEQ = fetch.Attribute("MODSEQ")


def _modseq(_view: View, message: Message) -> bytes:
    # fetch-mod-resp = "MODSEQ" SP "(" permsg-modsequence ")"
    return b"MODSEQ (%d)" % message.modseq


def _since(_view: View, key: ModSeq) -> tuple[str, Callable[[int], bool]]:
    return "modseqs", lambda modseq: modseq >= key.lowest


async def _highest_modseq(_session: Session, box: Mailbox) -> int:
    return box.highestmodseq


fetch.READERS["MODSEQ"] = lambda _: MODSEQ
RENDERERS["MODSEQ"] = Renderer(
    _modseq, contents=False, columns=Columns(b"MODSEQ (%d)", ("modseq",), as_they_are))
ITEMS["HIGHESTMODSEQ"] = _highest_modseq
search.READERS["MODSEQ"] = modseq
PICTURE_TESTS[ModSeq] = _since


def names_modseq(query: search.Query) -> bool:
    """Whether a search has the key MODSEQ: then its result tells the highest one of what was found."""
    return any(isinstance(key, ModSeq) for key in query.program)


async def highest_modseq(session: Session, found: Sequence[int]) -> int:
    """The highest mod-sequence of some messages of the selected mailbox (RFC 7162 3.1.5), 0 when none is there."""
    picture = await session.store.messages.pictures.get(session.selected.account_id, session.selected.mailbox_id)
    return picture.highest_modseq(found)


async def with_modseq(session: Session, text: str, *, removed: bool) -> str:
    """The text after OK of a command that has expunged: with HIGHESTMODSEQ once QRESYNC is on (RFC 7162 3.2.7)."""
    if not removed or not session.modes.qresync:
        return text
    await session.sync(expunges=True)
    return f"[HIGHESTMODSEQ {session.selected.told}] {text}"
