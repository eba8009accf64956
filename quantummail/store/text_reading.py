"""Messages are read for searching: to be kept in the index, or to be looked at once, where the index does not know."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from quantummail.message.headers import Headers
from quantummail.message.search_fields import search_fields
from quantummail.message.search_text import Finder, body_text, header_lines, read_header
from quantummail.store.errors import StoreError
from quantummail.store.text_conditions import Anywhere, Condition, InBody, InField, InHeader, SentOn
from quantummail.store.text_files import PARTIAL, UNREAD, TextRow

if TYPE_CHECKING:
    from quantummail.message.search_text import Read
    from quantummail.store.bodies import Bodies
    from quantummail.store.records import Message

# Characters of a body that are kept; where a message has more, it is read if they do not decide
KEPT = 1 << 20
# Messages up to this size are read whole
_WHOLE = 256 * 1024


def reader(bodies: Bodies, message: Message) -> Read:
    """Reads from a message: a small one at once, of a big one the pieces that are asked for."""
    if message.size > _WHOLE:
        return lambda start, end: bodies.read_here(message, start, end)
    octets = bodies.read_here(message, 0, message.size)
    return lambda start, end: octets[start:end]


def text_row(bodies: Bodies, message: Message) -> TextRow:
    """What the index keeps of a message. Raises StoreError when it cannot be read."""
    read = reader(bodies, message)
    headers = read_header(read, message.size)
    state = 0
    pieces: list[str] = []
    length = 0
    for piece in body_text(_parts(message), read):
        if length + len(piece) > KEPT:
            state = PARTIAL
            break
        pieces.append(piece)
        length += len(piece)
    return TextRow(message.email_id, state, search_fields(headers), "".join(pieces), _lines(headers))


def unread(message: Message) -> TextRow:
    """A message that could not be read."""
    return TextRow(message.email_id, UNREAD, None, "", "")


def values(
    bodies: Bodies, message: Message, conditions: Sequence[Condition], stopped: Callable[[], bool]
) -> list[bool]:
    """Whether a message fulfils each of the conditions. Reads no more of it than it takes; StoreError if it cannot."""
    read = reader(bodies, message)
    headers = read_header(read, message.size)
    fields = search_fields(headers)
    lines = _lines(headers)
    found: list[bool] = []
    for condition in conditions:
        if isinstance(condition, InField | SentOn):
            found.append(condition.matches(fields))
        elif isinstance(condition, InHeader):
            found.append(condition.in_lines(lines.split("\n")))
        else:
            found.append(isinstance(condition, Anywhere) and condition.text in lines)
    missing = {
        condition.text for condition, yes in zip(conditions, found, strict=True)
        if not yes and isinstance(condition, Anywhere | InBody)
    }
    if missing:
        finder = Finder(missing)
        for piece in body_text(_parts(message), read):
            finder.feed(piece)
            if not finder.missing or stopped():
                break
        for place, condition in enumerate(conditions):
            if isinstance(condition, Anywhere | InBody) and condition.text in missing - finder.missing:
                found[place] = True
    return found


def read_many(
    bodies: Bodies, messages: Sequence[Message], conditions: Sequence[Condition], stopped: Callable[[], bool]
) -> list[list[bool] | StoreError]:
    """The `values` of several messages, as far as they are wanted."""
    found: list[list[bool] | StoreError] = []
    for message in messages:
        if stopped():
            break
        try:
            found.append(values(bodies, message, conditions, stopped))
        except StoreError as error:
            found.append(error)
    return found


def groups(messages: Sequence[Message], octets: int) -> Iterator[Sequence[Message]]:
    """Messages that are read together: so many octets, or one."""
    group: list[Message] = []
    size = 0
    for message in messages:
        if group and size + message.size > octets:
            yield group
            group, size = [], 0
        group.append(message)
        size += message.size
    if group:
        yield group


def _parts(message: Message) -> bytes:
    assert message.contents is not None
    return message.contents.parts


def _lines(headers: Headers) -> str:
    return "\n" + "".join([line + "\n" for line in header_lines(headers)])
