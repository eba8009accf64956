"""A maildrop as one session sees it: numbers that never change, sizes, marks (RFC 1939 3 and 4). Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

UNKNOWN = -1


class NoMessage(Exception):
    """There is no message of this number (any more). The text is for the client."""


class Maildrop:
    """Messages have the numbers 1 to `len(uids)`. A deletion is a mark until the session ends with QUIT.

    Sizes come to be known when the store is asked for rows; the octets of all messages are known from the start
    if the caller has them. Every question but those about all messages takes constant time.
    """

    def __init__(self, uidvalidity: int, uids: array[int], octets: int = UNKNOWN) -> None:
        self.uidvalidity = uidvalidity
        self.uids = uids
        self.deleted: set[int] = set()
        self.gone: set[int] = set()
        """Numbers of messages that somebody else has removed since the numbers were given."""
        self._sizes = array("q", [UNKNOWN]) * len(uids)
        self._octets = octets
        self._gone_octets = 0
        self._deleted_octets = 0
        self._deleted_unsized: set[int] = set()

    def check(self, number: int) -> int:
        """The UID of a message that is there and not marked deleted."""
        if not 0 < number <= len(self.uids):
            raise NoMessage(f"there is no message {number}")
        if number in self.deleted:
            raise NoMessage(f"message {number} is deleted")
        if number in self.gone:
            raise NoMessage(f"message {number} was removed by another session")
        return self.uids[number - 1]

    def delete(self, number: int) -> None:
        """DELE."""
        self.check(number)
        self.deleted.add(number)
        size = self._sizes[number - 1]
        if size == UNKNOWN:
            self._deleted_unsized.add(number)
        else:
            self._deleted_octets += size

    def reset(self) -> None:
        """RSET: no message is marked deleted."""
        self.deleted.clear()
        self._deleted_unsized.clear()
        self._deleted_octets = 0

    def present(self) -> Iterator[int]:
        """The numbers of the messages that are not deleted, ascending."""
        if not self.deleted and not self.gone:
            return iter(range(1, len(self.uids) + 1))
        hidden = self.deleted | self.gone
        return (number for number in range(1, len(self.uids) + 1) if number not in hidden)

    def size(self, number: int) -> int:
        """Octets of a message, `UNKNOWN` until its row was seen."""
        return self._sizes[number - 1]

    def learn(self, number: int, size: int) -> None:
        """The size of a message, from its row."""
        self._sizes[number - 1] = size
        if number in self._deleted_unsized:
            self._deleted_unsized.discard(number)
            self._deleted_octets += size

    def vanished(self, number: int) -> None:
        """The store has this message no more."""
        if self._sizes[number - 1] == UNKNOWN:
            # The sum that we were given counts it: it has to be made anew
            self.learn(number, 0)
            self._octets = UNKNOWN
        if number not in self.deleted and number not in self.gone:
            self.gone.add(number)
            self._gone_octets += self._sizes[number - 1]

    def unsized(self) -> int:
        """The first number whose size is not known, 0 if all are."""
        try:
            return self._sizes.index(UNKNOWN) + 1
        except ValueError:
            return 0

    def stat(self) -> tuple[int, int] | None:
        """Messages and octets (STAT); None while sizes are missing that must be known for it."""
        if self._deleted_unsized or (self._octets == UNKNOWN and self.unsized()):
            return None
        if self._octets == UNKNOWN:
            self._octets = sum(self._sizes)
        count = len(self.uids) - len(self.deleted) - len(self.gone)
        return count, self._octets - self._deleted_octets - self._gone_octets

    def unique_id(self, number: int) -> str:
        """UIDL (RFC 1939 7): the same for a message as long as it exists, and never given to another one."""
        return f"{self.uidvalidity:x}-{self.uids[number - 1]:x}"

    def deleted_uids(self) -> list[int]:
        """The UIDs to remove at QUIT, ascending."""
        return [self.uids[number - 1] for number in sorted(self.deleted)]
