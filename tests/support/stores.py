"""Stores for unit tests: SQLite in a temporary directory, everything done where it is called."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.records import User
from quantummail.store.store import Store
from quantummail.store.tables import metadata
from tests.support.places import temporary_directory

T = TypeVar("T")


def now(coroutine: Coroutine[Deferred[Any], Any, T]) -> T:
    """The result of a coroutine that waits for nothing; its exception is raised."""
    results: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(results.append)
    if not results:
        raise AssertionError("the coroutine is still waiting")
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]  # type: ignore[no-any-return]  # addBoth knows no types


def make_store(testcase: SynchronousTestCase, directory: Path | None = None) -> Store:
    """A started store without a reactor, gone after the test. Give a directory to open the same one again."""
    if directory is None:
        directory = temporary_directory(testcase)
    store = Store.open(None, f"sqlite:///{directory}/index.sqlite", directory / "mail", directory / "spool")
    metadata.create_all(store.database.write_engine)
    now(store.start())
    testcase.addCleanup(lambda: now(store.stop()))
    return store


def make_user(store: Store, address: str = "alice@example.test", password_hash: str = "{PLAIN}secret-word") -> User:
    """An account, and its domain if that is not there."""
    domain = address.rpartition("@")[2]
    if domain not in [known.name for known in now(store.domains.list())]:
        now(store.domains.add(domain))
    return now(store.users.create(address, password_hash))
