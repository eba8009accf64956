"""Commands about mail that is on its way to others. They work beside a running server, which sees it within seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from quantummail.cli.command import (
    EX_DATAERR,
    EX_NOUSER,
    EX_OK,
    JSON,
    Command,
    CommandFailed,
    Group,
    moment,
    say_fields,
    say_json,
    say_table,
    with_store,
)
from quantummail.cli.versions import say
from quantummail.config import values

if TYPE_CHECKING:
    from quantummail.store.outgoing_lists import Entry
    from quantummail.store.outgoing_records import Attempt, Selection, State
    from quantummail.store.store import Store

_FILTERS = [
    ["id", "i", None, "Only this message."],
    ["sender", "s", None, "Only from this address, or from a domain: @example.org."],
    ["recipient", "r", None, "Only to this address, or to a domain: @example.org."],
    ["destination", "d", None, "Only for this destination, as `queue stats` shows it."],
    ["older-than", None, None, "Only what is older than this: 30m, 4h, 2d."],
]
_FILTER_NAMES = ("id", "sender", "recipient", "destination", "older-than")
_PAGE = 1000


class _Selecting(Command):
    """What commands share that choose recipients."""

    optParameters = _FILTERS

    def selection(self, *states: State) -> Selection:
        """What was chosen."""
        from quantummail.store.outgoing_records import Selection, State

        before = 0
        if self["older-than"]:
            try:
                before = int(time.time() - values.DURATION.parse(self["older-than"]))
            except ValueError:
                raise CommandFailed(EX_DATAERR, f"{self['older-than']!r} is not a time such as 30m, 4h or 2d") from None
        waiting = (State.DUE, State.LEASED, State.HELD)
        return Selection(
            self["id"] or "", self["sender"] or "", self["recipient"] or "", self["destination"] or "",
            states or waiting, before)

    @property
    def selects(self) -> bool:
        """Whether anything was said about what to choose."""
        return any(self[name] for name in _FILTER_NAMES)


class QueueList(_Selecting):
    """List recipients whose mail waits; with --all also those whose fate is certain, as long as it is remembered."""

    synopsis = "[filters] [--all] [--json]"
    optFlags = [JSON, ["all", None, "Also what was delivered, failed or deleted."]]

    def run(self) -> int:
        """List them."""
        from quantummail.store.outgoing_records import State

        states = tuple(State) if self["all"] else ()
        found = with_store(self.configuration(), lambda store: entries(store, self.selection(*states)))
        if self["json"]:
            say_json([as_json(entry) for entry in found])
            return EX_OK
        now = time.time()
        say_table(("ID", "AGE", "FROM", "TO", "STATE", "TRIED", "NEXT", "LAST ANSWER"), [
            (entry.message.id, _span(now - entry.message.created), entry.message.sender or "<>",
             entry.recipient.address, entry.recipient.state.value, entry.recipient.attempts, _next(entry, now),
             _shortened(_answer(entry)))
            for entry in found
        ])
        return EX_OK


class QueueShow(Command):
    """Show one message: its recipients, and every attempt with what was answered."""

    synopsis = "ID [--json]"
    optFlags = [JSON]
    takes = ("id",)

    def run(self) -> int:
        """Show it."""
        found = with_store(self.configuration(), self._found)
        if not found:
            raise CommandFailed(EX_NOUSER, f"there is no message {self['id']} in the queue or its history")
        if self["json"]:
            say_json([{**as_json(entry), "history": [_attempt_json(one) for one in history]}
                      for entry, history in found])
            return EX_OK
        message = found[0][0].message
        say_fields({
            "id": message.id, "from": message.sender or "<>", "came": moment(message.created), "by": message.source,
            "account": message.lane, "octets": message.size, "Message-ID": message.header_id,
        })
        for entry, history in found:
            say("")
            say(f"{entry.recipient.address}: {entry.recipient.state.value}, {_next(entry, time.time()) or 'ended'}")
            for one in history:
                where = f"{one.host} [{one.address}]" if one.host else "here"
                tls = f" over {one.tls}" if one.tls else ""
                doubt = "; it may have arrived" if one.maybe_sent else ""
                say(f"  {moment(one.at)}  {where}{tls}, {one.step or 'nothing asked'}: "
                    f"{one.code} {one.status} {one.answer}{doubt}")
        return EX_OK

    async def _found(self, store: Store) -> list[tuple[Entry, list[Attempt]]]:
        from quantummail.store.outgoing_records import Selection, State

        found = await entries(store, Selection(self["id"], states=tuple(State)))
        return [(entry, await store.outgoing.history(entry.recipient.id)) for entry in found]


class _Changing(_Selecting):
    """What commands share that change recipients."""

    optFlags = [["all", None, "Everything that waits."]]
    synopsis = "[ID] [filters | --all]"
    may_take = "message"
    done = ""
    state = ""
    """What they become."""

    def run(self) -> int:
        """Change them."""
        from quantummail.store.outgoing_records import State  # with the store, which other commands do not need

        if self["message"]:
            self["id"] = self["message"]
        if not self.selects and not self["all"]:
            raise CommandFailed(EX_DATAERR, "which ones? Give an id, a filter, or --all")
        count = with_store(
            self.configuration(), lambda store: store.outgoing.change(self.selection(), State(self.state)))
        if not count:
            raise CommandFailed(EX_NOUSER, "nothing that waits fits that; what is just being tried cannot be changed")
        say(f"{count} recipient{'s' if count > 1 else ''} {self.done}")
        return EX_OK


class QueueRetry(_Changing):
    """Try at once, also where nobody answered lately; what is held is released."""

    done = "will be tried at once"
    state = "due"


class QueueHold(_Changing):
    """Stop trying until it is released."""

    done = "held"
    state = "held"


class QueueDelete(_Changing):
    """Give up without telling the sender."""

    done = "deleted"
    state = "deleted"


class QueueFlush(Command):
    """Try everything at once that waits and is not held."""

    def run(self) -> int:
        """Do it."""
        from quantummail.store.outgoing_records import Selection, State

        count = with_store(
            self.configuration(), lambda store: store.outgoing.change(Selection(states=(State.DUE,)), State.DUE))
        say(f"{count} recipients will be tried at once")
        return EX_OK


class QueueStats(Command):
    """Say how much waits for which destination, and how much there is of everything."""

    synopsis = "[--json]"
    optFlags = [JSON]

    def run(self) -> int:
        """Say it."""
        counts, totals = with_store(self.configuration(), self._read)
        if self["json"]:
            say_json({"totals": totals, "destinations": [
                {"destination": one.destination, "due": one.due, "leased": one.leased, "held": one.held,
                 "oldest": one.oldest} for one in counts]})
            return EX_OK
        say(", ".join(f"{count} {state}" for state, count in totals.items()))
        now = time.time()
        say_table(("DESTINATION", "WAITING", "BEING TRIED", "HELD", "OLDEST"), [
            (one.destination, one.due, one.leased, one.held, _span(now - one.oldest)) for one in counts])
        return EX_OK

    async def _read(self, store: Store) -> tuple[list[Any], dict[str, int]]:
        return await store.outgoing.counts(), await store.outgoing.totals()


class QueueGroup(Group):
    """Mail that is on its way to others."""

    subCommands = [
        ["list", None, QueueList, "list what waits"],
        ["show", None, QueueShow, "show a message with every attempt"],
        ["retry", None, QueueRetry, "try at once"],
        ["hold", None, QueueHold, "stop trying"],
        ["release", None, QueueRetry, "try what was held"],
        ["delete", None, QueueDelete, "give up, and tell nobody"],
        ["flush", None, QueueFlush, "try everything at once"],
        ["stats", None, QueueStats, "how much waits for whom"],
    ]


async def entries(store: Store, selection: Selection) -> list[Entry]:
    """All that is selected, in the order of their coming."""
    found: list[Entry] = []
    while True:
        page = await store.outgoing.entries(selection, limit=_PAGE, after=found[-1].recipient.id if found else 0)
        found += page
        if len(page) < _PAGE:
            return found


def as_json(entry: Entry) -> dict[str, object]:
    """A recipient for programs."""
    recipient, message = entry.recipient, entry.message
    return {
        "id": message.id, "sender": message.sender, "recipient": recipient.address, "state": recipient.state.value,
        "destination": recipient.destination, "source": message.source, "account": message.lane,
        "size": message.size, "message_id": message.header_id, "created": message.created,
        "attempts": recipient.attempts, "due": recipient.due, "changed": recipient.changed, "code": recipient.code,
        "status": recipient.status, "answer": recipient.answer,
    }


def _attempt_json(one: Attempt) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__slots__}


def _next(entry: Entry, now: float) -> str:
    state = entry.recipient.state.value
    if state == "leased":
        return "now"
    if state != "due":
        return ""
    wait = entry.recipient.due - now
    return f"in {_span(wait)}" if wait > 0 else "now"


def _answer(entry: Entry) -> str:
    recipient = entry.recipient
    return f"{recipient.code} {recipient.status} {recipient.answer}" if recipient.code else ""


def _shortened(text: str) -> str:
    return text if len(text) <= 70 else text[:67] + "..."


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"
