"""Answering SEARCH: UIDs first, then rows, and only for what is still open the octets of messages."""

from __future__ import annotations

import re
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from quantummail.imap.grammar import search as keys
from quantummail.imap.responses import Refusal
from quantummail.imap.text_search import Finder, PartText, is_text
from quantummail.message.date import parse_date
from quantummail.message.encoded_word import decode_text
from quantummail.message.headers import Headers, header_end
from quantummail.message.parts import leaves
from quantummail.store.errors import NoSuchMessage
from quantummail.store.flags import KEYWORD_SHIFT, system_flag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quantummail.imap.grammar.sequence import SequenceSet
    from quantummail.imap.session import Session
    from quantummail.imap.view import View
    from quantummail.message.parts import PartRange
    from quantummail.store.bodies import Bodies
    from quantummail.store.records import Message

PAGE = 500
# UIDs that are looked at before others have their turn
SLICE = 5000
HEADER = 32 * 1024
LONG_HEADER = 256 * 1024
PIECE = 64 * 1024
# Messages up to this size are read whole
WHOLE = 64 * 1024

Test = Callable[["Message"], bool | None]
"""None: the row does not tell."""

# What stands behind the time of a Date field: RFC 3501 6.4.4 disregards time and time zone
_ZONE = re.compile(rb"\s*(?:[+-]\d\d:?\d\d|[A-Za-z]{1,5})?\s*(?:\([^()]*\)\s*)?\Z")


class Search:
    """One SEARCH command."""

    __slots__ = ("_deadline", "_program", "_session", "_view")

    def __init__(self, session: Session, query: keys.Query) -> None:
        self._session = session
        self._view = session.selected
        self._program = query.program
        self._deadline = time.monotonic() + session.settings.search_timeout

    async def run(self) -> array[int]:
        """The UIDs that match, ascending."""
        candidates = self._candidates()
        if all(isinstance(key, _FROM_UID) for key in self._program):
            return await self._by_uid(candidates)
        found = array("I")
        tests = [self._row_test(key) for key in self._program]
        whole = any(isinstance(key, keys.Text | keys.Body) for key in self._program)
        for start in range(0, len(candidates), PAGE):
            page = await self._session.store.messages.fetch(
                self._session.account_id, self._view.mailbox_id, candidates[start : start + PAGE], contents=whole
            )
            for message in page:
                value = _evaluated(self._program, [test and test(message) for test in tests])
                if value is None:
                    value = await self._by_octets(message, tests)
                if value:
                    found.append(message.uid)
        return found

    def _candidates(self) -> Sequence[int]:
        """Messages that come into question: sets that everything depends on narrow them before any row is read."""
        last = self._program[-1]
        if isinstance(last, keys.And):
            # operands of the last And that are single keys stand directly before it, up to the first operator
            required: Iterable[object] = _trailing_leaves(self._program[:-1], last.count)
        else:
            required = self._program if len(self._program) == 1 else ()
        uids: Sequence[int] = self._view.uids
        for key in required:
            if isinstance(key, keys.Uids):
                uids = _smaller(uids, self._view.known(key.set))
            elif isinstance(key, keys.Numbers):
                uids = _smaller(uids, self._view.numbered(key.set))
        return uids

    async def _by_uid(self, candidates: Sequence[int]) -> array[int]:
        found = array("I")
        tests = [_uid_test(self._view, key) for key in self._program]
        for start in range(0, len(candidates), SLICE):
            if start:
                await self._session.wire.pause(0)
            for uid in candidates[start : start + SLICE]:
                if _evaluated(self._program, [test and test(uid) for test in tests]):
                    found.append(uid)
        return found

    def _row_test(self, key: object) -> Test | None:
        """How a key is answered from a row; None for operators."""
        if isinstance(key, _OPERATORS):
            return None
        by_uid = _uid_test(self._view, key)
        if by_uid is not None:
            return lambda message: by_uid(message.uid)
        make = ROW_TESTS.get(type(key))
        return make(self._view, key) if make is not None else _unknown

    async def _by_octets(self, message: Message, tests: Sequence[Test | None]) -> bool:
        """Look into the message for what its row did not tell."""
        if time.monotonic() > self._deadline:
            raise Refusal("The search takes too long", "LIMIT")
        try:
            octets = _Octets(self._session.store.bodies, message)
            headers = await octets.headers()
            values = [
                _header_value(key, headers) if isinstance(key, keys.Header | keys.SentDate) else test and test(message)
                for key, test in zip(self._program, tests, strict=True)
            ]
            value = _evaluated(self._program, values)
            if value is None:
                found = await self._texts(message, octets, headers)
                values = [
                    found[key] if isinstance(key, keys.Text | keys.Body) else known
                    for key, known in zip(self._program, values, strict=True)
                ]
                value = _evaluated(self._program, values)
        except NoSuchMessage:
            session = self._session
            session.store.messages.vanished.missed(session.account_id, self._view.mailbox_id, [message.uid])
            return False
        return bool(value)

    async def _texts(self, message: Message, octets: _Octets, headers: Headers) -> Mapping[object, bool]:
        """Which TEXT and BODY keys find something in the message."""
        wanted = [key for key in self._program if isinstance(key, keys.Text | keys.Body)]
        finder = Finder(key.text for key in wanted)
        parts = leaves(message.contents.parts) if message.contents is not None else []
        for part in parts:
            if not finder.missing:
                break
            await self._part(octets, part, finder)
        in_header = Finder(key.text for key in wanted if isinstance(key, keys.Text))
        in_header.header(headers.octets)
        return {
            key: not key.text or key.text.casefold() not in finder.missing
            or (isinstance(key, keys.Text) and key.text.casefold() not in in_header.missing)
            for key in wanted
        }

    async def _part(self, octets: _Octets, part: PartRange, finder: Finder) -> None:
        header = await octets.read(part.mime_start, min(part.start, part.mime_start + LONG_HEADER))
        if part.mime_start:
            # the header of the message itself is not its body
            finder.header(header)
        if not is_text(part):
            return
        text = PartText(part, header)
        for start in range(part.start, part.end, PIECE):
            end = min(start + PIECE, part.end)
            finder.feed(text.decode(await octets.read(start, end), final=end == part.end))
            if not finder.missing:
                return
            if time.monotonic() > self._deadline:
                raise Refusal("The search takes too long", "LIMIT")
        finder.end()


class _Octets:
    """The octets of one message: a small one is read at once, a big one in the pieces that are asked for."""

    __slots__ = ("_bodies", "_message", "_whole")

    def __init__(self, bodies: Bodies, message: Message) -> None:
        self._bodies = bodies
        self._message = message
        self._whole: bytes | None = None

    async def read(self, start: int, end: int) -> bytes:
        """The octets from `start` to `end`."""
        if self._message.size > WHOLE:
            return await self._bodies.read(self._message, start, end)
        if self._whole is None:
            self._whole = await self._bodies.read(self._message)
        return self._whole[start:end]

    async def headers(self) -> Headers:
        """The header of the message, as far as it is read for searching."""
        octets = b""
        for size in (HEADER, LONG_HEADER):
            octets = await self.read(0, size)
            if header_end(octets) < len(octets) or len(octets) < size:
                break
        return Headers.scan(octets)


def _uid_test(view: View, key: object) -> Callable[[int], bool] | None:
    """How a key is answered from the UID alone; None if it is not."""
    if isinstance(key, keys.All):
        return lambda _uid: True
    if isinstance(key, keys.Recent):
        return view.recent_uids.__contains__
    if isinstance(key, keys.Uids):
        return _in_ranges(key.set.within(view.uids[-1] if view.uids else 0))
    if isinstance(key, keys.Numbers):
        return _in_ranges(_uid_ranges(view, key.set))
    return None


def _uid_ranges(view: View, numbers: SequenceSet) -> list[tuple[int, int]]:
    return [(view.uids[first - 1], view.uids[last - 1]) for first, last in numbers.within(view.exists)]


def _in_ranges(ranges: list[tuple[int, int]]) -> Callable[[int], bool]:
    firsts = [first for first, _ in ranges]
    lasts = [last for _, last in ranges]

    def test(uid: int) -> bool:
        index = bisect_right(firsts, uid) - 1
        return index >= 0 and uid <= lasts[index]

    return test


def _flagged(view: View, key: keys.Flagged) -> Test:
    mask = system_flag(key.name)
    if not mask:
        name = key.name.lower()
        for bit, keyword in enumerate(view.keywords):
            if keyword.lower() == name:
                mask = 1 << (KEYWORD_SHIFT + bit)
    return lambda message: bool(message.flags & mask)


def _internal_date(_view: View, key: keys.InternalDate) -> Test:
    # in UTC, as INTERNALDATE shows it
    first, last = key.first * 86400, (key.last + 1) * 86400
    return lambda message: first <= message.internal_date < last


def _size(_view: View, key: keys.Size) -> Test:
    return lambda message: key.smallest <= message.size <= key.largest


ROW_TESTS: dict[type, Callable[..., Test]] = {
    keys.Flagged: _flagged,
    keys.InternalDate: _internal_date,
    keys.Size: _size,
}
"""Keys that a row answers. An extension adds its own."""

_OPERATORS = (keys.And, keys.Or, keys.Not)
_FROM_UID = (*_OPERATORS, keys.All, keys.Recent, keys.Uids, keys.Numbers)


def _unknown(_message: Message) -> None:
    return None


def _header_value(key: keys.Header | keys.SentDate, headers: Headers) -> bool:
    if isinstance(key, keys.SentDate):
        value = headers.get(b"date")
        sent = parse_date(_ZONE.sub(b"", value)) if value is not None else None
        return sent is not None and key.first <= sent // 86400 <= key.last
    values = headers.get_all(key.name.encode("utf-8"))
    if not key.text:
        # RFC 3501 6.4.4: an empty text finds every message that has the field
        return bool(values)
    text = key.text.casefold()
    return any(text in decode_text(value).casefold() for value in values)


def _evaluated(program: keys.Program, values: Sequence[bool | None]) -> bool | None:
    """The value of a program in postfix order, from those of its keys; None while that is open."""
    if len(program) == 1:
        return values[0]
    stack: list[bool | None] = []
    for item, value in zip(program, values, strict=True):
        if isinstance(item, keys.And):
            operands = stack[-item.count :]
            del stack[-item.count :]
            stack.append(False if False in operands else None if None in operands else True)
        elif isinstance(item, keys.Or):
            right, left = stack.pop(), stack.pop()
            stack.append(True if left or right else None if left is None or right is None else False)
        elif isinstance(item, keys.Not):
            operand = stack.pop()
            stack.append(None if operand is None else not operand)
        else:
            stack.append(value)
    return stack[0]


def _trailing_leaves(program: Sequence[object], count: int) -> list[object]:
    found: list[object] = []
    for item in reversed(program):
        if isinstance(item, _OPERATORS) or len(found) == count:
            break
        found.append(item)
    return found


def _smaller(uids: Sequence[int], narrowed: array[int]) -> Sequence[int]:
    """Candidates are only narrowed, never proved: the shorter of two lists is enough."""
    return narrowed if len(narrowed) < len(uids) else uids
