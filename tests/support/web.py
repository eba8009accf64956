"""A web server over TLS for scenarios: pages by name and path, and what was sent to it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class WebServer:
    """Serves until it is closed.

    :param certificates: certificate and key by host name; other names get the first.
    """

    def __init__(self, port: int, certificates: Mapping[str, tuple[Path, Path]]) -> None:
        self.pages: dict[str, tuple[int, str, bytes]] = {}
        """Status, type and content by ``host/path``."""
        self.asked: list[str] = []
        """Method and ``host/path`` of each request."""
        self.posted: dict[str, bytes] = {}
        contexts = {name: _context(*pair) for name, pair in certificates.items()}
        context = next(iter(contexts.values()))

        def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = contexts.get(name or "", context)

        context.sni_callback = choose
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._answers())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _answers(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # http.server's name
                self._answer()

            def do_POST(self) -> None:  # http.server's name
                self._answer(self.rfile.read(int(self.headers["Content-Length"])))

            def _answer(self, content: bytes = b"") -> None:
                name = self.headers["Host"].partition(":")[0] + self.path
                web.asked.append(f"{self.command} {name}")
                if content:
                    web.posted[name] = content
                status, kind, page = web.pages.get(name, (404, "text/plain", b""))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
                """Tests look at `asked`."""

        return Answers

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
