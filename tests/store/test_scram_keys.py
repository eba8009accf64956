"""The rows behind SCRAM logins, and the capabilities of single accounts."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from alembic import command
from alembic.config import Config
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import migrations
from quantummail.store.accounts import NO_PASSWORD
from quantummail.store.errors import NoSuchUser
from quantummail.store.records import Credentials, ScramKeys
from quantummail.store.store import Store
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now

KEYS = ScramKeys(b"salt\x00\xff", 4096, b"s" * 32, b"k" * 32)
ALICE = "alice@example.test"


class ScramKeysTests(SynchronousTestCase):
    """Keys belong to one password."""

    def setUp(self) -> None:
        self.store = make_store(self)
        self.alice = make_user(self.store, ALICE, "{PLAIN}one")

    def credentials(self) -> Credentials:
        """What alice's logins are checked against."""
        found = now(self.store.users.credentials(ALICE))
        assert found is not None
        return found

    def test_none_at_first(self) -> None:
        """An account that was made without keys has none."""
        self.assertIsNone(self.credentials().scram)
        self.assertEqual(now(self.store.users.without_scram_keys()), 1)

    def test_made_with_the_account(self) -> None:
        """Keys can be given when the account is made."""
        now(self.store.users.create("bob@example.test", "{PLAIN}x", scram=KEYS))
        found = now(self.store.users.credentials("bob@example.test"))
        assert found is not None
        self.assertEqual(found.scram, KEYS)

    def test_kept(self) -> None:
        """Keys of the present password are kept, in place of older ones."""
        now(self.store.users.keep_scram_keys(self.alice.id, "{PLAIN}one", KEYS))
        now(self.store.users.keep_scram_keys(self.alice.id, "{PLAIN}one", replace(KEYS, iterations=5000)))
        self.assertEqual(self.credentials().scram, replace(KEYS, iterations=5000))
        self.assertEqual(now(self.store.users.without_scram_keys()), 0)

    def test_too_late(self) -> None:
        """Keys of a password that was changed meanwhile are not kept."""
        now(self.store.users.set_password(ALICE, "{PLAIN}two"))
        now(self.store.users.keep_scram_keys(self.alice.id, "{PLAIN}one", KEYS))
        self.assertIsNone(self.credentials().scram)

    def test_password_changed(self) -> None:
        """Another password removes the keys of the old one, and brings its own."""
        now(self.store.users.keep_scram_keys(self.alice.id, "{PLAIN}one", KEYS))
        now(self.store.users.set_password(ALICE, "{PLAIN}two"))
        self.assertIsNone(self.credentials().scram)
        now(self.store.users.set_password(ALICE, "{PLAIN}three", KEYS))
        self.assertEqual(self.credentials(), Credentials(self.alice, "{PLAIN}three", KEYS))

    def test_better_hash(self) -> None:
        """A better hash of the same password leaves the keys."""
        now(self.store.users.keep_scram_keys(self.alice.id, "{PLAIN}one", KEYS))
        now(self.store.users.replace_hash(self.alice.id, "{PLAIN}one", "{PLAIN}better"))
        self.assertEqual(self.credentials().scram, KEYS)

    def test_no_such_user(self) -> None:
        """Nobody's password cannot be changed."""
        with self.assertRaises(NoSuchUser):
            now(self.store.users.set_password("nobody@example.test", "{PLAIN}two", KEYS))

    def test_deleted(self) -> None:
        """Keys go with the account."""
        now(self.store.users.keep_scram_keys(self.alice.id, "{PLAIN}one", KEYS))
        now(self.store.users.delete(ALICE))
        make_user(self.store, ALICE, "{PLAIN}one")
        self.assertIsNone(self.credentials().scram)

    def test_who_has_no_keys(self) -> None:
        """Accounts that nobody can log in to are not counted among those without keys."""
        now(self.store.users.set_enabled(ALICE, False))
        now(self.store.users.create("found@example.test", NO_PASSWORD))
        self.assertEqual(now(self.store.users.without_scram_keys()), 0)

    def test_secret(self) -> None:
        """Keys do not show in a log or traceback."""
        self.assertEqual(repr(KEYS), "ScramKeys(iterations=4096)")


class SwitchTests(SynchronousTestCase):
    """Capabilities of one account."""

    def test_kept(self) -> None:
        """Names are kept once, in order, and replaced as a whole."""
        store = make_store(self)
        make_user(store, ALICE)
        now(store.users.set_disabled_capabilities(ALICE, ["MOVE", "IDLE", "MOVE"]))
        found = now(store.users.find(ALICE))
        assert found is not None
        self.assertEqual(found.disabled_capabilities, ("IDLE", "MOVE"))
        now(store.users.set_disabled_capabilities(ALICE, []))
        credentials = now(store.users.credentials(ALICE))
        assert credentials is not None
        self.assertEqual(credentials.user.disabled_capabilities, ())


class MigrationTests(SynchronousTestCase):
    """A database with accounts in it."""

    def test_accounts_stay(self) -> None:
        """Accounts of the first revision have no keys and all capabilities after the second."""
        directory = temporary_directory(self)
        url = f"sqlite:///{directory}/q.sqlite"
        config = Config()
        config.set_main_option("script_location", str(migrations.scripts()))
        config.set_main_option("sqlalchemy.url", url)
        command.upgrade(config, "0001")
        with sqlite3.connect(directory / "q.sqlite") as connection:
            connection.execute("INSERT INTO domains (id, name, created) VALUES (1, 'example.test', 0)")
            connection.execute(
                "INSERT INTO accounts (id, domain_id, address, password_hash, admin, enabled, quota_bytes,"
                " quota_messages, used_bytes, used_messages, uidvalidity, created)"
                " VALUES (7, 1, ?, '{PLAIN}x', 0, 1, 0, 0, 0, 0, 0, 5)", (ALICE,))
        command.upgrade(config, "head")
        store = Store.open(None, url, directory / "mail", directory / "spool")
        now(store.start())
        self.addCleanup(lambda: now(store.stop()))
        found = now(store.users.credentials(ALICE))
        assert found is not None
        self.assertEqual((found.user.id, found.user.created, found.user.disabled_capabilities, found.scram),
                         (7, 5, (), None))
