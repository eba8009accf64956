"""Webhooks and source addresses, with a web server of our own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import smtplib
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.scenarios.case import HOST, Scenario, simple_message
from tests.support.server import free_ports


class _Told(BaseHTTPRequestHandler):
    """Keeps what it is told; chooses sources of mail at /source."""

    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = b""
        if self.path == "/source":
            self.server.asked.append(json.loads(body))
            answer = b'{"ip": "127.0.0.4", "name": "chosen.test"}'
        else:
            self.server.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status if self.path != "/source" else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_words: object) -> None:
        """Nothing on stderr."""


class WebTestCase(Scenario):
    """A server of its own, and a web server beside it."""

    own_server = True
    users = ("alice",)
    more: dict[str, str] = {}
    port: int

    @classmethod
    def setUpClass(cls) -> None:
        (cls.port, dead) = free_ports(2)
        cls.settings = {
            "webhooks": {"plain_http": "yes", "ports": str(cls.port), "private_networks": "127.0.0.0/8",
                         "first_retry": "1s", "retries": "20", "longest_wait": "2s"},
            "sending": {"routes": f"example.net smtp://127.0.0.1:{dead}", "sources": "x.test out.test 127.0.0.3",
                        **{key: value.replace("PORT", str(cls.port)) for key, value in cls.more.items()}},
        }
        super().setUpClass()

    def web(self, status: int = 204) -> Any:
        """The web server, until the end of the test."""
        server: Any = ThreadingHTTPServer(("127.0.0.1", self.port), _Told)
        server.told, server.asked, server.status = [], [], status
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def submit(self, recipient: str) -> None:
        """Alice writes."""
        with smtplib.SMTP(HOST, self.server.ports["submission"], timeout=30) as smtp:
            smtp.starttls(context=self.tls)
            smtp.login(self.address("alice"), self.password("alice"))
            smtp.sendmail(self.address("alice"), [recipient], simple_message(From=self.address("alice"), To=recipient))


class WebhookTests(WebTestCase):
    """What is told."""

    def test_told(self) -> None:
        """A webhook made while the server runs is told within seconds, signed, also over a kill."""
        done = self.server.command("webhook", "add", f"http://127.0.0.1:{self.port}/hook", "--domain", "example.test")
        secret = base64.b64decode(done.stdout.partition("whsec_")[2].strip())
        (hook,) = json.loads(self.server.command("webhook", "list", "--json").stdout)
        self.assertEqual((hook["domain"], len(hook["events"])), ("example.test", 4))
        self.assertNotIn("secret", hook)
        self.server.stop()
        self.server.start(60)
        self.deliver(simple_message("one"))
        self.submit("bob@example.net")
        self.eventually(lambda: len(self.history()) >= 2)
        self.server.kill()
        web = self.web()
        self.server.start(60)
        self.eventually(lambda: {kind for kind, state in self.history() if state == "delivered"} >= {
            "received", "deferred"}, 30)
        for headers, body in web.told:
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            self.assertEqual(headers["webhook-signature"], "v1," + base64.b64encode(
                hmac.new(secret, signed, hashlib.sha256).digest()).decode())
        kinds = {json.loads(body)["type"] for _, body in web.told}
        self.assertLessEqual({"message.received", "message.deferred"}, kinds)
        self.assertEqual(self.server.command("webhook", "delete", str(hook["id"])).returncode, 0)
        self.assertEqual(self.history(), [])

    def history(self) -> list[tuple[str, str]]:
        """Types and states of events."""
        found = json.loads(self.server.command("webhook", "history", "--json").stdout)
        return [(one["type"], one["state"]) for one in found]

    def test_refused(self) -> None:
        """What may not be asked, or whose mail there is not, is refused by the command."""
        for words, code in (
            (("http://127.0.0.1:1/",), 65), (("ftp://x.test/",), 65), (("nonsense",), 65),
            ((f"http://127.0.0.1:{self.port}/", "--events", "read"), 65),
            ((f"http://127.0.0.1:{self.port}/", "--account", "nobody@example.test"), 67),
            ((f"http://127.0.0.1:{self.port}/", "--domain", "nowhere.test"), 67),
        ):
            self.assertEqual(self.server.command("webhook", "add", *words, check=False).returncode, code, words)
        self.assertEqual(self.server.command("webhook", "delete", "99", check=False).returncode, 65)


class SourceTests(WebTestCase):
    """A service chooses where mail goes out from."""

    more = {"source_url": "http://127.0.0.1:PORT/source"}

    def test_chosen(self) -> None:
        """It is asked once, its address is used, and stands in the history; without it the rules hold."""
        web = self.web()
        sources: list[str] = []
        for recipient in ("a@example.net", "b@example.net"):
            self.submit(recipient)
        sources = self.eventually(lambda: self.sources() if "127.0.0.4" in self.sources() else [])
        self.assertEqual(set(sources), {"127.0.0.4"})
        self.assertEqual([one["domain"] for one in web.asked][:1], [web.asked[0]["domain"]])
        self.assertEqual(web.asked[0]["sender"], "alice@example.test")

    def sources(self) -> list[str]:
        """Our addresses in all attempts."""
        found = []
        for entry in json.loads(self.server.command("queue", "list", "--json").stdout):
            (shown,) = json.loads(self.server.command("queue", "show", entry["id"], "--json").stdout)
            found += [attempt["source"] for attempt in shown["history"]]
        return found


class ConfigurationTests(Scenario):
    """Routes and sources that cannot be understood."""

    own_server = True
    users = ()

    def test_refused(self) -> None:
        """check-config tells all of them, and the server ends with 78 and the same words."""
        text = self.server.config_path.read_text()
        self.server.config_path.write_text(text + "\n[sending]\nroutes = a.test nonsense://x\nsources = a b\n")
        self.addCleanup(self.server.config_path.write_text, text)
        self.server.stop()
        for command in ("check-config", "serve"):
            done = self.server.command(command, check=False)
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertIn("[sending] routes = a.test nonsense://x: ", done.stderr)
            self.assertNotIn("Traceback", done.stderr)

    def test_network(self) -> None:
        """check-config --network asks for names; here nobody answers for an address that is nobody's."""
        text = self.server.config_path.read_text()
        self.server.config_path.write_text(
            text + "\n[sending]\nipv4 = 192.0.2.1\n[dns]\nservers = 127.0.0.1:9\ntimeout = 0.2s\n")
        self.addCleanup(self.server.config_path.write_text, text)
        done: subprocess.CompletedProcess[str] = self.server.command("check-config", "--network")
        self.assertIn("192.0.2.1 is no address of this machine", done.stderr)
        self.assertIn("cannot be looked up", done.stderr)
