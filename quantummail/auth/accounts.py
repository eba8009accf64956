"""The accounts as `twisted.cred` sees them: a realm and its avatars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.cred.portal import IRealm
from zope.interface import Attribute, Interface, implementer

from quantummail.auth.attempt import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantummail.store.records import User


class IAccount(Interface):
    """Somebody who has logged in."""

    user = Attribute("The account, a `quantummail.store.records.User`.")


@implementer(IAccount)
class Account:
    """The avatar of a user."""

    __slots__ = ("user",)

    def __init__(self, user: User) -> None:
        self.user = user


@implementer(IRealm)
class Accounts:
    """Gives the account that a checked attempt belongs to. Sessions end with their connections: no logout."""

    def requestAvatar(
        self, avatarId: bytes | tuple[()], mind: object, *interfaces: type[Interface],  # noqa: ARG002, N803  # IRealm
    ) -> tuple[type[Interface], Account, Callable[[], None]]:
        """`mind` is the `Attempt`, with its user."""
        if IAccount not in interfaces or not isinstance(mind, Attempt) or mind.user is None:
            raise NotImplementedError("accounts are IAccount")
        return IAccount, Account(mind.user), _nothing


def _nothing() -> None:
    """Logging out."""
