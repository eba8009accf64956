"""The other side of the queue: a server that writes down every message before it says that it has it."""

from __future__ import annotations

import contextlib
import re
import socketserver
import threading
from collections import Counter

_TOKEN = re.compile(rb"^Message-ID: <([a-z0-9.]+)@ledger>\r\n", re.MULTILINE)
_PATH = re.compile(rb"(?:FROM|TO):<([^>]*)>", re.IGNORECASE)


class Sink(socketserver.ThreadingTCPServer):
    """Listens until the block ends. `no*` is refused for good, `later*` for now, the first time a message comes.

    Counts what it took, by token and recipient.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 100

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Client)
        self.port = port
        self.lock = threading.Lock()
        self.taken: Counter[tuple[str, str]] = Counter()
        self.asked: Counter[str] = Counter()
        self.busy = False
        """Whether everything is refused for now."""
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self.shutdown()
        self.server_close()

    def answer(self, recipient: str) -> bytes:
        """The answer to RCPT."""
        with self.lock:
            self.asked[recipient] += 1
            first = self.asked[recipient] == 1
        if self.busy:
            return b"451 4.3.2 busy\r\n"
        if recipient.startswith("no"):
            return b"550 5.1.1 nobody here\r\n"
        return b"451 4.3.0 later\r\n" if recipient.startswith("later") and first else b"250 2.1.5 ok\r\n"

    def take(self, octets: bytes, recipients: list[str]) -> None:
        """A message is there: it counts before its sender hears of it."""
        found = _TOKEN.search(octets)
        with self.lock:
            for recipient in recipients:
                self.taken[found[1].decode() if found else "?", recipient] += 1


class _Client(socketserver.StreamRequestHandler):
    """One connection."""

    server: Sink
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answer until it ends."""
        with contextlib.suppress(OSError):
            # until the server is killed
            self._serve()

    def _serve(self) -> None:
        recipients: list[str] = []
        self.wfile.write(b"220 sink.test ESMTP\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.wfile.write(b"250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == b"RCPT":
                found = _PATH.search(line)
                recipient = found[1].decode() if found else ""
                answer = self.server.answer(recipient)
                if answer.startswith(b"250"):
                    recipients.append(recipient)
                self.wfile.write(answer)
            elif verb == b"DATA" and recipients:
                self.wfile.write(b"354 go on\r\n")
                octets = self._message()
                if octets is None:
                    return
                self.server.take(octets, recipients)
                self.wfile.write(b"250 2.0.0 taken\r\n")
                recipients = []
            elif verb == b"DATA":
                self.wfile.write(b"554 5.5.1 no recipients\r\n")
            elif verb == b"QUIT":
                self.wfile.write(b"221 2.0.0 bye\r\n")
                return
            else:
                recipients = recipients if verb == b"NOOP" else []
                self.wfile.write(b"250 2.0.0 ok\r\n")

    def _message(self) -> bytes | None:
        """The octets up to the final dot; None if they do not end."""
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line.endswith(b"\r\n"):
                return None
            lines.append(line)
        return b"".join(lines)
