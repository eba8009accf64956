"""Tests of quantummail.store.intake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.durability import Durability, WrittenFile
from quantummail.store.errors import Unavailable
from quantummail.store.intake import Intake
from quantummail.store.transaction import Transaction, Work


class FailingDurability(Durability):
    """Says of some files that they cannot be synced."""

    def __init__(self, failing: set[str]) -> None:
        super().__init__("/")
        self.failing = failing
        self.groups: list[list[str]] = []

    def sync(self, files: Sequence[WrittenFile]) -> list[OSError | None]:
        self.groups.append([file.path for file in files])
        return [OSError(5, "Input/output error") if file.path in self.failing else None for file in files]


def nothing_txn(_transaction: Transaction, arguments: Sequence[Any]) -> Sequence[Any]:
    """What these works would do."""
    return arguments


class IntakeTests(SynchronousTestCase):
    """Messages on their way to the writer."""

    def setUp(self) -> None:
        self.submitted: list[str] = []
        self.reported: list[object] = []
        self.durability = FailingDurability({"/b"})
        self.intake = Intake(self.durability, self.submit, self.report)

    def submit(self, work: Work) -> None:
        self.submitted.append(work.argument)

    def report(self, done: Callable[[Any], None], result: Any) -> None:
        done(result)

    def writing(self, *paths: str, durable: bool = False) -> Callable[[], list[Work]]:
        """A message that has one work for each path."""
        return lambda: [
            Work(nothing_txn, path, self.reported.append, None if durable else WrittenFile(path, -1)) for path in paths
        ]

    def test_one_file_fails(self) -> None:
        """A file that cannot be made durable fails its own message only, which never comes to the writer."""
        self.intake.take([self.writing("/a"), self.writing("/b"), self.writing("/c")])
        self.assertEqual(self.submitted, ["/a", "/c"])
        (error,) = self.reported
        self.assertIsInstance(error, Unavailable)

    def test_together(self) -> None:
        """Those that wait together are synced together."""
        self.intake.take([self.writing("/a"), self.writing("/c")])
        self.assertEqual(self.durability.groups, [["/a", "/c"]])

    def test_durable_already(self) -> None:
        """What is durable already is handed on without a sync."""
        self.intake.take([self.writing("/a", "/b", durable=True)])
        self.assertEqual((self.submitted, self.durability.groups), (["/a", "/b"], []))

    def test_without_a_thread(self) -> None:
        """Before it is started a message is taken where it is put."""
        self.intake.put(self.writing("/a"))
        self.assertEqual(self.submitted, ["/a"])

    def test_thread(self) -> None:
        """Stopping takes what waits first, in its order."""
        self.intake.start()
        for name in "acdefg":
            self.intake.put(self.writing(f"/{name}"))
        self.intake.stop()
        self.assertEqual(self.submitted, ["/a", "/c", "/d", "/e", "/f", "/g"])
