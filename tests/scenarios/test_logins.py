"""Ways to log in other than passwords in the clear, with clients and servers that we did not write."""

from __future__ import annotations

import base64
import imaplib
import json
import poplib
import smtplib
import ssl
import tempfile
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs

from OpenSSL import SSL

from tests.auth.certificates import Authority
from tests.scenarios.case import HOST, Scenario
from tests.support.programs import needs, run
from tests.support.scram import ScramClient


class Proving(Scenario):
    """SCRAM-SHA-256: accounts that were made by commands have keys."""

    def gsasl(self, *arguments: str, password: str = "") -> str:
        """GNU SASL's client, at IMAP with STARTTLS."""
        return run("gsasl", "--client", "--imap", f"--connect={HOST}:{self.server.ports['imap']}",
                   f"--x509-ca-file={self.server.certificate}", f"--authentication-id={self.address('alice')}",
                   f"--password={password or self.password('alice')}", "--quiet", *arguments, code=None)

    @needs("gsasl")
    def test_gsasl(self) -> None:
        """GNU SASL proves the password, and checks that we know it."""
        self.assertIn("Logged in", self.gsasl("--mechanism=SCRAM-SHA-256", "--no-cb"))

    @needs("gsasl")
    def test_gsasl_binds(self) -> None:
        """And binds that to TLS as GnuTLS sees it."""
        self.assertIn("Logged in", self.gsasl("--mechanism=SCRAM-SHA-256-PLUS"))

    @needs("gsasl")
    def test_gsasl_wrong(self) -> None:
        """A wrong password is refused."""
        said = self.gsasl("--mechanism=SCRAM-SHA-256", "--no-cb", password="wrong")
        self.assertIn("[AUTHENTICATIONFAILED]", said)

    def test_smtp(self) -> None:
        """At submission, where AUTH ends in 235."""
        client = ScramClient(self.address("alice"), self.password("alice"))

        def respond(challenge: bytes | None = None) -> str:
            if challenge is None:
                return client.first().decode()
            if challenge.startswith(b"v="):
                client.verify(challenge)
                return ""
            return client.final(challenge).decode()

        with smtplib.SMTP(HOST, self.server.ports["submission"]) as smtp:
            smtp.starttls(context=self.tls)
            smtp.ehlo()
            self.assertIn("SCRAM-SHA-256-PLUS SCRAM-SHA-256", smtp.esmtp_features["auth"])
            smtp.user = smtp.password = ""
            self.assertEqual(smtp.auth("SCRAM-SHA-256", respond)[0], 235)

    def test_pop3(self) -> None:
        """And at POP3."""
        client = ScramClient(self.address("bob"), self.password("bob"))
        pop3 = poplib.POP3_SSL(HOST, self.server.ports["pop3s"], context=self.tls)
        self.addCleanup(pop3.close)
        first = base64.b64encode(client.first()).decode()
        challenge = base64.b64decode(pop3._shortcmd(f"AUTH SCRAM-SHA-256 {first}")[2:])  # type: ignore[attr-defined]  # poplib has no AUTH
        signature = base64.b64decode(pop3._shortcmd(base64.b64encode(client.final(challenge)).decode())[2:])  # type: ignore[attr-defined]  # see above
        client.verify(signature)
        self.assertTrue(pop3._shortcmd("").startswith(b"+OK"))  # type: ignore[attr-defined]  # see above

    def test_twelve(self) -> None:
        """Under TLS 1.2 PLUS is not offered, which most clients would bind in a way that is not sound."""
        context = self.tls
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        imap = imaplib.IMAP4_SSL(HOST, self.server.ports["imaps"], ssl_context=context)
        self.addCleanup(imap.shutdown)
        self.assertIn("AUTH=SCRAM-SHA-256", imap.capabilities)
        self.assertNotIn("AUTH=SCRAM-SHA-256-PLUS", imap.capabilities)


class Certified(Scenario):
    """EXTERNAL: a client certificate that an authority of ours has signed."""

    directory: ClassVar[Path]
    own_server = True

    @classmethod
    def setUpClass(cls) -> None:
        place = tempfile.TemporaryDirectory(prefix="quantummail-test-")
        cls.addClassCleanup(place.cleanup)
        cls.directory = Path(place.name)
        authority = Authority()
        cls.settings = {"tls": {"client_ca": str(authority.write(cls.directory / "ca.pem"))}}
        authority.issue(cls.directory / "alice.pem", "alice@example.test")
        Authority("Stranger").issue(cls.directory / "stranger.pem", "alice@example.test")
        super().setUpClass()

    def curl(self, *arguments: str, code: int = 0) -> str:
        """curl at IMAP with TLS from the start."""
        return run("curl", "-sSv", "--cacert", self.server.certificate, *arguments,
                   "--request", "NOOP", f"imaps://{HOST}:{self.server.ports['imaps']}/", code=code)

    @needs("curl")
    def test_curl(self) -> None:
        """curl logs in with the certificate and without a password."""
        said = self.curl("--cert", str(self.directory / "alice.pem"), "--user", "alice@example.test:",
                         "--login-options", "AUTH=EXTERNAL", "--sasl-ir")
        self.assertIn("AUTHENTICATE EXTERNAL", said)
        self.assertIn("Logged in", said)

    def offered(self, identity: str = "") -> tuple[str, ...]:
        """What the greeting lists for a client with this certificate."""
        context = self.tls
        if identity:
            context.load_cert_chain(self.directory / identity)
        with imaplib.IMAP4_SSL(HOST, self.server.ports["imaps"], ssl_context=context) as imap:
            if identity == "stranger.pem":
                imap.login("alice@example.test", self.password("alice"))
            return tuple(word for word in imap.welcome.decode().split() if word.startswith("AUTH="))

    def test_offer(self) -> None:
        """EXTERNAL is offered to who can use it, and to nobody else; a strange certificate does no harm."""
        self.assertIn("AUTH=EXTERNAL", self.offered("alice.pem"))
        self.assertNotIn("AUTH=EXTERNAL", self.offered())
        self.assertNotIn("AUTH=EXTERNAL", self.offered("stranger.pem"))

    def test_not_asked_on_port_25(self) -> None:
        """Where nobody logs in, nobody is asked for a certificate."""
        asked = []
        for listener in ("smtp", "submission"):
            with smtplib.SMTP(HOST, self.server.ports[listener]) as smtp:
                smtp.ehlo()
                smtp.docmd("STARTTLS")
                context = SSL.Context(SSL.TLS_CLIENT_METHOD)
                assert smtp.sock is not None
                smtp.sock.setblocking(True)
                connection = SSL.Connection(context, smtp.sock)
                connection.set_connect_state()
                connection.do_handshake()
                asked.append(bool(connection.get_client_ca_list()))
                smtp.sock = None
        self.assertEqual(asked, [False, True])


class AuthorizationServer(BaseHTTPRequestHandler):
    """Knows one token."""

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        claims: Mapping[str, Any] = {"active": False}
        if self.headers["Authorization"] == "Basic " + base64.b64encode(b"qm:geheim").decode():
            if form["token"] == ["good-token"]:
                claims = {"active": True, "username": "alice@example.test", "scope": "openid mail"}
            self.send_response(200)
        else:
            self.send_response(401)
        body = json.dumps(claims).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Nothing."""


class Tokens(Scenario):
    """OAUTHBEARER and XOAUTH2, with an authorization server on this machine."""

    own_server = True

    @classmethod
    def setUpClass(cls) -> None:
        service = ThreadingHTTPServer(("127.0.0.1", 0), AuthorizationServer)
        thread = threading.Thread(target=service.serve_forever, daemon=True)
        thread.start()
        cls.addClassCleanup(service.server_close)
        cls.addClassCleanup(service.shutdown)
        cls.settings = {"oauth": {
            "introspection_url": f"http://127.0.0.1:{service.server_address[1]}/introspect", "client_id": "qm",
            "client_secret": "geheim", "scopes": "mail"}}
        super().setUpClass()

    def stranger(self) -> imaplib.IMAP4_SSL:
        """A client that has not logged in."""
        imap = imaplib.IMAP4_SSL(HOST, self.server.ports["imaps"], ssl_context=self.tls)
        self.addCleanup(imap.shutdown)
        return imap

    @needs("curl")
    def test_curl(self) -> None:
        """curl brings a token, by each mechanism, to IMAP, POP3 and submission."""
        for listener, scheme, path in (("imaps", "imaps", "/"), ("pop3s", "pop3s", "/"),
                                       ("submissions", "smtps", "/client.example")):
            for mechanism in ("OAUTHBEARER", "XOAUTH2"):
                more = ("--mail-from", "alice@example.test", "--mail-rcpt", "bob@example.test", "--upload-file", "-") \
                    if scheme == "smtps" else ()
                said = run("curl", "-sSv", "--cacert", self.server.certificate, "--user", "alice@example.test",
                           "--oauth2-bearer", "good-token", "--login-options", f"AUTH={mechanism}", "--sasl-ir", *more,
                           f"{scheme}://{HOST}:{self.server.ports[listener]}{path}",
                           text="Subject: x\r\n\r\ny\r\n", code=None)
                self.assertIn({"imaps": "Logged in", "pop3s": "+OK 0 messages", "smtps": "235 2.7.0"}[scheme], said)

    def failing(self, mechanism: str, first: bytes) -> list[bytes]:
        """The challenges of a login that fails."""
        said: list[bytes] = []

        def respond(challenge: bytes) -> bytes:
            said.append(challenge)
            return first if len(said) == 1 else b"\1"

        imap = self.stranger()
        with self.assertRaisesRegex(imaplib.IMAP4.error, "AUTHENTICATIONFAILED"):
            imap.authenticate(mechanism, respond)
        return said

    def test_bad_token(self) -> None:
        """A bad token is told why before the login fails."""
        said = self.failing("OAUTHBEARER", b"n,,\1auth=Bearer bad-token\1\1")
        self.assertEqual(json.loads(said[1]), {"status": "invalid_token", "scope": "mail"})
        said = self.failing("XOAUTH2", b"user=bob@example.test\1auth=Bearer good-token\1\1")
        self.assertEqual(json.loads(said[1])["status"], "401")
