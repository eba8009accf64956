"""Whether a message gets dearer as mailboxes fill and accounts are added: CPU and time of one delivery.

    python benchmarks/growth.py [--directory DIR] [--messages 10,1000,100000] [--users 10,1000,10000] [--deliveries N]

Deliveries go one by one through the store of this process, file and commit included, into the mailbox (or into
mailboxes chosen at random). Filling writes rows only: what is measured never looks at the files that were there before.
At the end the same with the journey of messages (`quantummail why`), whose steps are written in batches of 250, and
with many steps that are there already.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from twisted.internet.defer import Deferred

from quantummail.message.ids import new_id
from quantummail.store import journey_rows
from quantummail.store.additions import Addition, Rendered
from quantummail.store.journey_rows import Step
from quantummail.store.records import Appended
from quantummail.store.store import Store
from quantummail.store.storing import NewMessage, Target
from quantummail.store.tables import metadata
from quantummail.store.transaction import Work

_HEAD = b"From: Anna <anna@example.com>\r\nTo: Bob <bob@example.test>\r\nSubject: %d\r\nMessage-ID: <%d@x>\r\n\r\n"
_BODY = b"All work and no play makes Jack a dull boy.\r\n" * 220
_RENDERED = Rendered(b"e" * 300, b"b" * 80, b"s" * 120, b"p" * 40, "subject", 0, b"")


class Growing:
    """A store that is filled and then measured."""

    def __init__(self, directory: Path, users: int) -> None:
        self.store = Store.open(None, f"sqlite:///{directory}/index.sqlite", directory / "mail", directory / "spool")
        metadata.create_all(self.store.database.write_engine)
        self.targets: list[Target] = []
        Deferred.fromCoroutine(self._make(users)).addErrback(lambda failure: failure.raiseException())

    async def _make(self, users: int) -> None:
        await self.store.start()
        await self.store.domains.add("example.test")
        for number in range(users):
            await self.store.users.create(f"user{number}@example.test", "{PLAIN}never-used")
            found = await self.store.directory.resolve(f"user{number}", "example.test")
            self.targets += found.local.values()

    def fill(self, target: Target, count: int) -> None:
        """Give a mailbox rows without files."""
        for start in range(0, count, 500):
            group = [
                Addition(target.account_id, target.mailbox_id, f"1.F{new_id()}.x,S=9", -1, 9, new_id(), 1,
                         rendered=_RENDERED)
                for _ in range(min(500, count - start))
            ]
            self.store.database.submit(Work(self.store.messages._additions.add_txn, group, lambda _result: None))

    def remember(self, count: int) -> None:
        """Give the journey steps of other messages."""
        for start in range(0, count, 5000):
            steps = [_step(new_id(), number) for number in range(start, min(start + 5000, count))]
            self.store.database.submit(Work(journey_rows.write_txn, steps, lambda _result: None))

    def measure(self, targets: list[Target], deliveries: int) -> tuple[float, float]:
        """CPU and wall-clock microseconds of a delivery."""
        chosen = random.Random(1).choices(targets, k=deliveries)
        cpu, wall = time.process_time(), time.perf_counter()
        for number, target in enumerate(chosen):
            if number % 250 == 249:
                Deferred.fromCoroutine(self.store.journey.flush())
            Deferred.fromCoroutine(self._deliver(number, target)).addErrback(lambda failure: failure.raiseException())
        return ((time.process_time() - cpu) / deliveries * 1e6, (time.perf_counter() - wall) / deliveries * 1e6)

    async def _deliver(self, number: int, target: Target) -> None:
        body = self.store.bodies.spooled()
        await body.write(_HEAD % (number, number) + _BODY)
        message = NewMessage(new_id(), b"")
        (outcome,) = await self.store.messages.deliver([target], message, body)
        step = _step(message.id, number)
        self.store.journey.note(
            step.message_id, step.stage, step.verdict, step.detail, sender=step.sender, header_id=step.header_id)
        if not isinstance(outcome, Appended):
            raise SystemExit(f"not delivered: {outcome}")

    def close(self) -> None:
        """Close the store."""
        Deferred.fromCoroutine(self.store.stop())


def _step(message_id: str, number: int) -> Step:
    """What reception notes of a message."""
    return Step(0, message_id, "received", "accepted", {
        "source": "smtp", "client": "192.0.2.1", "helo": "mx.example.com", "protocol": "ESMTPS",
        "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384", "connection": "01jd2x3y4z5a6b7c",
        "to": [f"user{number % 50}@example.test"],
        "size": 10240, "reply": [250, "2.0.0", f"Ok: delivered as {message_id}"],
        "stored": [[f"user{number % 50}@example.test", 1, number]],
    }, f"anna{number % 1000}@example.com", f"<{number}.{message_id}@mail.example.com>")


def _report(what: str, figures: tuple[float, float]) -> None:
    print(f"{what:<28}{figures[0]:8.0f} {figures[1]:8.0f}", flush=True)


def main() -> None:
    """Read the command line, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--messages", default="10,1000,100000")
    parser.add_argument("--users", default="10,1000,10000")
    parser.add_argument("--deliveries", type=int, default=2000)
    parser.add_argument("--steps", default="0,1000000")
    given = parser.parse_args()
    print(f"{'':>28}  CPU us  wall us   (a delivery of {len(_BODY)} octets)")
    for count in map(int, given.messages.split(",")):
        with tempfile.TemporaryDirectory(dir=given.directory) as directory:
            growing = Growing(Path(directory), 1)
            growing.fill(growing.targets[0], count)
            growing.measure(growing.targets, 100)
            _report(f"{count:>12} messages in it", growing.measure(growing.targets, given.deliveries))
            growing.close()
    for count in map(int, given.users.split(",")):
        with tempfile.TemporaryDirectory(dir=given.directory) as directory:
            growing = Growing(Path(directory), count)
            growing.measure(growing.targets, 100)
            _report(f"{count:>12} accounts", growing.measure(growing.targets, given.deliveries))
            growing.close()
    for count in map(int, filter(None, given.steps.split(","))):
        with tempfile.TemporaryDirectory(dir=given.directory) as directory:
            growing = Growing(Path(directory), 10)
            growing.measure(growing.targets, 100)
            _report("            without journey", growing.measure(growing.targets, given.deliveries))
            growing.remember(count)
            growing.store.journey.begin(86400.0)
            growing.measure(growing.targets, 100)
            _report(f"{count:>12} steps, with", growing.measure(growing.targets, given.deliveries))
            growing.close()


if __name__ == "__main__":
    main()
