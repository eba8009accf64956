"""What can go wrong in the store, in the words of its users. Whoever talks to a client turns these into replies."""

from __future__ import annotations


class StoreError(Exception):
    """Something the caller asked for cannot be done. The text is fit for the client."""


class NoSuchUser(StoreError):
    """No account with this address."""


class NoSuchDomain(StoreError):
    """The domain is not one of ours."""


class NoSuchAlias(StoreError):
    """No alias with this address."""


class NoSuchMailbox(StoreError):
    """The account has no mailbox of this name (any more)."""


class NoSuchMessage(StoreError):
    """The message is gone: expunged, or its file was taken away behind our back."""


class AlreadyExists(StoreError):
    """A domain, account, alias or mailbox of this name is there."""


class InvalidName(StoreError):
    """A mailbox name that cannot be: empty levels, control characters, too long, too deep."""


class NotAllowed(StoreError):
    """Against the rules of the store, for example deleting INBOX."""


class OverQuota(StoreError):
    """The account's quota would be exceeded."""


class LimitReached(StoreError):
    """Too many mailboxes in the account, or keywords in the mailbox."""


class Unavailable(StoreError):
    """A passing condition: disk full, database locked, input/output error. Try again later."""
