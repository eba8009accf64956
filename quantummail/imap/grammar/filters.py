"""Which mailboxes are meant, by other ways than their names alone (RFC 5465 section 6, RFC 7377 2.2)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.mailbox import mailbox
from quantummail.message.mailbox_name import DELIMITER

MAX_NAMES = 1000
_PLAIN = frozenset(("SELECTED", "SELECTED-DELAYED", "INBOXES", "PERSONAL", "SUBSCRIBED"))
_WITH_NAMES = frozenset(("SUBTREE", "SUBTREE-ONE", "MAILBOXES"))


@dataclass(frozen=True, slots=True)
class MailboxFilter:
    """One filter."""

    kind: str
    """In capitals."""
    names: tuple[str, ...] = ()
    """Of SUBTREE, SUBTREE-ONE and MAILBOXES."""

    @property
    def selected(self) -> bool:
        """Whether it is about the selected mailbox, and no other."""
        return self.kind in ("SELECTED", "SELECTED-DELAYED")

    def matches(self, name: str, subscribed: Collection[str], *, personal: bool = True) -> bool:
        """Whether a mailbox is meant; `subscribed` are the names subscribed to, `personal`: it is the user's own."""
        match self.kind:
            case "PERSONAL":
                # RFC 5465 6.2: what is in the personal namespaces
                return personal
            case "INBOXES":
                # RFC 5465 6.3: where messages are delivered
                return name == "INBOX"
            case "SUBSCRIBED":
                return name in subscribed
            case "MAILBOXES":
                return name in self.names
            case "SUBTREE":
                return any(name == top or name.startswith(top + DELIMITER) for top in self.names)
            case "SUBTREE-ONE":
                # RFC 7377 2.2: the mailboxes and one level below them
                return name in self.names or name.rpartition(DELIMITER)[0] in self.names
        return False


def mailbox_filter(cursor: Cursor, *, subtree_one: bool = False) -> MailboxFilter:
    """Read ``filter-mailboxes``; `subtree_one`: with what RFC 7377 adds."""
    kind = cursor.word()
    if kind in _PLAIN:
        return MailboxFilter(kind)
    if kind not in _WITH_NAMES or (kind == "SUBTREE-ONE" and not subtree_one):
        raise BadSyntax("Unknown mailbox filter")
    cursor.space()
    return MailboxFilter(kind, _one_or_more(cursor))


def _one_or_more(cursor: Cursor) -> tuple[str, ...]:
    """Read ``mailbox / "(" mailbox *(SP mailbox) ")"``."""
    if not cursor.skip(b"("):
        return (mailbox(cursor),)
    names = [mailbox(cursor)]
    while cursor.skip(b" "):
        names.append(mailbox(cursor))
        if len(names) > MAX_NAMES:
            raise LimitExceeded(f"At most {MAX_NAMES} mailboxes")
    cursor.expect(b")")
    return tuple(names)
