"""GETMETADATA, SETMETADATA: annotations of mailboxes and of the server (RFC 5464), also with LIST (RFC 9590)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities, list_returns, responses
from quantummail.imap.commands.authenticated import SPECIAL_USES
from quantummail.imap.commands.enable import CAN_BE_ENABLED
from quantummail.imap.grammar.metadata import entries, get_metadata, rendered, set_metadata
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.imap.responses import Refusal
from quantummail.store.annotations import SHARED, SPECIAL_USE, Annotated, Asked, TooManyAnnotations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.grammar.metadata import GetMetadata
    from quantummail.imap.session import Session
    from quantummail.store.records import Mailbox

METADATA = capabilities.offer("METADATA")
LIST_METADATA = capabilities.offer("LIST-METADATA")
CAN_BE_ENABLED.add(METADATA)

# RFC 5464 3.2.1.1: whom to turn to. The configuration says so, nobody else
ADMIN = "/shared/admin"


@command("GETMETADATA", AUTHENTICATED, capability=METADATA)
async def get(session: Session, arguments: Cursor) -> str:
    """GETMETADATA (RFC 5464 4.2)."""
    request = get_metadata(arguments)
    asked = Asked([name.lower() for name in request.entries], request.depth, request.max_size)
    annotations = session.store.annotations
    if request.mailbox:
        box = await session.mailbox(request.mailbox, "r")
        found = await annotations.of_mailbox(box.account_id, box.id, session.account_id, asked)
    else:
        found = _with_contact(session, await annotations.of_server(session.account_id, asked), asked)
    lines = _lines(request, found)
    if lines:
        shown = responses.mailbox_name(request.mailbox, utf8=session.utf8)
        session.write(b"* METADATA %s (%s)\r\n" % (shown, b" ".join(lines)))
        await session.wire.drained()
    if found.left_out:
        # RFC 5464 4.2.1
        return f"[METADATA LONGENTRIES {max(found.left_out.values())}] GETMETADATA completed"
    return "GETMETADATA completed"


@command("SETMETADATA", AUTHENTICATED, capability=METADATA)
async def set_(session: Session, arguments: Cursor) -> str:
    """SETMETADATA (RFC 5464 4.3): all entries or none."""
    name, values = set_metadata(arguments)
    settings = session.settings
    if any(value is not None and len(value) > settings.annotation_size for value in values.values()):
        raise Refusal("The value is too long", f"METADATA MAXSIZE {settings.annotation_size}")
    annotations, notification = session.store.annotations, session.notification
    try:
        if name:
            # RFC 5464 3.3: everybody who can read may annotate for himself; for others takes the right to write
            for_others = [entry.startswith(SHARED) for entry in values]
            box = await session.mailbox(name, "r" * (not all(for_others)) + "w" * any(for_others))
            if SPECIAL_USE in values:
                if box.owner:
                    raise Refusal("What a mailbox is for is its owner's to say", "USEATTR")
                values[SPECIAL_USE] = _special_use(values[SPECIAL_USE])
            if notification is not None:
                notification.own_entries(box.id, values)
            await annotations.annotate_mailbox(
                box.account_id, box.id, session.account_id, values, settings.annotations)
        else:
            _allow_server(session, values)
            if notification is not None:
                notification.own_entries(0, values)
            await annotations.annotate_server(session.account_id, values, settings.annotations)
    except TooManyAnnotations as error:
        raise Refusal(str(error), "METADATA TOOMANY") from None
    finally:
        if notification is not None:
            notification.own_entries(0, ())
    return "SETMETADATA completed"


def _lines(request: GetMetadata, found: Annotated) -> list[bytes]:
    """What is found, under the names that were asked for; NIL for what is not there."""
    written = {name.lower(): name for name in request.entries}
    lines = [rendered(written.get(name, name), value) for name, value in found.values.items()]
    if request.depth == 0:
        lines += [
            rendered(name, None) for lower, name in written.items()
            if lower not in found.values and lower not in found.left_out
        ]
    return lines


def _allow_server(session: Session, values: dict[str, bytes | None]) -> None:
    assert session.user is not None
    if ADMIN in values or (not session.user.admin and any(entry.startswith(SHARED) for entry in values)):
        # RFC 5464 3.3: what all users see is the administrators' to say
        raise Refusal("Not allowed", "NOPERM")
    if SPECIAL_USE in values:
        raise Refusal("The server has no special use", "USEATTR")


def _special_use(value: bytes | None) -> bytes | None:
    # RFC 6154 section 4: the same rules as for CREATE
    if not value:
        return None
    use = SPECIAL_USES.get(value.decode("latin-1").lower())
    if use is None:
        raise Refusal("No such special use", "USEATTR")
    return use.encode("ascii")


def _with_contact(session: Session, found: Annotated, asked: Asked) -> Annotated:
    contact = session.settings.contact.encode("ascii")
    if not contact or not asked.wants(ADMIN):
        return found
    if asked.max_size is not None and len(contact) > asked.max_size:
        return Annotated(found.values, {**found.left_out, ADMIN: len(contact)})
    return Annotated({**found.values, ADMIN: contact}, found.left_out)


class MetadataLines:
    """METADATA for each mailbox of a LIST (RFC 9590 section 3)."""

    __slots__ = ("_entries", "_found")

    def __init__(self, names: Sequence[str]) -> None:
        self._entries = names
        self._found: dict[int, dict[str, bytes]] = {}

    async def prepare(self, session: Session, boxes: Sequence[Mailbox]) -> None:
        """Read the entries of all mailboxes at once."""
        entries_ = [name.lower() for name in self._entries]
        for account_id in {box.account_id for box in boxes}:
            self._found.update(
                await session.store.annotations.of_mailboxes(account_id, session.account_id, entries_))

    async def line(self, session: Session, box: Mailbox) -> bytes:
        """One METADATA response; NIL for entries that the mailbox does not have. None for who may not read it."""
        if "r" not in box.rights:
            return b""
        values = self._found.get(box.id, {})
        if box.special_use:
            values = {**values, SPECIAL_USE: box.special_use.encode("ascii")}
        lines = [rendered(name, values.get(name.lower())) for name in self._entries]
        return b"* METADATA %s (%s)\r\n" % (
            responses.mailbox_name(box.name, utf8=session.utf8), b" ".join(lines))


def _read(arguments: Cursor) -> MetadataLines:
    # RFC 9590 section 5: "METADATA" SP "(" entry *(SP entry) ")"
    arguments.space()
    return MetadataLines(entries(arguments))


list_returns.OPTIONS["METADATA"] = list_returns.Option(LIST_METADATA, _read)
