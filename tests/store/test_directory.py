"""Tests of quantummail.store.directory and of accounts and aliases behind it."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.accounts import MOST_TARGETS
from quantummail.store.directory import Directory, Resolution
from quantummail.store.errors import (
    AlreadyExists,
    InvalidName,
    LimitReached,
    NoSuchAlias,
    NoSuchDomain,
    NoSuchUser,
    NotAllowed,
)
from tests.support.stores import make_store, make_user, now


class DirectoryCase(SynchronousTestCase):
    """A domain with two users."""

    def setUp(self) -> None:
        self.store = make_store(self)
        make_user(self.store, "alice@example.test")
        make_user(self.store, "bob@example.test")

    def alias(self, address: str, *targets: str) -> None:
        """Add an alias."""
        now(self.store.aliases.add(address, targets))

    def resolve(self, address: str) -> Resolution:
        """Where mail to an address goes."""
        local_part, _, domain = address.rpartition("@")
        return now(self.store.directory.resolve(local_part, domain))

    def local(self, address: str) -> list[str]:
        """The accounts that get mail to an address."""
        return sorted(found.partition("@")[0] for found in self.resolve(address).local)


class ResolveTests(DirectoryCase):
    """Accounts, aliases, subaddresses, roles, catch-all."""

    def test_account(self) -> None:
        """An account gets its own mail, in any case."""
        for address in ("alice@example.test", "ALICE@example.test"):
            self.assertEqual(self.local(address), ["alice"])
            self.assertTrue(self.resolve(address).owned)

    def test_unknown(self) -> None:
        """A name that nobody has is ours, but not known."""
        found = self.resolve("nobody@example.test")
        self.assertTrue(found.ours)
        self.assertFalse(found.known)

    def test_other_domain(self) -> None:
        """A domain that is not one of ours is not looked into."""
        self.assertFalse(self.resolve("alice@elsewhere.test").ours)
        self.assertFalse(self.resolve("alice@\N{SNOWMAN}..test").ours)

    def test_subaddress(self) -> None:
        """user+detail is the user's, unless somebody has that very address."""
        self.assertEqual(self.local("alice+lists@example.test"), ["alice"])
        self.assertTrue(self.resolve("alice+lists@example.test").owned)
        self.alias("alice+bob@example.test", "bob@example.test")
        self.assertEqual(self.local("alice+bob@example.test"), ["bob"])
        self.assertEqual(self.local("+alice@example.test"), [])

    def test_alias(self) -> None:
        """An alias leads to all its targets, each once, also through others and in circles."""
        self.alias("one@example.test", "alice@example.test", "two@example.test")
        self.alias("two@example.test", "one@example.test", "bob@example.test", "alice@example.test")
        self.assertEqual(self.local("one@example.test"), ["alice", "bob"])
        self.assertEqual(self.local("two+detail@example.test"), ["alice", "bob"])

    def test_circle(self) -> None:
        """Aliases that lead only to each other lead nowhere."""
        self.alias("one@example.test", "two@example.test")
        self.alias("two@example.test", "one@example.test")
        self.assertFalse(self.resolve("one@example.test").known)

    def test_deep(self) -> None:
        """However long the chain, nobody at its end is forgotten."""
        for number in range(30):
            self.alias(f"a{number}@example.test", f"a{number + 1}@example.test")
        self.alias("a30@example.test", "bob@example.test")
        self.assertEqual(self.local("a0@example.test"), ["bob"])

    def test_target_with_detail(self) -> None:
        """A target may be whatever gets mail from outside: subaddress, role, catch-all."""
        make_user(self.store, "root@example.test")
        self.make_administrator("root@example.test")
        self.alias("a@example.test", "alice+lists@example.test")
        self.alias("b@example.test", "postmaster@example.test")
        self.assertEqual(self.local("a@example.test"), ["alice"])
        self.assertEqual(self.local("b@example.test"), ["root"])
        self.alias("@example.test", "bob@example.test")
        self.alias("c@example.test", "whoever@example.test")
        self.assertEqual(self.local("c@example.test"), ["bob"])

    def test_remote(self) -> None:
        """Targets elsewhere are told apart."""
        self.alias("both@example.test", "alice@example.test", "x@elsewhere.test")
        found = self.resolve("both@example.test")
        self.assertEqual((list(found.local), found.remote), (["alice@example.test"], ["x@elsewhere.test"]))

    def test_catch_all(self) -> None:
        """The catch-all takes what nobody else takes, and makes nobody its owner."""
        self.alias("@example.test", "bob@example.test")
        self.assertEqual(self.local("whoever@example.test"), ["bob"])
        self.assertEqual(self.local("alice@example.test"), ["alice"])
        self.assertFalse(self.resolve("whoever@example.test").owned)

    def make_administrator(self, address: str) -> None:
        """Give an account an administrator's rights."""
        now(self.store.users._update(address, admin=True))

    def test_roles(self) -> None:
        """Roles reach the administrators of the domain, or all of them, if nobody has the address."""
        self.make_administrator("bob@example.test")
        make_user(self.store, "carol@other.test")
        for role in ("postmaster", "abuse", "Postmaster"):
            self.assertEqual(self.local(f"{role}@example.test"), ["bob"])
        self.assertEqual(self.local("postmaster@other.test"), ["bob"])
        self.assertEqual(self.local("postmaster@"), ["bob"])
        self.assertFalse(self.resolve("postmaster@example.test").owned)
        self.alias("abuse@example.test", "alice@example.test")
        self.assertEqual(self.local("abuse@example.test"), ["alice"])

    def test_postmaster_is_always_there(self) -> None:
        """A postmaster that is switched off, or an alias that reaches nobody, leads to the administrators."""
        make_user(self.store, "postmaster@example.test")
        make_user(self.store, "carol@other.test")
        self.make_administrator("postmaster@example.test")
        self.make_administrator("bob@example.test")
        now(self.store.users.set_enabled("postmaster@example.test", False))
        self.alias("postmaster@other.test", "nobody@other.test", "x@elsewhere.test")
        self.alias("abuse@example.test", "postmaster@example.test")
        for address in ("postmaster@example.test", "postmaster@other.test", "postmaster@", "abuse@example.test"):
            self.assertEqual(self.local(address), ["bob"], address)
            self.assertEqual(self.resolve(address).postmaster, not address.startswith("abuse"))
        self.assertFalse(self.resolve("postmaster@other.test").owned)
        now(self.store.users.delete("postmaster@example.test"))
        self.assertEqual(self.local("postmaster@example.test"), ["bob"])

    def test_role_without_administrator(self) -> None:
        """Without an administrator the catch-all takes a role's mail."""
        self.alias("@example.test", "alice@example.test")
        self.assertEqual(self.local("postmaster@example.test"), ["alice"])

    def test_disabled(self) -> None:
        """Mail for an account that is switched off goes nowhere else; others in the same alias get theirs."""
        self.alias("@example.test", "bob@example.test")
        self.alias("both@example.test", "alice@example.test", "bob@example.test")
        now(self.store.users.set_enabled("alice@example.test", False))
        for address in ("alice@example.test", "alice+x@example.test"):
            found = self.resolve(address)
            self.assertEqual((found.known, found.disabled, found.owned), (False, True, False))
        self.assertEqual(self.local("both@example.test"), ["bob"])

    def test_at_sign(self) -> None:
        """A quoted local part with an at sign is no role and no one else's."""
        self.make_administrator("bob@example.test")
        self.assertFalse(self.resolve("postmaster@evil@example.test").known)
        self.assertFalse(self.resolve("alice@example.test@example.test").known)

    def test_remembered(self) -> None:
        """A good answer is remembered for two seconds, a bad one is not."""
        clock = Clock()
        directory = Directory(self.store.database, clock, "+")
        self.assertTrue(now(directory.resolve("alice", "example.test")).known)
        self.assertFalse(now(directory.resolve("dave", "example.test")).known)
        now(self.store.users.delete("alice@example.test"))
        make_user(self.store, "dave@example.test")
        self.assertTrue(now(directory.resolve("alice", "example.test")).known)
        self.assertTrue(now(directory.resolve("dave", "example.test")).known)
        clock.advance(3)
        self.assertFalse(now(directory.resolve("alice", "example.test")).known)


class AccountTests(DirectoryCase):
    """Domains, accounts and aliases are added and deleted."""

    def test_taken(self) -> None:
        """An address is an account or an alias, and each only once."""
        self.alias("info@example.test", "alice@example.test")
        self.assertRaises(AlreadyExists, make_user, self.store, "info@example.test")
        self.assertRaises(AlreadyExists, make_user, self.store, "ALICE@example.test")
        self.assertRaises(AlreadyExists, self.alias, "alice@example.test", "bob@example.test")

    def test_not_ours(self) -> None:
        """Accounts and aliases need one of our domains."""
        self.assertRaises(NoSuchDomain, self.alias, "a@elsewhere.test", "alice@example.test")
        self.assertRaises(NoSuchDomain, now, self.store.users.create("a@elsewhere.test", "x"))

    def test_names(self) -> None:
        """What is no address, or needs quotes, cannot be one of ours."""
        for address in ("", "a", "a@", "@", "a@[127.0.0.1]", '"a b"@example.test', '"a@b"@example.test', "a@-.test"):
            self.assertRaises(InvalidName, now, self.store.users.create(address, "x"))

    def test_international(self) -> None:
        """Domains are kept as A-labels, local parts in NFC."""
        now(self.store.domains.add("b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.test"))
        user = now(self.store.users.create("Andre\N{COMBINING ACUTE ACCENT}@B\N{LATIN CAPITAL LETTER U WITH DIAERESIS}cher.test", "x"))  # noqa: E501  # names of characters are long
        self.assertEqual(user.address, "andr\N{LATIN SMALL LETTER E WITH ACUTE}@xn--bcher-kva.test")
        for domain in ("xn--bcher-kva.test", "b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.test"):
            self.assertTrue(now(self.store.directory.resolve("andr\N{LATIN SMALL LETTER E WITH ACUTE}", domain)).known)

    def test_targets(self) -> None:
        """Targets are added to those that are there, once each, up to a limit."""
        self.alias("info@example.test", "alice@example.test")
        self.alias("info@example.test", "Alice@example.test", "bob@example.test")
        (alias,) = now(self.store.aliases.list())
        self.assertEqual(alias.targets, ("alice@example.test", "bob@example.test"))
        many = [f"u{number}@elsewhere.test" for number in range(MOST_TARGETS)]
        self.assertRaises(LimitReached, self.alias, "info@example.test", *many)
        now(self.store.aliases.delete("INFO@example.test"))
        self.assertRaises(NoSuchAlias, now, self.store.aliases.delete("info@example.test"))

    def test_domain_in_use(self) -> None:
        """A domain with accounts or aliases stays."""
        self.assertRaises(NotAllowed, now, self.store.domains.delete("example.test"))
        now(self.store.domains.add("empty.test"))
        now(self.store.domains.delete("EMPTY.test"))
        self.assertEqual([domain.name for domain in now(self.store.domains.list())], ["example.test"])

    def test_deleted_and_made_again(self) -> None:
        """An account that is made again has none of the messages and aliases of the one before."""
        self.assertNotEqual(now(self.store.users.delete("bob@example.test")), "")
        self.assertRaises(NoSuchUser, now, self.store.users.delete("bob@example.test"))
        again = make_user(self.store, "bob@example.test")
        self.assertEqual(again.used_messages, 0)
        self.assertEqual(now(self.store.reindex()).adopted, 0)
        self.assertEqual(len(now(self.store.users.list())), 2)

    def test_hash_replaced(self) -> None:
        """A better hash replaces the one that was checked, and no newer one."""
        user = now(self.store.users.find("alice@example.test"))
        assert user is not None
        now(self.store.users.set_password("alice@example.test", "new"))
        now(self.store.users.replace_hash(user.id, "old", "better"))
        self.assertEqual(self.password(), "new")
        now(self.store.users.replace_hash(user.id, "new", "better"))
        self.assertEqual(self.password(), "better")

    def password(self) -> str:
        """Alice's hash."""
        found = now(self.store.users.credentials("alice@example.test"))
        assert found is not None
        return found.password_hash
