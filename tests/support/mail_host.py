"""A mail host for scenarios that takes everything, with a certificate for each name that it is asked for (SNI)."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Taken:
    """A message as it came."""

    mail: str
    """The whole MAIL command."""
    recipients: tuple[str, ...]
    encrypted: bool
    content: bytes


class MailHost:
    """Listens until it is closed.

    :param certificates: certificate and key by host name; other names get the first. Without any there is no STARTTLS.
    """

    def __init__(self, port: int, certificates: Mapping[str, tuple[Path, Path]]) -> None:
        self.taken: list[Taken] = []
        self.sessions = 0
        contexts = {name: _context(*pair) for name, pair in certificates.items()}
        self.context = next(iter(contexts.values()), None)
        if self.context is not None:
            fallback = self.context

            def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
                connection.context = contexts.get(name or "", fallback)

            self.context.sni_callback = choose
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def has(self, recipient: str) -> list[Taken]:
        """What came for a recipient."""
        return [one for one in self.taken if recipient in one.recipients]

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, place: tuple[str, int], host: MailHost) -> None:
        self.host = host
        super().__init__(place, _Session)


class _Session(socketserver.BaseRequestHandler):
    """One connection."""

    server: _Server

    def handle(self) -> None:
        self.server.host.sessions += 1
        self._encrypted, self._mail = False, ""
        self._recipients: list[str] = []
        try:
            self._begin()
            self._say("220 mail host")
            while (line := self._reading.readline()) and self._answer(line.decode("utf-8").strip()):
                pass
        except OSError:
            # clients hang up, above all those that do not like the certificate
            return

    def _begin(self) -> None:
        self._reading = self.request.makefile("rb")

    def _say(self, *lines: str) -> None:
        self.request.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def _answer(self, line: str) -> bool:
        verb = line.partition(" ")[0].upper()
        if verb == "EHLO":
            # RFC 8689 2: REQUIRETLS under TLS only
            offered = "REQUIRETLS" if self._encrypted else "STARTTLS" if self.server.host.context else "HELP"
            self._say("250-mail host", f"250 {offered}")
        elif verb == "STARTTLS":
            self._say("220 go ahead")
            assert self.server.host.context is not None
            self.request = self.server.host.context.wrap_socket(self.request, server_side=True)
            self._encrypted = True
            self._begin()
        elif verb == "DATA":
            self._say("354 go ahead")
            content = b""
            while (piece := self._reading.readline()) not in (b".\r\n", b""):
                content += piece
            self.server.host.taken.append(Taken(self._mail, tuple(self._recipients), self._encrypted, content))
            self._say("250 2.0.0 taken")
        else:
            if verb == "MAIL":
                self._mail, self._recipients = line, []
            elif verb == "RCPT":
                self._recipients.append(line.partition("<")[2].partition(">")[0])
            self._say("221 bye" if verb == "QUIT" else "250 2.0.0 ok")
        return verb != "QUIT"


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
