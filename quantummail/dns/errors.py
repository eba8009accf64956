"""What can come of a question instead of records."""

from __future__ import annotations


class DnsError(Exception):
    """No records. The text says which question it was and what went wrong, fit for an attempt's history."""


class NoRecords(DnsError):
    """The name exists, but has no records of this type. Certain for `ttl` seconds."""

    def __init__(self, text: str, ttl: int = 0) -> None:
        super().__init__(text)
        self.ttl = ttl


class NoSuchName(NoRecords):
    """The name does not exist (NXDOMAIN), so it has no records of any type."""


class Unavailable(DnsError):
    """Nobody could tell: no answer in time, SERVFAIL, an answer that cannot be read. Never a reason to bounce."""
