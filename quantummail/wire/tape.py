"""The dialogue of one connection as it is recorded, from before it is known whose it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from twisted.logger import Logger

from quantummail.wire.transcript import Redaction

if TYPE_CHECKING:
    from quantummail.wire.recorder import Running

# Characters that wait until somebody has logged in
MAX_WAITING = 32_768


class Tape:
    """Takes what both sides say, and writes lines: time, listener, connection, who, what."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.wire")

    def __init__(self, about: str, redaction: type[Redaction], wall: Callable[[], float]) -> None:
        """:param about: listener and connection, as each line tells them."""
        self._about = about
        self._redaction = redaction(self._write)
        self._wall = wall
        self._waiting: list[str] | None = []
        self._waits = 0
        self._running: Running | None = None
        self._broken = False

    def heard(self, data: bytes) -> None:
        """The client has sent this."""
        self._take(self._redaction.heard, data)

    def said(self, data: bytes) -> None:
        """We have sent this."""
        self._take(self._redaction.said, data)

    def belongs(self, running: Running | None) -> None:
        """It is known whose dialogue this is, and where it is kept; None: nobody wants it."""
        waiting, self._waiting, self._running = self._waiting, None, running
        if running is not None:
            running.add("".join(waiting or ()))

    def note(self, text: str) -> None:
        """Something that neither side has said."""
        self._write("--", text)

    @property
    def wanted(self) -> bool:
        """Whether anything of it may still be kept."""
        return not self._broken and (self._waiting is not None or (self._running is not None and self._running.open))

    def _take(self, take: Callable[[bytes], None], data: bytes) -> None:
        if not self.wanted:
            return
        try:
            take(data)
        except Exception:  # noqa: BLE001  # the edge: no dialogue ends because it is recorded
            self.log.failure("a dialogue cannot be recorded any more about={about}", about=self._about)
            self._broken = True

    def _write(self, who: str, text: str) -> None:
        moment = datetime.fromtimestamp(self._wall(), UTC)
        line = f"{moment:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + f"Z {self._about} {who}: {text}\n"
        if self._running is not None:
            self._running.add(line)
        elif self._waiting is not None and self._waits < MAX_WAITING:
            self._waiting.append(line)
            self._waits += len(line)
