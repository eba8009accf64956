"""LIST and LSUB: names of mailboxes (RFC 3501 6.3.8, 6.3.9), with the extensions of RFC 5258, 3348 and 6154."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities, list_returns, responses, shared
from quantummail.imap.grammar.listing import ListRequest, list_request
from quantummail.imap.hierarchy import Hierarchy, Shown, in_order, parents_of
from quantummail.imap.registry import AUTHENTICATED, command

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.grammar.patterns import ListPattern
    from quantummail.imap.list_returns import Extra
    from quantummail.imap.session import Session

CHILDREN = capabilities.offer("CHILDREN")
SPECIAL_USE = capabilities.offer("SPECIAL-USE")
LIST_EXTENDED = capabilities.offer("LIST-EXTENDED")

# Names times patterns that are looked at before others have their turn
_SLICE = 1000
_CHILDINFO = b' ("CHILDINFO" ("SUBSCRIBED"))\r\n'


@command("LIST", AUTHENTICATED)
async def list_mailboxes(session: Session, arguments: Cursor) -> str:
    """LIST (RFC 3501 6.3.8, RFC 5258 section 3)."""
    selections, returns = _options(session)
    request = list_request(arguments, selections, returns)
    if request.asks_delimiter:
        # RFC 3501 6.3.8: an empty pattern asks for the hierarchy delimiter
        session.write(responses.list_line(b"LIST", ("\\Noselect",), b'""'))
        return "LIST completed"
    if not request.patterns:
        return "LIST completed"
    mailboxes = session.store.mailboxes
    asks_subscribed = "SUBSCRIBED" in request.select or "SUBSCRIBED" in request.returns
    subscribed = await mailboxes.subscriptions(session.account_id) if asks_subscribed else ()
    hierarchy = Hierarchy({box.name: box for box in await shared.every(session)}, subscribed)
    names, childinfo = await _selected(session, request, hierarchy)
    offers = session.settings.offers
    shown = Shown(
        # RFC 3348: without being asked for it, as most servers do
        children=offers(CHILDREN) and (not request.extended or "CHILDREN" in request.returns),
        subscribed=asks_subscribed, special_use=offers(SPECIAL_USE),
        extended=request.extended or "IMAP4REV2" in session.enabled)
    extras = [value for value in request.returns.values() if value is not None]
    await _write(session, names, childinfo, hierarchy, shown, extras)
    return "LIST completed"


@command("LSUB", AUTHENTICATED)
async def lsub(session: Session, arguments: Cursor) -> str:
    """LSUB (RFC 3501 6.3.9)."""
    request = list_request(arguments, frozenset(), {})
    if request.asks_delimiter:
        session.write(responses.list_line(b"LSUB", ("\\Noselect",), b'""'))
        return "LSUB completed"
    subscribed = set(await session.store.mailboxes.subscriptions(session.account_id))
    boxes = {box.name for box in await shared.every(session)}
    # RFC 3501 6.3.9: with "%", the parents of what is subscribed are shown as \Noselect
    with_parents = any(pattern.text.endswith("%") for pattern in request.patterns)
    candidates = subscribed | parents_of(subscribed) if with_parents else subscribed
    names = await _matching(session, request.patterns, candidates)
    for start in range(0, len(names), _SLICE):
        session.write(b"".join(
            responses.list_line(b"LSUB", () if name in subscribed and name in boxes else ("\\Noselect",),
                                responses.mailbox_name(name, utf8=session.utf8))
            for name in names[start : start + _SLICE]
        ))
        await session.wire.drained()
    return "LSUB completed"


def _options(session: Session) -> tuple[frozenset[str], dict[str, list_returns.Reader]]:
    """The selection and return options that are taken; none where LIST is not extended."""
    offers = session.settings.offers
    if not offers(LIST_EXTENDED):
        return frozenset(), {}
    selections = {"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH"}
    returns: dict[str, list_returns.Reader] = {"SUBSCRIBED": list_returns.plain, "CHILDREN": list_returns.plain}
    if offers(SPECIAL_USE):
        selections.add("SPECIAL-USE")
        returns["SPECIAL-USE"] = list_returns.plain
    returns.update({
        name: option.read for name, option in list_returns.OPTIONS.items() if offers(option.capability)
    })
    return frozenset(selections), returns


async def _selected(
    session: Session, request: ListRequest, hierarchy: Hierarchy
) -> tuple[list[str], Collection[str]]:
    """The names to show, and those of them that have CHILDINFO (RFC 5258 3.5)."""
    boxes = hierarchy.boxes
    if "SUBSCRIBED" in request.select:
        # RFC 5258 3.1: also names of mailboxes that do not exist
        meeting = set(hierarchy.subscribed)
    elif "SPECIAL-USE" in request.select:
        meeting = set(boxes)
    else:
        meeting = {*boxes, *hierarchy.parents}
    if "SPECIAL-USE" in request.select:
        # RFC 6154 section 2
        meeting = {name for name in meeting if name in boxes and boxes[name].special_use}
    if "RECURSIVEMATCH" not in request.select:
        return await _matching(session, request.patterns, meeting), ()
    above = parents_of(meeting)
    matching = await _matching(session, request.patterns, meeting | above)
    # RFC 5258 3.5: a name that does not meet the criteria is shown only for the sake of one that is not shown itself
    unseen = parents_of(meeting.difference(matching))
    return [name for name in matching if name in meeting or name in unseen], above


async def _matching(session: Session, patterns: Sequence[ListPattern], names: Collection[str]) -> list[str]:
    """Those of the names that match one of the patterns, in order."""
    found: list[str] = []
    ordered = in_order(names)
    step = max(1, _SLICE // max(1, len(patterns)))
    for start in range(0, len(ordered), step):
        if start:
            await session.wire.pause(0)
        found += [
            name for name in ordered[start : start + step] if any(pattern.matches(name) for pattern in patterns)
        ]
    return found


async def _write(
    session: Session, names: Sequence[str], childinfo: Collection[str], hierarchy: Hierarchy, shown: Shown,
    extras: Sequence[Extra],
) -> None:
    boxes = hierarchy.boxes
    if extras:
        wanted = [boxes[name] for name in names if name in boxes]
        for extra in extras:
            await extra.prepare(session, wanted)
    step = _SLICE // (1 + 2 * len(extras))
    for start in range(0, len(names), step):
        if start:
            await session.wire.pause(0)
        lines: list[bytes] = []
        for name in names[start : start + step]:
            line = responses.list_line(
                b"LIST", hierarchy.attributes(name, shown), responses.mailbox_name(name, utf8=session.utf8))
            lines.append(line[:-2] + _CHILDINFO if name in childinfo else line)
            if name in boxes:
                # RFC 5819 section 2: each behind its LIST; none for names that cannot be selected
                lines += [await extra.line(session, boxes[name]) for extra in extras]
        session.write(b"".join(lines))
        await session.wire.drained()
