"""Mail on its way to others, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """Where a recipient of an outgoing message is."""

    DUE = "due"
    """To be tried at its time."""
    LEASED = "leased"
    """Somebody tries."""
    HELD = "held"
    """An administrator stopped it."""
    DELIVERED = "delivered"
    FAILED = "failed"
    DELETED = "deleted"
    """An administrator gave it up, without a report."""

    @property
    def open(self) -> bool:
        """Whether the fate is uncertain."""
        return self in (State.DUE, State.LEASED, State.HELD)


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One message, for whomever."""

    id: str
    account_id: int | None
    """Whose mail it is."""
    lane: str
    """What takes turns with others of its destination: the account, or what it was forwarded for."""
    source: str
    """How it came: submission, forward, report, local, api."""
    sender: str
    """The reverse-path, empty for the null one."""
    size: int
    """Octets in the spool."""
    body: str = "7BIT"
    """What the octets need: 7BIT, 8BITMIME, BINARYMIME."""
    smtputf8: bool = False
    require_tls: bool = False
    """REQUIRETLS (RFC 8689): only over TLS, with hosts that prove who they are."""
    ret: str = ""
    envid: str = ""
    header_id: str = ""
    """Message-ID, with its angle brackets."""
    priority: int = 0
    """Lower goes first."""
    created: int = 0
    tls_optional: bool = False
    """``TLS-Required: No`` (RFC 8689): to arrive matters more to the sender than TLS."""


@dataclass(frozen=True, slots=True)
class OutgoingRecipient:
    """One recipient, and how far it has come."""

    id: int
    """0 until it is stored."""
    address: str
    destination: str
    """What is delivered together: see delivery/route.py."""
    notify: frozenset[str] = frozenset()
    orcpt: str = ""
    attempts: int = 0
    delay_told: bool = False
    """Whether the sender knows that it takes long."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message with recipients of one destination that whoever got this has to try, and then to settle."""

    message: OutgoingMessage
    recipients: tuple[OutgoingRecipient, ...]
    content: bytes | None = None
    """The octets, if they are at hand."""

    @property
    def destination(self) -> str:
        """Where it goes."""
        return self.recipients[0].destination


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to deliver to one recipient, and what was answered."""

    at: int
    milliseconds: int
    host: str
    address: str
    source: str
    """The local address."""
    tls: str
    step: str
    """The command that was answered; empty if none was given."""
    code: int
    status: str
    answer: str
    maybe_sent: bool = False


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of one recipient."""

    recipient: OutgoingRecipient
    state: State
    """DUE (again), HELD, DELIVERED or FAILED."""
    due: int
    attempt: Attempt | None
    """None: nobody was asked, the recipient only waits on."""
    delay_told: bool = False
    bounce: str = ""
    """What kind of failure it is, if it is one."""
    suppress: bool = False
    """The address is not to be written to again."""


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """What lists show of a recipient."""

    id: int
    message_id: str
    address: str
    destination: str
    state: State
    due: int
    attempts: int
    changed: int
    code: int
    status: str
    answer: str
    bounce: str = ""
    """What kind of failure it was: see message/bounce_kind.py."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which recipients an administrator means. Everything that is given has to be true."""

    message_id: str = ""
    sender: str = ""
    """An address, or ``@domain``."""
    recipient: str = ""
    """The same."""
    destination: str = ""
    states: tuple[State, ...] = (State.DUE, State.LEASED, State.HELD)
    created_before: int = 0
    account_id: int | None = None
    """Whose mail it is."""
    changed_since: int = 0
    """The state has changed at this time or later."""
    bounce: str = ""
    """What kind of failure it was."""
