"""The tree of an account's mailboxes as LIST shows it: names, their order, their attributes (RFC 3501 7.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.message.mailbox_name import DELIMITER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from quantummail.store.records import Mailbox


def parents_of(names: Iterable[str]) -> set[str]:
    """Every name that has one of these below it."""
    parents: set[str] = set()
    for name in names:
        end = name.rfind(DELIMITER)
        while end > 0 and name[:end] not in parents:
            parents.add(name[:end])
            end = name.rfind(DELIMITER, 0, end)
    return parents


def in_order(names: Iterable[str]) -> list[str]:
    """INBOX and what is below it, then the others as they sort, children behind their parents."""
    return sorted(names, key=lambda name: (
        name != "INBOX" and not name.startswith("INBOX" + DELIMITER), name.split(DELIMITER)
    ))


@dataclass(frozen=True, slots=True)
class Shown:
    """Which attributes are shown."""

    children: bool = False
    """\\HasChildren and \\HasNoChildren (RFC 3348)."""
    subscribed: bool = False
    """\\Subscribed (RFC 5258 3.1)."""
    special_use: bool = False
    extended: bool = True
    """Whether the client knows \\NonExistent (RFC 5258 section 3); otherwise \\Noselect says nearly the same."""


class Hierarchy:
    """All mailboxes of an account, and the names above them that are none."""

    __slots__ = ("boxes", "parents", "subscribed")

    def __init__(self, boxes: Mapping[str, Mailbox], subscribed: Collection[str] = ()) -> None:
        self.boxes = boxes
        self.subscribed = frozenset(subscribed)
        self.parents = parents_of(boxes)
        """Names that have mailboxes below them."""

    def attributes(self, name: str, shown: Shown) -> tuple[str, ...]:
        """The attributes of a name."""
        box = self.boxes.get(name)
        has_children = name in self.parents
        attributes = []
        if box is None:
            # RFC 3501 6.3.4: a deleted mailbox whose children are there
            attributes.append("\\NonExistent" if shown.extended else "\\Noselect")
        # RFC 5258 3.5: with \NonExistent the children are why the name is shown at all
        if shown.children or (box is None and has_children):
            attributes.append("\\HasChildren" if has_children else "\\HasNoChildren")
        if shown.subscribed and name in self.subscribed:
            attributes.append("\\Subscribed")
        if box is not None and box.special_use and shown.special_use:
            attributes.append(box.special_use)
        return tuple(attributes)
