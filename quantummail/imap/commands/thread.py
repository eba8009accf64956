"""THREAD and UID THREAD (RFC 5256): REFERENCES and ORDEREDSUBJECT, and REFS as Dovecot and Cyrus have it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.commands.search import matching
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.grammar.search import search_with_charset
from quantummail.imap.registry import SELECTED, command
from quantummail.imap.results import completed, numbers_of, pausing, tell, written
from quantummail.imap.sorting import THREAD_KEYS, material
from quantummail.imap.thread_trees import FIRST, Forest, Material, ordered_subject, references, refs, tokens
from quantummail.store.steps import Steps, finished

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.store.orders import SortKeys

_PAGE = 20_000


@dataclass(frozen=True, slots=True)
class _Algorithm:
    capability: str
    run: Callable[[Material], Steps[Forest]]


ALGORITHMS = {
    name: _Algorithm(capabilities.offer(f"THREAD={name}"), run)
    for name, run in (("REFERENCES", references), ("REFS", refs), ("ORDEREDSUBJECT", ordered_subject))
}


@command("THREAD", SELECTED, expunges=False)
async def thread(session: Session, arguments: Cursor) -> str:
    """THREAD (RFC 5256 section 3)."""
    return await _thread(session, arguments, uid=False)


@command("UID THREAD", SELECTED)
async def uid_thread(session: Session, arguments: Cursor) -> str:
    """UID THREAD (RFC 5256 section 3)."""
    return await _thread(session, arguments, uid=True)


async def _thread(session: Session, arguments: Cursor, *, uid: bool) -> str:
    arguments.space()
    name = arguments.word()
    algorithm = ALGORITHMS.get(name)
    if algorithm is None or not session.settings.offers(algorithm.capability):
        raise BadSyntax("Unknown threading algorithm")
    arguments.space()
    query = search_with_charset(arguments)
    found = await matching(session, query)
    await _tell(session, found, await _threads(session, found, name), uid=uid)
    return await completed(session, "THREAD", uid=uid)


async def _threads(session: Session, uids: array[int], name: str) -> Sequence[int]:
    """The tokens of the response; see `imap.thread_trees`."""
    if not uids:
        return ()
    pause = pausing(session)
    keys = await session.store.orders.get(
        session.selected.account_id, session.selected.mailbox_id, THREAD_KEYS, uids, pause)
    return await finished(_made(keys, uids, name), pause)


def _made(keys: SortKeys, uids: array[int], name: str) -> Steps[Sequence[int]]:
    known = keys.recall(name, uids)
    if known is not None:
        return known
    of_messages = yield from material(keys, uids)
    forest = yield from ALGORITHMS[name].run(of_messages)
    made = yield from tokens(forest, of_messages.count)
    result = array("I", made)
    keys.remember(name, uids, result)
    return result


async def _tell(session: Session, uids: array[int], made: Sequence[int], *, uid: bool) -> None:
    numbers = uids if uid else numbers_of(session.selected, uids)
    texts = [b"(", b")", b" "]
    pause = pausing(session)
    for start in range(0, len(numbers), _PAGE):
        if start:
            await pause()
        texts += written(numbers[start : start + _PAGE], b" ").split()
    assert len(texts) == len(uids) + FIRST

    def pages() -> Iterator[bytes]:
        for start in range(0, len(made), _PAGE):
            yield b"".join([texts[token] for token in made[start : start + _PAGE]])

    await tell(session, b"* THREAD " if uids else b"* THREAD", pages(), b"\r\n")
