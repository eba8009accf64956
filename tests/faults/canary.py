"""Somebody else's connection, while the server is under attack: how long does it wait for its answers?"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from tests.faults.wire import Gone, Imap

EVERY = 0.05


class Canary:
    """Says NOOP every 50 ms on an IMAP connection that was there before, and keeps the longest waits.

    ::

        with Canary(client) as canary:
            ... # attack
        canary.longest
    """

    def __init__(self, client: Imap) -> None:
        self._client = client
        self._stop = threading.Event()
        self._waits: list[float] = []
        self._trouble: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                self._client.must("NOOP")
                self._waits.append(time.monotonic() - began)
                self._stop.wait(EVERY)
        except (Gone, AssertionError) as error:
            self._trouble = error

    @property
    def longest(self) -> float:
        """Seconds of the longest wait for an answer."""
        if self._trouble is not None:
            raise AssertionError(f"the canary is dead: {self._trouble}")
        return max(self._waits)

    @property
    def usual(self) -> float:
        """Seconds of the median wait."""
        return sorted(self._waits)[len(self._waits) // 2]

    def __str__(self) -> str:
        return f"others waited {self.usual * 1000:.1f} ms, at most {self.longest * 1000:.0f} ms"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(30)
