"""kill -9 at any moment while mail is accepted and sent: nothing that was taken is missing at the other side."""

from __future__ import annotations

import random
import smtplib
import threading
import time

from tests.faults.case import ROUNDS
from tests.faults.ledger import token
from tests.faults.queue_case import DOMAIN, QueueFaultCase
from tests.faults.wire import Gone

SENDERS = 4


class QueueRandomKillTests(QueueFaultCase):
    """The server is killed in the middle of everything."""

    def test_promises_outlive_kills(self) -> None:
        """Every message that was taken gets to each of its recipients, or its sender hears that it cannot."""
        began = time.monotonic()
        for number in range(ROUNDS):
            trouble: list[BaseException] = []
            writers = [self.promises.writer() for _ in range(SENDERS)]
            senders = [
                threading.Thread(target=self._send, args=(writer, f"r{number}.{one}", trouble), daemon=True)
                for one, writer in enumerate(writers)
            ]
            for sender in senders:
                sender.start()
            time.sleep(random.uniform(0.05, 0.6))
            self.server.kill()
            for sender in senders:
                sender.join(30)
                self.assertFalse(sender.is_alive())
            self.assertEqual(trouble, [])
            self.server.start(patience=60)
        self.promises.check(120)
        print(f"{ROUNDS} kills: {len(self.promises.made)} recipients promised, none missing, "
              f"{self.promises.copies} twice; {(time.monotonic() - began) / ROUNDS:.2f} s a round")

    def _send(self, writer: smtplib.SMTP, mark: str, trouble: list[BaseException]) -> None:
        chance = random.Random(mark)
        number = 0
        try:
            while True:
                number += 1
                name = token(f"queue.{mark}", number, chance.choice((500, 5_000, 20_000, 300_000)))
                kinds = chance.choice((("x",), ("x",), ("x", "y", "later"), ("x", "no"), ("later",)))
                self.promises.submit(writer, name, *(f"{kind}{name.replace('.', '-')}@{DOMAIN}" for kind in kinds))
        except Gone:
            pass
        except Exception as error:  # noqa: BLE001  # the test looks at it
            trouble.append(error)
        finally:
            writer.close()
