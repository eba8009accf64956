"""TLS as openssl s_client sees it, and a new certificate while clients are connected."""

from __future__ import annotations

import signal
import ssl

from quantummail.tls import selfsigned
from tests.scenarios.case import HOST, Scenario, simple_message
from tests.support.programs import run

IMPLICIT = {"submissions": "220 ", "imaps": "* OK", "pop3s": "+OK"}
STARTTLS = {"smtp": "smtp", "submission": "smtp", "imap": "imap", "pop3": "pop3", "lmtp": "lmtp"}
END = {"smtp": "QUIT\n", "submission": "QUIT\n", "submissions": "QUIT\n", "lmtp": "QUIT\n", "pop3": "QUIT\n",
       "pop3s": "QUIT\n", "imap": "a LOGOUT\n", "imaps": "a LOGOUT\n"}


class OpenSSL(Scenario):
    """openssl s_client against every port."""

    users = ("alice",)

    def s_client(self, listener: str, *options: str, code: int | None = 0) -> str:
        """Connect, verify the certificate for localhost, say goodbye."""
        starttls = ("-starttls", STARTTLS[listener], "-name", "client.example.net") if listener in STARTTLS else ()
        return run(
            "openssl", "s_client", "-connect", f"{HOST}:{self.server.ports[listener]}", "-CAfile",
            self.server.certificate, "-verify_return_error", "-verify_hostname", HOST, "-crlf", "-ign_eof",
            *starttls, *options, text=END[listener], code=code)

    def test_implicit(self) -> None:
        """465, 993 and 995 speak TLS 1.3 from the first octet, then greet."""
        for listener, greeting in IMPLICIT.items():
            with self.subTest(listener):
                said = self.s_client(listener)
                self.assertIn("Verify return code: 0 (ok)", said)
                self.assertIn("TLSv1.3", said)
                self.assertIn(f"\n{greeting}", said)

    def test_starttls(self) -> None:
        """STARTTLS by openssl's own client for SMTP, LMTP, IMAP and POP3."""
        for listener in STARTTLS:
            with self.subTest(listener):
                said = self.s_client(listener)
                self.assertIn("Verify return code: 0 (ok)", said)
                self.assertIn("TLSv1.3", said)

    def test_tls12(self) -> None:
        """TLS 1.2 is spoken with forward secrecy and authenticated encryption only."""
        self.assertRegex(self.s_client("imaps", "-tls1_2"), r"Cipher +(is|:) ECDHE-ECDSA-(AES...-GCM|CHACHA20)")
        said = self.s_client("imaps", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA256",
                             code=None)
        self.assertIn("handshake failure", said)

    def test_tls11(self) -> None:
        """Older versions are refused on every port."""
        for listener in IMPLICIT:
            with self.subTest(listener):
                said = self.s_client(listener, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", code=None)
                self.assertIn("alert protocol version", said)

    def test_pipelined_into_starttls(self) -> None:
        """Commands that come with STARTTLS in one piece are not taken into the session under TLS."""
        client = self.smtp()
        client.send(b"STARTTLS\r\nNOOP\r\n")
        code, _ = client.getreply()
        self.assertNotEqual(code, 220)


class Reload(Scenario):
    """SIGHUP."""

    users = ("alice",)

    def shown(self) -> bytes:
        """The certificate that a new client gets."""
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((HOST, self.server.ports["imaps"]))).strip()

    def test_new_certificate(self) -> None:
        """Sessions go on, also in the middle of a message; new clients see the new certificate."""
        before = self.shown()
        imap = self.imap()
        imap.select()
        smtp = self.smtp()
        smtp.starttls(context=self.tls)
        smtp.ehlo()
        smtp.mail("friend@example.net")
        smtp.rcpt(self.address("alice"))
        self.assertEqual(smtp.docmd("DATA")[0], 354)
        smtp.send(b"Subject: in two halves\r\n")

        key = self.server.certificate.with_name("private_key.pem")
        for path in (self.server.certificate, key):
            path.unlink()
        selfsigned.make(f"mail.{self.server.domain}", self.server.certificate, key)
        assert self.server.process is not None
        self.server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "certificates reloaded" in self.server.log())

        self.assertNotEqual(self.shown(), before)
        smtp.send(b"\r\nthe second half\r\n.\r\n")
        self.assertEqual(smtp.getreply()[0], 250)
        self.assertEqual(imap.noop()[0], "OK")
        self.assertEqual(imap.response("EXISTS")[1][-1], b"1")
        self.assertIn(b"the second half", self.inbox()[0])

    def test_broken_certificate(self) -> None:
        """A certificate that cannot be read changes nothing, and the log says which file."""
        before, text = self.shown(), self.server.certificate.read_bytes()
        self.server.certificate.write_bytes(b"not a certificate")
        self.addCleanup(self.server.certificate.write_bytes, text)
        assert self.server.process is not None
        self.server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "certificates not reloaded" in self.server.log())
        self.assertEqual(self.shown(), before)
        self.server.certificate.write_bytes(text)
        self.deliver(simple_message())
        self.assertEqual(len(self.inbox()), 1)
