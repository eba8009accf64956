"""The life of a message in plain English, from what is kept of it. No I/O."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantummail.cli.command import moment
from quantummail.delivery.route import LOCAL, Rule

if TYPE_CHECKING:
    from quantummail.store.journey_rows import Step
    from quantummail.store.outgoing_lists import Entry
    from quantummail.store.outgoing_records import Attempt
    from quantummail.store.places import Place

# What an administrator can do about an answer of ours, or where it comes from: code and status, and a word of it
_REASONS: tuple[tuple[str, str, str], ...] = (
    ("550 5.1.1", "suppressed", "`quantummail suppression delete` if the address works again"),
    ("550 5.1.1", "", "no account, alias, role or catch-all has this address; `quantummail user list`, `alias list`"),
    ("550 5.2.1", "", "the account is disabled; `quantummail user enable`"),
    ("550 5.7.1", "relay", "the domain is none of ours (`quantummail domain list`), and the client had not logged in"),
    ("550 5.7.1", "bounces", "an address that forwarding made takes bounces alone"),
    ("452 4.2.2", "", "the account's quota; `quantummail user quota`"),
    ("452 4.3.1", "", "the disk is full, or nearly"),
    ("452 4.5.3", "in one day", "recipients_per_day in [limits]"),
    ("452 4.5.3", "", "max_recipients of the listener"),
    ("450 4.7.1", "mails a minute", "the limits in [limits]"),
    ("450 4.3.0", "looks after", "no administrator is enabled; `quantummail user add --admin`"),
    ("553 5.7.1", "", "users write under their own addresses and aliases"),
    ("552 5.3.4", "", "max_message_size of the listener"),
    ("554 5.4.6", "", "max_hops in [delivery], or an alias that leads back"),
    ("550 5.6.11", "", "bare_newlines of the listener"),
    ("530 ", "", "the listener wants a login, or TLS, first"),
)
_SOURCES = {"smtp": "SMTP", "lmtp": "LMTP", "lmtps": "LMTP", "submission": "submission", "submissions": "submission"}


@dataclass(frozen=True, slots=True)
class Tale:
    """Everything that is known of one message."""

    id: str
    steps: Sequence[Step]
    queue: Sequence[tuple[Entry, Sequence[Attempt]]]
    """Recipients elsewhere, each with what was tried."""
    places: Sequence[Place]
    """The mailboxes that have it now."""
    mailboxes: Mapping[int, tuple[str, str]]
    """Account and name, by the ids that steps mention."""

    @property
    def known(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.steps or self.queue or self.places)

    @property
    def linked(self) -> list[str]:
        """Messages that were made of it, or that it was made of."""
        found = [step.detail.get("id") or step.detail.get("of") for step in self.steps
                 if step.stage in ("handed on", "told", "made", "reported")]
        return [one for one in found if one]


def as_json(tale: Tale) -> dict[str, object]:
    """The same for programs."""
    return {
        "id": tale.id,
        "steps": [
            {"at": step.at, "stage": step.stage, "verdict": step.verdict, "sender": step.sender,
             "message_id": step.header_id, "detail": step.detail}
            for step in tale.steps
        ],
        "queue": [
            {"recipient": entry.recipient.address, "sender": entry.message.sender,
             "destination": entry.recipient.destination, "state": entry.recipient.state.value,
             "due": entry.recipient.due, "created": entry.message.created, "code": entry.recipient.code,
             "status": entry.recipient.status, "answer": entry.recipient.answer,
             "attempts": [dataclasses.asdict(attempt) for attempt in attempts]}
            for entry, attempts in tale.queue
        ],
        "places": [
            {"account": place.account, "mailbox": place.mailbox, "uid": place.uid, "seen": place.seen}
            for place in tale.places
        ],
    }


class Teller:
    """Tells of messages to an administrator."""

    def __init__(self, rules: Sequence[Rule], now: float) -> None:
        """`rules`: those of the routes that are configured."""
        self._rules = rules
        self._now = now

    def tell(self, tale: Tale) -> Iterator[str]:
        """Lines of text."""
        yield self._title(tale)
        told: list[tuple[int, list[str]]] = [(step.at, list(self._step(step, tale))) for step in tale.steps]
        for entry, attempts in tale.queue:
            told.append((entry.message.created, [self._queued(entry)]))
            told += [(attempt.at, [_attempt(entry, attempt)]) for attempt in attempts]
        # what was noted in the same second stays in its order
        for at, lines in sorted(told, key=lambda one: one[0]):
            for number, line in enumerate(lines):
                yield f"  {moment(at) if not number else '':19}  {line}"
        for line in self._now_lines(tale):
            yield f"  {'now':19}  {line}"

    def _title(self, tale: Tale) -> str:
        senders = [step.sender for step in tale.steps if step.sender]
        senders += [f"{entry.message.sender or '<>'}" for entry, _ in tale.queue]
        names = [step.header_id for step in tale.steps if step.header_id]
        names += [entry.message.header_id for entry, _ in tale.queue if entry.message.header_id]
        title = f"Message {tale.id}"
        if senders:
            title += f" from {senders[0]}"
        return f"{title}, Message-ID {names[0]}" if names else title

    def _step(self, step: Step, tale: Tale) -> Iterator[str]:
        teller = _TELLERS.get(step.stage)
        if teller is not None:
            yield from teller(self, step, tale)
            return
        # a stage that this version does not know is told as it is
        words = ", ".join(f"{name}: {value}" for name, value in step.detail.items())
        yield " ".join(filter(None, (f"{step.stage}:", step.verdict, words)))

    def _received(self, step: Step, tale: Tale) -> Iterator[str]:
        detail = step.detail
        client = detail.get("client", "")
        where = f" ({client})" if client and detail.get("helo") else f" {client}" if client else ""
        who = f", {detail['user']} logged in" if detail.get("user") else ""
        tls = f" over {detail['tls']}" if detail.get("tls") else " without TLS" if client not in ("unix", "") else ""
        name = f" {detail['helo']}" if detail.get("helo") else ""
        source = _SOURCES.get(detail.get("source", ""), detail.get("source", "somewhere"))
        size = f", {detail['size']} octets" if "size" in detail else ""
        yield f"came by {source} from{name}{where}{tls}{who}{size}: {step.verdict}"
        if "reply" in detail:
            yield f"our answer: {_answer(detail['reply'])}"
        for one in detail.get("to", ()):
            yield from _recipient(one)
        if detail.get("more"):
            yield f"and {detail['more']} more recipients"
        for account, mailbox_id, uid in detail.get("stored", ()):
            yield f"stored for {account} in {_mailbox(mailbox_id, tale)} as UID {uid}"
        for account in detail.get("had", ()):
            yield f"{account} had it already: the sender repeats it since it failed for others"
        for account, reason in detail.get("failed", ()):
            yield f"not stored for {account}: {reason}"

    def _appended(self, step: Step, tale: Tale) -> Iterator[str]:
        mailbox = _mailbox(step.detail["mailbox"], tale)
        yield f"put into {mailbox} by an IMAP client, as UID {step.detail['uid']}, {step.detail['size']} octets"

    def _read(self, step: Step, _tale: Tale) -> Iterator[str]:
        yield f"first read by {step.detail['account']} with {step.detail['by']}"

    def _removed(self, step: Step, tale: Tale) -> Iterator[str]:
        yield f"removed from {_mailbox(step.detail['mailbox'], tale)} for good"

    def _made(self, step: Step, _tale: Tale) -> Iterator[str]:
        told = "to tell the sender of {of}" if step.verdict == "told" else "of {of}, which was {verdict}"
        yield f"made {told.format(of=step.detail['of'], verdict=step.verdict)}"

    def _handed_on(self, step: Step, _tale: Tale) -> Iterator[str]:
        detail = step.detail
        why = f"the alias {detail['for']} leads there" if detail.get("for") else "it is a bounce of forwarded mail"
        yield f"handed on to {', '.join(detail['to'])} as {detail['id']}, from {detail['sender'] or '<>'}: {why}"

    def _told(self, step: Step, _tale: Tale) -> Iterator[str]:
        detail = step.detail
        yield f"{detail['to']} is told by {detail['id']}: {detail['action']} for {', '.join(detail['about'])}"

    def _reported(self, step: Step, _tale: Tale) -> Iterator[str]:
        detail = step.detail
        by = detail.get("by") or "another server"
        yield (f"{by} reports (in {detail['id']}): {step.verdict} for {detail['recipient']}"
               f"{': ' + detail['words'] if detail.get('words') else ''}")

    def _queued(self, entry: Entry) -> str:
        recipient, message = entry.recipient, entry.message
        destination = recipient.destination
        if destination == LOCAL:
            return f"queued for {recipient.address}, one of ours"
        rules = (rule for rule in self._rules if _leads(rule, destination, message.sender, recipient.address))
        rule = next(rules, None)
        if rule is not None:
            asked = f"{'from ' if rule.of_sender else ''}{rule.pattern}"
            return f"queued for {recipient.address} by {destination}: the rule `{asked}` in [sending] routes"
        if "/" in destination:
            return f"queued for {recipient.address} by {destination}: a rule that is not configured any more"
        return f"queued for {recipient.address} by the MX of {destination}: no rule in [sending] routes applies"

    def _now_lines(self, tale: Tale) -> Iterator[str]:
        for place in tale.places:
            yield f"in {place.mailbox} of {place.account} as UID {place.uid}, {'seen' if place.seen else 'not seen'}"
        for entry, _ in tale.queue:
            recipient = entry.recipient
            state = recipient.state.value
            if state == "due":
                wait = recipient.due - self._now
                state = f"waits, tried again in {int(wait)} s" if wait > 0 else "waits, to be tried now"
            elif state == "leased":
                state = "is being tried"
            elif state == "held":
                state = "held by an administrator; `quantummail queue release`"
            elif state == "deleted":
                state = "deleted by an administrator"
            kind = f" ({recipient.bounce})" if recipient.bounce else ""
            yield f"{recipient.address}: {state}{kind}"


_TELLERS = {
    "received": Teller._received, "appended": Teller._appended, "read": Teller._read, "removed": Teller._removed,
    "made": Teller._made, "handed on": Teller._handed_on, "told": Teller._told, "reported": Teller._reported,
}


def _recipient(one: Any) -> Iterator[str]:
    if isinstance(one, str):
        yield f"to {one}: accepted"
        return
    address, *words = one
    if words[0] < 400:
        yield f"to {address}: accepted, {'; '.join(words[3])}"
    else:
        yield f"to {address}: {'refused' if words[0] >= 500 else 'refused for now'}, {_answer(words)}"


def _answer(words: Sequence[Any]) -> str:
    code, status, text = words[:3]
    said = " ".join(filter(None, (str(code), status, text)))
    for begin, word, reason in _REASONS:
        if f"{code} {status}".startswith(begin) and word in text:
            return f"{said} ({reason})"
    return said


def _attempt(entry: Entry, attempt: Attempt) -> str:
    where = f"{attempt.host} [{attempt.address}]" if attempt.address else attempt.host or "our own mailboxes"
    tls = f" over {attempt.tls}" if attempt.tls else ""
    source = f" from {attempt.source}" if attempt.source else ""
    step = f" to {attempt.step}" if attempt.step else ""
    # a code that we made up for what no server has said tells nobody anything
    said = attempt.answer if attempt.code in (0, 400) else f"{attempt.code} {attempt.status} {attempt.answer}"
    doubt = "; it may have arrived" if attempt.maybe_sent else ""
    return f"tried {entry.recipient.address} at {where}{source}{tls}, answer{step}: {said}{doubt}"


def _mailbox(mailbox_id: int, tale: Tale) -> str:
    if mailbox_id not in tale.mailboxes:
        return "a mailbox that is gone"
    account, name = tale.mailboxes[mailbox_id]
    return f"{name} of {account}"


def _leads(rule: Rule, destination: str, sender: str, recipient: str) -> bool:
    name = rule.route.name if rule.route is not None else None
    return (name or recipient.rpartition("@")[2].lower()) == destination and rule.applies(
        sender.lower(), recipient.lower())
