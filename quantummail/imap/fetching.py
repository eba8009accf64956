"""Answering FETCH: rows in pages, octets in pieces, never more in memory than the client is about to take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quantummail.imap import binary
from quantummail.imap.attributes import RENDERERS, Columns, Renderer
from quantummail.imap.column_fetch import ColumnFetch
from quantummail.imap.cuts import Cut, chosen, cut, from_memory, limited
from quantummail.imap.grammar.fetch import Attribute, Binary, Section
from quantummail.store.errors import NoSuchMessage
from quantummail.store.flags import SEEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quantummail.imap.grammar.fetch import Item
    from quantummail.imap.session import Session
    from quantummail.store.records import Message

PAGE = 500
# With bodies less: \Seen is set for a page before it is sent
BODY_PAGE = 100
# Messages up to this size are read whole, several at once
WHOLE = 64 * 1024
WHOLE_FOR_HEADERS = 16 * 1024
READ_AHEAD = 256 * 1024
AT_ONCE = 64
PIECE = 256 * 1024


class Truncated(Exception):
    """A file is shorter than its row says, and its length has been announced already."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a FETCH needs."""

    attributes: tuple[Renderer, ...]
    sections: tuple[Section, ...]
    contents: bool
    """Whether rows are read with their rendered contents."""
    marks_seen: bool
    """Whether \\Seen is set (RFC 3501 6.4.5)."""
    names: frozenset[str]
    """Of the attributes."""
    whole: bool
    """Whether bodies are asked for, not only headers."""
    columns: tuple[Columns, ...] = ()
    """The attributes, where columns of rows are all that is needed."""

    @property
    def binary(self) -> tuple[Binary, ...]:
        """Those of the sections that are decoded."""
        return tuple(section for section in self.sections if isinstance(section, Binary))

    @property
    def named(self) -> Iterator[tuple[Section, bytes]]:
        """The sections with their names, behind a space where something stands before them."""
        for index, section in enumerate(self.sections):
            yield section, b" " + section.label if index else section.label


def plan(items: Sequence[Item], *, uid: bool, marks: bool) -> Plan:
    """Look through the items. A UID FETCH always shows the UID (RFC 3501 6.4.8).

    `marks`: \\Seen may be set, where the items want that.
    """
    names = [item.name for item in items if isinstance(item, Attribute)]
    if uid and "UID" not in names:
        names.insert(0, "UID")
    sections = tuple(item for item in items if isinstance(item, Section))
    attributes = tuple(RENDERERS[name] for name in names)
    columns = tuple(one.columns for one in attributes if one.columns is not None)
    return Plan(
        attributes, sections,
        contents=any(one.contents for one in attributes) or any(one.path or one.text for one in sections),
        # RFC 4314 section 4: without the right for it, messages are shown all the same
        marks_seen=marks and any(not one.peek for one in sections),
        names=frozenset(names),
        whole=any(not one.text or one.text == "TEXT" for one in sections),
        columns=() if sections or len(columns) < len(attributes) else columns,
    )


class Fetch:
    """One FETCH command."""

    __slots__ = (
        "_marked", "_plan", "_renders", "_session", "_shown_with_flags", "_view", "gone", "lost", "undecodable",
    )

    def __init__(self, session: Session, what: Plan) -> None:
        self._session = session
        self._view = session.selected
        self._plan = what
        self._renders = [one.render for one in what.attributes]
        self._marked: set[int] = set()
        self._shown_with_flags = [
            RENDERERS[name] for name, shown in (
                ("UID", session.modes.shows_uid), ("FLAGS", True), ("MODSEQ", session.modes.condstore),
            ) if shown and name not in what.names
        ]
        self.gone = 0
        """Messages whose rows are not there any more."""
        self.lost = 0
        """Messages whose files are not there any more."""
        self.undecodable = 0
        """Messages with a part of an encoding that we do not know."""

    async def run(self, uids: Sequence[int]) -> None:
        """Send the responses for these messages."""
        if self._plan.columns:
            fetch = ColumnFetch(self._session, self._plan.columns)
            await fetch.run(uids)
            self.gone = fetch.gone
            return
        session, view, what = self._session, self._view, self._plan
        page = BODY_PAGE if what.marks_seen else PAGE
        for start in range(0, len(uids), page):
            wanted = uids[start : start + page]
            messages = await session.store.messages.fetch(
                view.account_id, view.mailbox_id, wanted, contents=what.contents
            )
            self.gone += len(wanted) - len(messages)
            if what.binary:
                messages = self._decodable(messages)
            if what.marks_seen:
                messages = await self._seen(messages)
            self._renders = [
                one.render if one.prepare is None else await one.prepare(session, messages) for one in what.attributes
            ]
            if what.sections:
                await self._send_sections(messages)
            else:
                session.write(b"".join([self._line(message) for message in messages]))
                await session.wire.drained()

    def _decodable(self, messages: list[Message]) -> list[Message]:
        found = [
            message for message in messages
            if not any(binary.unknown_encoding(section, message) for section in self._plan.binary)
        ]
        self.undecodable += len(messages) - len(found)
        return found

    async def _seen(self, messages: list[Message]) -> list[Message]:
        r"""Set \Seen where it is not; those messages show their flags (RFC 3501 6.4.5)."""
        session, view = self._session, self._view
        unseen = [message.uid for message in messages if not message.flags & SEEN]
        self._marked.clear()
        if not unseen:
            return messages
        change = await session.store.messages.set_flags(
            view.account_id, view.mailbox_id, unseen, "add", SEEN, ()
        )
        view.advance(change.changed)
        states = {state.uid: state for state in change.changed}
        self._marked.update(states)
        if session.user is not None:
            session.store.journey.read(
                session.user.id, session.user.address, [one.email_id for one in messages if one.uid in states], "IMAP")
        return [
            replace(message, flags=state.flags, modseq=state.modseq) if (state := states.get(message.uid)) else message
            for message in messages
        ]

    def _begin(self, message: Message) -> bytes:
        """The response up to where the sections come."""
        view = self._view
        values = [render(view, message) for render in self._renders]
        if message.uid in self._marked:
            # RFC 3501 6.4.5, RFC 7162 3.1
            values += [one.render(view, message) for one in self._shown_with_flags]
        if self._plan.sections and values:
            values.append(b"")
        return view.fetch_begin(message.uid) + b" ".join(values)

    def _line(self, message: Message) -> bytes:
        return self._begin(message) + b")\r\n"

    async def _send_sections(self, messages: Sequence[Message]) -> None:
        limit = WHOLE if self._plan.whole else WHOLE_FOR_HEADERS
        index = 0
        while index < len(messages):
            try:
                if messages[index].size > limit:
                    await self._stream(messages[index])
                    index += 1
                    continue
                ahead = messages[index : index + AT_ONCE]
                read = await self._session.store.bodies.read_many(ahead, READ_AHEAD)
            except NoSuchMessage:
                self._session.store.messages.vanished.missed(
                    self._view.account_id, self._view.mailbox_id, [messages[index].uid])
                if self._session.midway:
                    raise
                self.lost += 1
                index += 1
                continue
            index += len(read)
            self._session.write(b"".join([
                self._from_memory(message, octets) for message, octets in zip(ahead, read, strict=False)
            ]))
            await self._session.wire.drained()

    def _from_memory(self, message: Message, octets: bytes) -> bytes:
        pieces = [self._begin(message)]
        for section, name in self._plan.named:
            if isinstance(section, Binary):
                pieces += [name, binary.from_memory(section, message, octets)]
                continue
            found = from_memory(section, message, octets)
            pieces += [name, b" NIL"] if found is None else [name, b" {%d}\r\n" % len(found), found]
        pieces.append(b")\r\n")
        return b"".join(pieces)

    async def _stream(self, message: Message) -> None:
        """Send one message in pieces, as fast as the client takes them."""
        session = self._session
        output = [self._begin(message)]
        for section, name in self._plan.named:
            if isinstance(section, Binary):
                output = await self._stream_decoded(section, message, [*output, name])
                continue
            where = cut(section, message)
            if where is None:
                output += [name, b" NIL"]
                continue
            if section.fields:
                found = chosen(section, await session.store.bodies.read(message, where.start, where.end))
                within = limited(section, Cut(0, len(found)))
                found = found[within.start : within.end]
                output += [name, b" {%d}\r\n" % len(found), found]
                continue
            where = limited(section, where)
            position = where.start
            output += [name, b" {%d}\r\n" % (where.end - where.start)]
            while position < where.end:
                end = min(position + PIECE, where.end)
                octets = await session.store.bodies.read(message, position, end)
                if len(octets) != end - position:
                    if not session.midway:
                        raise NoSuchMessage("the message is damaged")
                    raise Truncated(f"message {message.uid} ends at {position + len(octets)}")
                # From here on the response must be finished, or the connection ends
                session.midway = True
                output.append(octets)
                session.write(b"".join(output))
                output = [b""]
                position = end
                await session.wire.drained()
        output.append(b")\r\n")
        session.write(b"".join(output))
        session.midway = False
        await session.wire.drained()

    async def _stream_decoded(self, section: Binary, message: Message, output: list[bytes]) -> list[bytes]:
        """The same for a part without its encoding; what is still to be sent comes back."""
        session = self._session
        part = binary.encoded_part(section, message)
        if part is None:
            return [*output, b" 0" if section.size_only else b" NIL"]
        first, last = binary.window(section)
        size, has_nul = await binary.measured(session, part, first, last)
        if section.size_only:
            return [*output, b" %d" % size]
        output.append(binary.announced(size, binary=has_nul))
        async for octets in session.store.decoded.read(part, first, last):
            session.midway = True
            session.write(b"".join([*output, octets]))
            output = []
            size -= len(octets)
            await session.wire.drained()
        if size:
            raise Truncated(f"message {message.uid} has changed while it was read")
        return output
