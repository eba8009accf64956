"""The power fails on an ext4 of its own: what was not on the medium is gone, and none of it was promised."""

from __future__ import annotations

import random
import threading
import time
import unittest

from tests.faults.case import LONG, PLAIN, address
from tests.faults.disk import FailingDisk, MountError
from tests.faults.ledger import Ledger, message, token
from tests.faults.wire import Gone, Smtp, eventually
from tests.support.server import RunningServer

ROUNDS = 25 if LONG else 3
BUSY = 50


class _Sender(threading.Thread):
    """Delivers by LMTP until the power fails."""

    def __init__(self, ledger: Ledger, name: str, pause: float) -> None:
        super().__init__(daemon=True, name=name)
        self._ledger = ledger
        self._pause = pause
        self._client = Smtp(ledger.server.ports["lmtp"])
        self._client.hello("LHLO")

    def run(self) -> None:
        try:
            for number in range(100_000):
                name = token(self.name, number, 3_000)
                code, _ = self._client.deliver(message(name), address(self._ledger.server, "alice"))
                if code != 250:
                    return
                self._ledger.delivered["alice"].add(name)
                time.sleep(self._pause)
        except (Gone, AssertionError):
            # cut off, or refused because the disk is gone
            return
        finally:
            self._client.close()


class PowerCutTests(unittest.TestCase):
    """Each round starts on what the last one left."""

    def test_one_sender(self) -> None:
        """With one message at a time, 20 a second, each synced for itself: nothing acknowledged is lost or torn."""
        self.cut("low", 1, 0.05)

    def test_many_senders(self) -> None:
        """With 50 senders, whose messages are synced by the group: nothing acknowledged is lost or torn."""
        self.cut("busy", BUSY, 0.0)

    def cut(self, kind: str, count: int, pause: float) -> None:
        """Cut the power again and again while senders are at work."""
        disk = self.enterContext(FailingDisk())
        server = RunningServer(users=("alice",), settings=PLAIN, directory=disk.directory())
        self.addCleanup(server.close)
        server.log_path = disk.log
        disk.settle()
        ledger = Ledger(server, ("alice",))
        server.start()
        for number in range(ROUNDS):
            senders = [_Sender(ledger, f"{kind}.r{number}.s{each}", pause) for each in range(count)]
            for sender in senders:
                sender.start()
            time.sleep(random.uniform(0.3, 1.0))
            disk.cut_power()
            time.sleep(0.05)
            server.kill()
            for sender in senders:
                sender.join(20)
            eventually(lambda: unmounted(disk))
            disk.mount()
            server.start()
            ledger.check()
        print(f"{ROUNDS} power cuts, {count} senders: {ledger.acknowledged} messages promised, none lost or torn")


def unmounted(disk: FailingDisk) -> bool:
    """Unmount, once nobody uses it any more."""
    try:
        disk.unmount()
    except MountError:
        return False
    return True
