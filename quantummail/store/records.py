"""What the store gives back: values, never rows."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from quantummail.store.errors import OverQuota
from quantummail.store.rights import ALL


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain whose mail we take."""

    id: int
    name: str
    created: int


@dataclass(frozen=True, slots=True)
class User:
    """An account. Its address is the login name; quotas are 0 where unlimited."""

    id: int
    address: str
    admin: bool
    enabled: bool
    quota_bytes: int
    quota_messages: int
    used_bytes: int
    used_messages: int
    created: int
    disabled_capabilities: tuple[str, ...] = ()
    """What its sessions do without, in the words of CAPABILITY, CAPA and EHLO."""


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What SCRAM is checked against (RFC 5802 section 3)."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes

    def __repr__(self) -> str:
        return f"ScramKeys(iterations={self.iterations})"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login is checked against."""

    user: User
    password_hash: str
    scram: ScramKeys | None = None
    """None for an account that can log in with its password in the clear (under TLS) only."""


@dataclass(frozen=True, slots=True)
class Alias:
    """An address (``@domain`` for the catch-all) and where its mail goes."""

    address: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox with its counters, as they were at one moment."""

    id: int
    account_id: int
    name: str
    """Levels separated by ``/``; the first one is always written INBOX."""
    special_use: str
    """One attribute of RFC 6154 (``\\Sent`` ...) or empty."""
    object_id: str
    """MAILBOXID of RFC 8474."""
    uidvalidity: int
    uidnext: int
    highestmodseq: int
    messages: int
    unseen: int
    deleted: int
    size: int
    """Octets of all messages."""
    owner: str = ""
    """The address of the account, where the mailbox is another's than the reader's."""
    rights: str = ALL
    """What the reader may do with it: see `quantummail.store.rights`."""


@dataclass(frozen=True, slots=True)
class Contents:
    """A message's content as IMAP shows it, rendered once at delivery."""

    envelope: bytes
    """ENVELOPE, with the parentheses (RFC 3501 7.4.2)."""
    body: bytes
    """BODY: the structure without extension data."""
    bodystructure: bytes
    """BODYSTRUCTURE: the structure with extension data."""
    parts: bytes
    """Offsets of the parts, packed: see `quantummail.message.parts`."""
    preview: str | None = None
    """How the text begins (RFC 8970); None where nobody has asked yet."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message in one mailbox."""

    uid: int
    modseq: int
    flags: int
    """See `quantummail.store.flags`."""
    internal_date: int
    """Seconds since the epoch."""
    save_date: int
    size: int
    """RFC822.SIZE: octets with CRLF line ends."""
    email_id: str
    """EMAILID of RFC 8474; the same for copies."""
    location: Location
    contents: Contents | None
    """None unless asked for."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where the octets of a message are. Opaque to all but `quantummail.store.bodies`."""

    directory: str
    """The Maildir, relative to the mail root."""
    path: str
    """Where the file should be below that; its flags may have changed since."""
    bare_lf: bool
    """A foreign file with LF line ends: octets are converted while reading."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A mailbox when it is selected."""

    mailbox: Mailbox
    uids: array[int]
    """All UIDs, ascending (typecode "I")."""
    first_unseen: int
    """The message number (from 1) of the first unseen message, 0 when all are seen."""
    recent_from: int
    """UIDs from here on are \\Recent for this session (RFC 3501 2.3.2)."""
    keywords: tuple[str, ...]
    """Keywords of the mailbox, in the order of their bits."""
    late: bool = False
    """Whether `uids` was left out: `Messages.uids_at` gives them, as they were at the mailbox's mod-sequence."""
    recent: int = 0
    """How many are \\Recent, where `uids` was left out."""


@dataclass(frozen=True, slots=True)
class FlagState:
    """The flags of one message after a change."""

    uid: int
    modseq: int
    flags: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What has happened in a mailbox since a mod-sequence: new messages are among `changed`."""

    mailbox: Mailbox
    keywords: tuple[str, ...]
    changed: tuple[FlagState, ...]
    """In the order of UIDs."""
    vanished: tuple[int, ...]
    """UIDs expunged since, ascending."""
    remaining: array[int] | None = None
    """All UIDs that are left, where expunges were too long ago to be known one by one; `vanished` is empty then."""


@dataclass(frozen=True, slots=True)
class FlagChange:
    """The outcome of changing flags."""

    changed: tuple[FlagState, ...]
    """Messages whose flags are different now, and those that already were as wanted, in the order of UIDs."""
    modified: tuple[int, ...]
    """UIDs left alone because of UNCHANGEDSINCE (RFC 7162 3.1.3)."""
    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copied:
    """The outcome of COPY and MOVE, for COPYUID (RFC 4315)."""

    uidvalidity: int
    source_uids: tuple[int, ...]
    destination_uids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a message was stored, for APPENDUID (RFC 4315)."""

    mailbox_id: int
    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits (0: none) and use of an account."""

    limit_bytes: int
    used_bytes: int
    limit_messages: int
    used_messages: int

    def check(self, octets: int, messages: int) -> None:
        """Raise `OverQuota` unless so many more octets and messages fit."""
        if self.limit_bytes and self.used_bytes + octets > self.limit_bytes:
            raise OverQuota("the mailbox is full")
        if self.limit_messages and self.used_messages + messages > self.limit_messages:
            raise OverQuota("the mailbox has too many messages")
