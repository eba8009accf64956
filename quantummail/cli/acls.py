"""Commands about who may use whose mailboxes (RFC 4314). They work beside a running server, on the same database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.cli.command import (
    EX_DATAERR,
    EX_NOUSER,
    EX_OK,
    JSON,
    Command,
    CommandFailed,
    Group,
    say_json,
    say_table,
    with_store,
)
from quantummail.cli.versions import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.store.acls import Entry
    from quantummail.store.records import Mailbox, User
    from quantummail.store.store import Store


class AclList(Command):
    """List who may do what with the mailboxes of an account, or with one of them. The owner, who may everything, is
    not listed.
    """

    synopsis = "ADDRESS [MAILBOX] [--json]"
    optFlags = [JSON]
    takes = ("address",)
    may_take = "mailbox"

    def run(self) -> int:
        """List them."""
        rows = with_store(self.configuration(), self._rows)
        if self["json"]:
            say_json([{"mailbox": name, "identifier": one.identifier, "rights": one.rights} for name, one in rows])
        else:
            say_table(("MAILBOX", "IDENTIFIER", "RIGHTS"), [(name, one.identifier, one.rights) for name, one in rows])
        return EX_OK

    async def _rows(self, store: Store) -> list[tuple[str, Entry]]:
        user = await _user(store, self["address"])
        boxes: Sequence[Mailbox]
        if self["mailbox"]:
            boxes = [await _mailbox(store, user, self["mailbox"])]
        else:
            boxes = await store.mailboxes.list(user.id)
        return [
            (box.name, entry) for box in boxes for entry in (await store.acls.entries(user.id, box.id))[1:]
        ]


class AclSet(Command):
    """Let somebody use a mailbox.

    IDENTIFIER is the address of an account, or `anyone`, which is every account of this server; with `-` before it,
    the rights are taken away, whoever gives them. RIGHTS are letters: l see it, r read, s set \\Seen, w other flags,
    i add messages, k create below it, x delete and rename it, t set \\Deleted, e expunge, a change this list, p nothing
    yet; `+` or `-` before them adds to or takes from what there is, and "" takes all. What begins with `-` stands
    behind `--`: acl set alice@example.org INBOX -- -anyone a
    """

    synopsis = "ADDRESS MAILBOX IDENTIFIER RIGHTS"
    takes = ("address", "mailbox", "identifier", "rights")

    def run(self) -> int:
        """Set them."""
        with_store(self.configuration(), self._set)
        return EX_OK

    async def _set(self, store: Store) -> None:
        from quantummail.store.rights import parse  # with the store, which other commands do not need

        letters = self["rights"]
        sign = letters[:1] if letters[:1] in ("+", "-") else ""
        try:
            rights = parse(letters.removeprefix(sign))
        except ValueError as error:
            raise CommandFailed(EX_DATAERR, str(error)) from None
        user = await _user(store, self["address"])
        box = await _mailbox(store, user, self["mailbox"])
        await store.acls.change(user.id, box.id, self["identifier"], rights, sign=sign)
        now = {entry.identifier: entry.rights for entry in await store.acls.entries(user.id, box.id)}
        identifier = self["identifier"].lower()
        say(f"{identifier} has {now.get(identifier) or 'no rights'} on {box.name} of {user.address}")


class AclDelete(Command):
    """Remove somebody from the list of a mailbox. What `anyone` may he still may."""

    synopsis = "ADDRESS MAILBOX IDENTIFIER"
    takes = ("address", "mailbox", "identifier")

    def run(self) -> int:
        """Remove."""
        with_store(self.configuration(), self._remove)
        return EX_OK

    async def _remove(self, store: Store) -> None:
        user = await _user(store, self["address"])
        box = await _mailbox(store, user, self["mailbox"])
        await store.acls.remove(user.id, box.id, self["identifier"])


class AclShared(Command):
    """List the mailboxes of others that an account may use, and what it may do with them."""

    synopsis = "ADDRESS [--json]"
    optFlags = [JSON]
    takes = ("address",)

    def run(self) -> int:
        """List them."""
        boxes = with_store(self.configuration(), self._shared)
        if self["json"]:
            say_json([{"owner": box.owner, "mailbox": box.name, "rights": box.rights} for box in boxes])
        else:
            say_table(("OWNER", "MAILBOX", "RIGHTS"), [(box.owner, box.name, box.rights) for box in boxes])
        return EX_OK

    async def _shared(self, store: Store) -> Sequence[Mailbox]:
        return await store.acls.shared((await _user(store, self["address"])).id)


class AclGroup(Group):
    """Who may use whose mailboxes. Users see what is shared with them below `Other Users` in their mail programs."""

    subCommands = [
        ["list", None, AclList, "list who may use the mailboxes of an account"],
        ["set", None, AclSet, "let somebody use a mailbox"],
        ["delete", None, AclDelete, "remove somebody from the list of a mailbox"],
        ["shared", None, AclShared, "list the mailboxes of others that an account may use"],
    ]


async def _user(store: Store, address: str) -> User:
    user = await store.users.find(address)
    if user is None:
        raise CommandFailed(EX_NOUSER, f"there is no user {address}")
    return user


async def _mailbox(store: Store, user: User, name: str) -> Mailbox:
    box = await store.mailboxes.find(user.id, name)
    if box is None:
        raise CommandFailed(EX_DATAERR, f"{user.address} has no mailbox {name}")
    return box
