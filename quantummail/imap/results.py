"""Answers of searches: SEARCH, SORT and ESEARCH (RFC 3501 7.2.5, RFC 5256 section 4, RFC 4731 section 3.1)."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.imap.grammar.sequence import render, render_ranges, runs
from quantummail.imap.responses import Farewell

if TYPE_CHECKING:
    from quantummail.imap.grammar.results import Options
    from quantummail.imap.session import Session
    from quantummail.imap.view import View
    from quantummail.store.steps import Pause

# Numbers that are written before others have their turn
PAGE = 5000


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found."""

    uids: array[int]
    """In the order of the answer: ascending, or sorted."""
    uid: bool
    """Whether UIDs are shown, or message numbers."""
    modseq: int = 0
    """The highest mod-sequence of the messages that are shown (RFC 7162 3.1.5), 0 when nobody asked."""


async def completed(session: Session, name: str, *, uid: bool) -> str:
    """The text behind OK, which says if messages are gone that the client still has numbers for."""
    if uid:
        # the end of the command tells which
        return f"UID {name} completed"
    await session.sync(expunges=False)
    # RFC 5530 section 3
    return f"{'[EXPUNGEISSUED] ' if session.selected.expunges_wait else ''}{name} completed"


def pausing(session: Session) -> Pause:
    """Lets others have their turn, as long as the client is there."""

    def pause() -> Awaitable[None]:
        if session.closed:
            raise Farewell("The connection is gone")
        return session.wire.pause(0)

    return pause


def numbers_of(view: View, uids: array[int]) -> Sequence[int]:
    """The message numbers of UIDs that the client knows, in any order."""
    if not uids or uids is view.uids or uids == view.uids:
        return range(1, len(uids) + 1)
    if view.uids[-1] - view.uids[0] + 1 == len(view.uids):
        # no holes
        before = view.uids[0] - 1
        return [uid - before for uid in uids]
    if len(uids) * 8 < len(view.uids):
        return [view.number(uid) for uid in uids]
    numbers = dict(zip(view.uids, range(1, len(view.uids) + 1), strict=True))
    return [numbers.get(uid, 0) for uid in uids]


async def tell_list(session: Session, name: bytes, found: Found) -> None:
    """``* SEARCH`` or ``* SORT`` and the numbers, also when there is none (RFC 3501 7.2.5)."""
    shown = found.uids if found.uid else numbers_of(session.selected, found.uids)
    pages = (b" " + written(shown[start : start + PAGE], b" ") for start in range(0, len(shown), PAGE))
    # RFC 7162 3.1.5
    end = b" (MODSEQ %d)\r\n" % found.modseq if found.modseq else b"\r\n"
    await tell(session, b"* " + name, pages, end)


async def tell_extended(
    session: Session, begin: bytes, view: View, found: Found, options: Options
) -> None:
    """The return data of one ESEARCH response (RFC 4731 3.1); `begin` is what stands before it."""
    shown: Sequence[int] = found.uids if found.uid else numbers_of(view, found.uids)
    items = [begin]
    if "MIN" in options.names and shown:
        items.append(b"MIN %d" % shown[0])
    if "MAX" in options.names and shown:
        items.append(b"MAX %d" % shown[-1])
    if "COUNT" in options.names:
        items.append(b"COUNT %d" % len(shown))
    if options.partial is not None:
        part = options.partial.of(shown)
        items.append(b"PARTIAL (%s %s)" % (options.partial.text, render(part) or b"NIL"))
    # RFC 7162 3.1.6
    end = b" MODSEQ %d\r\n" % found.modseq if found.modseq else b"\r\n"
    everything = _set_pages(shown) if "ALL" in options.names and shown else iter(())
    await tell(session, b" ".join([*items, b"ALL "] if "ALL" in options.names and shown else items), everything, end)


async def tell(session: Session, begin: bytes, pages: Iterator[bytes], end: bytes) -> None:
    """Send one response in pages, as fast as the client takes them."""
    first = next(pages, b"")
    pending = begin + first
    for page in pages:
        # From here on the response must be finished, or the connection ends
        session.midway = True
        session.write(pending)
        await session.wire.drained()
        await session.wire.pause(0)
        pending = page
    session.write(pending + end)
    session.midway = False
    await session.wire.drained()


def written(numbers: Sequence[int], between: bytes) -> bytes:
    """Numbers in decimal."""
    # the fastest way there is
    return str(list(numbers))[1:-1].encode("ascii").replace(b", ", between)


def correlator(tag: str) -> bytes:
    """``* ESEARCH (TAG "a1")``: always quoted, as RFC 4466 and Outlook want it."""
    return b'* ESEARCH (TAG "%s")' % tag.replace("\\", "\\\\").replace('"', '\\"').encode("ascii")


def _set_pages(numbers: Sequence[int]) -> Iterator[bytes]:
    """A sequence set in pages. Numbers keep their order: a range stands only for what ascends (RFC 5267 3.2)."""
    if isinstance(numbers, range) or (
        len(numbers) > PAGE and numbers[-1] - numbers[0] + 1 == len(numbers) and _ascends(numbers)
    ):
        yield render_ranges([(numbers[0], numbers[-1])])
        return
    before: list[tuple[int, int]] = []
    separator = b""
    for at in range(0, len(numbers), PAGE):
        ranges = runs(numbers[at : at + PAGE])
        if before and before[0][1] + 1 == ranges[0][0]:
            ranges[0] = (before[0][0], ranges[0][1])
        else:
            ranges = before + ranges
        # the last range may go on
        before = [ranges.pop()] if at + PAGE < len(numbers) else []
        if ranges:
            yield separator + render_ranges(ranges)
            separator = b","


def _ascends(numbers: Sequence[int]) -> bool:
    return isinstance(numbers, array) and numbers == array(numbers.typecode, range(numbers[0], numbers[-1] + 1))
