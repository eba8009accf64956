"""`quantummail why`: what happened to a message, and by which rule or setting."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from quantummail.cli.command import (
    EX_DATAERR,
    EX_NOUSER,
    EX_OK,
    JSON,
    Command,
    CommandFailed,
    say_json,
    with_store,
)
from quantummail.cli.versions import say
from quantummail.config import values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.cli.story import Tale
    from quantummail.store.outgoing_lists import Entry
    from quantummail.store.store import Store

_OUR_ID = re.compile(r"[0-9a-z]{16}")
_WEEK = 7 * 86400
_MOST = 50
# Of a message that was handed on and on
_LINKS = 3


class Why(Command):
    """Tell what happened to a message, stage by stage, with the rule or the setting behind each decision.

    The message is named by its Message-ID, by our id (of the queue, in our answers, in Received), or by sender and
    recipient with a date (2026-07-31) or an age (2h, 3d; otherwise a week). `*` is any sender or recipient, `<>` the
    sender of bounces. Also what was refused is told.
    """

    synopsis = "MESSAGE-ID | QUEUE-ID | FROM TO [DATE] [--json]"
    optFlags = [JSON]
    takes_more = "message"

    def run(self) -> int:
        """Tell it."""
        config = self.configuration()
        tales = with_store(config, self._found)
        if not tales:
            kept = "" if config.journey.record else "; [journey] record is off"
            raise CommandFailed(EX_NOUSER, f"nothing is known of that{kept}")
        if self["json"]:
            from quantummail.cli.story import as_json

            say_json([as_json(tale) for tale in tales])
            return EX_OK
        from quantummail.cli.story import Teller
        from quantummail.service.outbound import read_rules

        teller = Teller(read_rules(config), time.time())
        for number, tale in enumerate(tales):
            if number:
                say("")
            for line in teller.tell(tale):
                say(line)
        return EX_OK

    async def _found(self, store: Store) -> list[Tale]:
        ids = await self._ids(store, self["message"])
        known: dict[str, Tale] = {}
        for _ in range(_LINKS):
            ids = [one for one in ids if one not in known]
            if not ids:
                break
            known.update(await _tales(store, ids))
            ids = [linked for tale in known.values() for linked in tale.linked]
        return [tale for tale in known.values() if tale.known]

    async def _ids(self, store: Store, given: Sequence[str]) -> list[str]:
        if len(given) > 1:
            since, until = _times(given[2]) if len(given) == 3 else (int(time.time()) - _WEEK, int(time.time()) + 60)
            if len(given) > 3:
                raise CommandFailed(EX_DATAERR, f"{given[3]!r} is one argument too many")
            return await _between(store, given[0], given[1], since, until)
        (name,) = given
        if _OUR_ID.fullmatch(name):
            return [name]
        header_id = name if name.startswith("<") else f"<{name}>"
        found = await store.journey.named(header_id, limit=_MOST)
        found += await store.outgoing.named(header_id, limit=_MOST)
        return list(dict.fromkeys(found))


async def _between(store: Store, sender: str, recipient: str, since: int, until: int) -> list[str]:
    from quantummail.store.outgoing_records import Selection, State

    found = await store.journey.between(
        "" if sender == "<>" else sender.lower(), recipient.lower(), since, until, limit=_MOST)
    if sender in ("*", "<>") or recipient == "*":
        return found
    entries: list[Entry] = await store.outgoing.entries(
        Selection(sender=sender, recipient=recipient, states=tuple(State), created_before=until), limit=1000)
    found += [entry.message.id for entry in entries if entry.message.created >= since][-_MOST:]
    return list(dict.fromkeys(found))


def _times(text: str) -> tuple[int, int]:
    """From when to when: a day, or an age."""
    try:
        day = int(time.mktime(time.strptime(text, "%Y-%m-%d")))
    except ValueError:
        pass
    else:
        return day, day + 86400
    try:
        return int(time.time() - values.DURATION.parse(text)), int(time.time()) + 60
    except ValueError:
        raise CommandFailed(EX_DATAERR, f"{text!r} is not a day (2026-07-31) nor an age (2h, 3d)") from None


async def _tales(store: Store, ids: Sequence[str]) -> dict[str, Tale]:
    from quantummail.cli.story import Tale
    from quantummail.store.outgoing_records import Selection, State
    from quantummail.store.places import mailbox_names_txn, places_txn

    steps = await store.journey.steps(ids)
    places = await store.database.run(places_txn, ids)
    names = await store.database.run(mailbox_names_txn, sorted(_mailboxes(steps)))
    tales = {}
    for one in ids:
        entries = await store.outgoing.entries(Selection(one, states=tuple(State)))
        tales[one] = Tale(
            one, [step for step in steps if step.message_id == one],
            [(entry, await store.outgoing.history(entry.recipient.id)) for entry in entries],
            [place for place in places if place.email_id == one], names)
    return tales


def _mailboxes(steps: Sequence[Any]) -> set[int]:
    found = {step.detail["mailbox"] for step in steps if "mailbox" in step.detail}
    return found | {stored[1] for step in steps for stored in step.detail.get("stored", ())}
