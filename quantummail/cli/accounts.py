"""Commands about domains and users. They work beside a running server, on the same database."""

from __future__ import annotations

import getpass
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from quantummail.cli.capabilities import UserCapabilities
from quantummail.cli.command import (
    EX_DATAERR,
    EX_NOUSER,
    EX_OK,
    EX_USAGE,
    JSON,
    Command,
    CommandFailed,
    Group,
    say_fields,
    say_json,
    say_table,
    with_store,
)
from quantummail.cli.versions import say
from quantummail.config import values

if TYPE_CHECKING:
    from quantummail.store.records import ScramKeys, User


def _checked(kind: values.Kind[int], text: str, what: str) -> int:
    try:
        return kind.parse(text)
    except ValueError:
        raise CommandFailed(EX_DATAERR, f"{what} {text!r}: {kind.accepts}") from None


class NewPassword(Command):
    """A command that sets a password: asked for, read from stdin, or made up."""

    optFlags = [
        ["password-stdin", None, "Read the password from the first line of standard input."],
        ["generate", "g", "Make up a good password, and show it once."],
    ]

    def new_password(self, address: str) -> str:
        """The password to set. Raises CommandFailed."""
        from quantummail.auth import passwords  # loads argon2, which other commands do not need

        if self["generate"]:
            return passwords.generate()
        if self["password-stdin"]:
            password = sys.stdin.readline().rstrip("\r\n")
        elif sys.stdin.isatty():
            password = getpass.getpass(f"Password for {address}: ")
            if getpass.getpass("Once more: ") != password:
                raise CommandFailed(EX_DATAERR, "the two passwords differ")
        else:
            raise _wrong_usage("no terminal to ask on: give --password-stdin or --generate")
        try:
            passwords.check_new(password, address)
        except passwords.PasswordRefused as refused:
            raise CommandFailed(EX_DATAERR, str(refused)) from None
        return password

    def hashed(self, password: str) -> str:
        """Its hash."""
        from quantummail.auth import passwords

        return passwords.Passwords().hash(password)

    def scram_keys(self, password: str) -> ScramKeys | None:
        """What SCRAM logins with it are checked against, unless the configuration has switched them off."""
        from quantummail.auth import scram

        login = self.configuration().login
        return None if login.scram == "no" else scram.derive(password, login.scram_iterations)

    def show(self, address: str, password: str) -> None:
        """Show a password that was made up."""
        if self["generate"]:
            say(f"password of {address} (shown only now): {password}")


def _wrong_usage(text: str) -> CommandFailed:
    """Wrong usage that is seen only when the command runs."""
    return CommandFailed(EX_USAGE, text)


class DomainAdd(Command):
    """Take mail for a domain."""

    synopsis = "DOMAIN"
    takes = ("domain",)

    def run(self) -> int:
        """Add it."""
        domain = with_store(self.configuration(), lambda store: store.domains.add(self["domain"]))
        say(f"{domain.name} added")
        return EX_OK


class DomainList(Command):
    """List the domains whose mail we take."""

    synopsis = "[--json]"
    optFlags = [JSON]

    def run(self) -> int:
        """List them."""
        domains = with_store(self.configuration(), lambda store: store.domains.list())
        if self["json"]:
            say_json([{"domain": domain.name, "created": _moment(domain.created)} for domain in domains])
        else:
            say_table(("DOMAIN", "CREATED"), [(domain.name, _moment(domain.created)) for domain in domains])
        return EX_OK


class DomainDelete(Command):
    """Take no more mail for a domain. Its users and aliases must be deleted first."""

    synopsis = "DOMAIN"
    takes = ("domain",)

    def run(self) -> int:
        """Delete it."""
        with_store(self.configuration(), lambda store: store.domains.delete(self["domain"]))
        say(f"{self['domain']} deleted")
        return EX_OK


class UserAdd(NewPassword):
    """Make an account with its mailboxes."""

    synopsis = "ADDRESS [--password-stdin | --generate] [--admin] [--quota SIZE]"
    optFlags = [["admin", None, "The account may administer the server."]]
    optParameters = [
        ["quota", None, None, "Octets the account may keep, with K, M, G or T [default: that of the configuration]."],
        ["quota-messages", None, None, "Messages the account may keep [default: that of the configuration]."],
    ]

    takes = ("address",)

    def run(self) -> int:
        """Add the account."""
        config = self.configuration()
        address = self["address"]
        octets, messages = config.storage.quota, config.storage.quota_messages
        if self["quota"] is not None:
            octets = _checked(values.SIZE, self["quota"], "quota")
        if self["quota-messages"] is not None:
            messages = _checked(values.COUNT, self["quota-messages"], "quota")
        password = self.new_password(address)
        hashed, keys = self.hashed(password), self.scram_keys(password)
        user = with_store(config, lambda store: store.users.create(
            address, hashed, admin=bool(self["admin"]), quota_bytes=octets, quota_messages=messages, scram=keys))
        say(f"{user.address} added")
        self.show(user.address, password)
        return EX_OK


class UserList(Command):
    """List the accounts."""

    synopsis = "[DOMAIN] [--json]"
    optFlags = [JSON]
    may_take = "domain"

    def run(self) -> int:
        """List them."""
        domain = self["domain"] or None
        users = with_store(self.configuration(), lambda store: store.users.list(domain))
        if self["json"]:
            say_json([_user_record(user) for user in users])
        else:
            say_table(("ADDRESS", "MESSAGES", "SIZE", "QUOTA", ""), [
                (user.address, user.used_messages, _size(user.used_bytes), _size(user.quota_bytes, "-"),
                 "administrator" if user.admin else "") for user in users])
        return EX_OK


class _OneUser(Command):
    """A command about one account that is there."""

    takes = ("address",)

    def user(self) -> User:
        """The account. Raises CommandFailed."""
        address = self["address"]
        user = with_store(self.configuration(), lambda store: store.users.find(address))
        if user is None:
            raise CommandFailed(EX_NOUSER, f"there is no user {address}")
        return user


class UserInfo(_OneUser):
    """Tell what is known about an account."""

    synopsis = "ADDRESS [--json]"
    optFlags = [JSON]

    def run(self) -> int:
        """Tell it."""
        user = self.user()
        record = _user_record(user)
        if self["json"]:
            say_json(record)
            return EX_OK
        record["used"] = f"{_size(user.used_bytes)} of {_size(user.quota_bytes, 'unlimited')}"
        record["messages"] = f"{user.used_messages} of {user.quota_messages or 'unlimited'}"
        record["without"] = ", ".join(user.disabled_capabilities)
        shown = ["address", "admin", "enabled", "created", "used", "messages"]
        if user.disabled_capabilities:
            shown.append("without")
        say_fields({name: {True: "yes", False: "no"}.get(record[name], record[name]) for name in shown})
        return EX_OK


class UserPasswd(NewPassword, _OneUser):
    """Set another password."""

    synopsis = "ADDRESS [--password-stdin | --generate]"

    def run(self) -> int:
        """Set it."""
        address = self.user().address
        password = self.new_password(address)
        hashed, keys = self.hashed(password), self.scram_keys(password)
        with_store(self.configuration(), lambda store: store.users.set_password(address, hashed, keys))
        say(f"password of {address} changed")
        self.show(address, password)
        return EX_OK


class UserQuota(_OneUser):
    """Set how much an account may keep; 0 means no limit."""

    synopsis = "ADDRESS [--quota SIZE] [--quota-messages NUMBER]"
    optParameters = [
        ["quota", None, None, "Octets, with K, M, G or T."],
        ["quota-messages", None, None, "Messages."],
    ]

    def run(self) -> int:
        """Set it."""
        if self["quota"] is None and self["quota-messages"] is None:
            raise _wrong_usage("give --quota, --quota-messages, or both")
        user = self.user()
        octets, messages = user.quota_bytes, user.quota_messages
        if self["quota"] is not None:
            octets = _checked(values.SIZE, self["quota"], "quota")
        if self["quota-messages"] is not None:
            messages = _checked(values.COUNT, self["quota-messages"], "quota")
        with_store(self.configuration(), lambda store: store.users.set_quota(user.address, octets, messages))
        say(f"{user.address} may keep {_size(octets, 'any size')} and {messages or 'any number of'} messages")
        return EX_OK


class UserEnable(_OneUser):
    """Let an account log in and get mail again."""

    synopsis = "ADDRESS"

    def run(self) -> int:
        """Do so."""
        address = self.user().address
        with_store(self.configuration(), lambda store: store.users.set_enabled(address, True))
        say(f"{address} is enabled")
        return EX_OK


class _Farewell(_OneUser):
    """A command after which an account gets no mail any more."""

    synopsis = "ADDRESS [--force]"
    optFlags = [["force", None, "Also if it is the last administrator, whom mail to postmaster reaches."]]

    def leaving(self) -> str:
        """The account's address. Raises CommandFailed if the server would be without an administrator."""
        user = self.user()
        if user.admin and user.enabled and not self["force"]:
            users = with_store(self.configuration(), lambda store: store.users.list())
            if not any(other.admin and other.enabled for other in users if other.id != user.id):
                # RFC 5321 4.5.1
                raise CommandFailed(EX_DATAERR, (
                    f"{user.address} is the last administrator that is enabled: mail to postmaster would be put off "
                    "until there is another one (`user add --admin`); --force does it all the same"))
        return user.address


class UserDisable(_Farewell):
    """Refuse logins and mail of an account, and keep all it has."""

    def run(self) -> int:
        """Do so."""
        address = self.leaving()
        with_store(self.configuration(), lambda store: store.users.set_enabled(address, False))
        say(f"{address} is disabled")
        return EX_OK


class UserDelete(_Farewell):
    """Delete an account. Its mail is put aside, for the administrator to remove."""

    def run(self) -> int:
        """Delete it."""
        address = self.leaving()
        config = self.configuration()
        aside = with_store(config, lambda store: store.users.delete(address))
        say(f"{address} deleted" + (f"; its mail is in {config.storage.mail_root / aside}" if aside else ""))
        return EX_OK


class DomainGroup(Group):
    """Domains whose mail we take."""

    subCommands = [
        ["add", None, DomainAdd, "take mail for a domain"],
        ["list", None, DomainList, "list the domains"],
        ["delete", None, DomainDelete, "take no more mail for a domain"],
    ]


class UserGroup(Group):
    """Accounts."""

    subCommands = [
        ["add", None, UserAdd, "make an account"],
        ["list", None, UserList, "list the accounts"],
        ["info", None, UserInfo, "tell what is known about an account"],
        ["passwd", None, UserPasswd, "set another password"],
        ["quota", None, UserQuota, "set how much an account may keep"],
        ["disable", None, UserDisable, "refuse its logins and mail, and keep what it has"],
        ["enable", None, UserEnable, "take them again"],
        ["capabilities", None, UserCapabilities, "switch capabilities off and on for an account"],
        ["delete", None, UserDelete, "delete an account, and put its mail aside"],
    ]


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _size(octets: int, nothing: str = "0") -> str:
    if octets == 0:
        return nothing
    for unit, size in (("T", 1024**4), ("G", 1024**3), ("M", 1024**2), ("K", 1024)):
        if octets >= size:
            return f"{octets / size:.1f}{unit}"
    return str(octets)


def _user_record(user: User) -> dict[str, Any]:
    record = asdict(user)
    del record["id"]
    record["created"] = _moment(user.created)
    return record
