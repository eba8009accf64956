"""What is said before TLS: injected commands (CVE-2011-0411, CVE-2021-33515), passwords in clear, stripping."""

from __future__ import annotations

import base64

from tests.faults.case import FaultCase
from tests.faults.wire import Gone, Imap, Pop3, Smtp


class InjectionTests(FaultCase):
    """Octets behind STARTTLS in plain text are never read as if they had come under TLS."""

    def _smtp(self, listener: str, verb: str, *, together: bool) -> None:
        client = self.smtp(listener)
        injected = b"NOOP injected\r\nMAIL FROM:<injected@example.net>\r\n"
        if together:
            client.send(b"STARTTLS\r\n" + injected)
            self.assertNotEqual(client.reply()[0], 220)
            self.assertEqual(client.rest(), b"")
            return
        # the server's answer is on its way, and so is more: nothing of it may outlive the handshake
        self.assertEqual(client.say("STARTTLS")[0], 220)
        client.start_tls()
        self.assertTrue(client.silent(0.05))
        self.assertEqual(client.say("MAIL FROM:<a@example.net>")[0], 503)
        self.assertEqual(client.say(f"{verb} client.example.net")[0], 250)

    def test_smtp(self) -> None:
        """SMTP: commands behind STARTTLS end the connection unanswered; the greeting before TLS is forgotten."""
        self._smtp("smtp", "EHLO", together=True)
        self._smtp("smtp", "EHLO", together=False)

    def test_submission(self) -> None:
        """Submission: the same."""
        self._smtp("submission", "EHLO", together=True)
        self._smtp("submission", "EHLO", together=False)

    def test_lmtp(self) -> None:
        """LMTP: the same."""
        self._smtp("lmtp", "LHLO", together=True)
        self._smtp("lmtp", "LHLO", together=False)

    def test_imap(self) -> None:
        """IMAP: commands behind STARTTLS end the connection, and are not answered by tag before or after it."""
        client = Imap(self.server.ports["imap"])
        client.send(b"a STARTTLS\r\nb NOOP\r\nc LOGIN a b\r\n")
        said = client.rest()
        self.assertNotIn(b"a OK", said)
        self.assertNotIn(b"b ", said.replace(b"BYE ", b""))
        self.assertNotIn(b"c ", said)

    def test_imap_state(self) -> None:
        """IMAP: who logged in before STARTTLS is told that it is too late; after TLS capabilities are read anew."""
        client = self.imap()
        self.assertIn(client.say("STARTTLS").status, ("BAD", "NO"))
        fresh = Imap(self.server.ports["imap"])
        fresh.must("STARTTLS")
        fresh.start_tls()
        self.assertTrue(fresh.silent(0.05))
        self.assertNotIn(b"STARTTLS", b"".join(fresh.must("CAPABILITY").untagged))

    def test_pop3(self) -> None:
        """POP3: commands behind STLS end the connection; a USER said before the handshake is forgotten."""
        client = Pop3(self.server.ports["pop3"])
        client.send(b"STLS\r\nCAPA\r\n")
        said = client.rest()
        self.assertNotIn(b"+OK", said)
        self.assertNotIn(b"TOP", said)
        other = Pop3(self.server.ports["pop3"])
        other.must("USER alice@example.test")
        other.must("STLS")
        other.start_tls()
        password = self.server.passwords["alice@example.test"]
        self.assertEqual(other.say(f"PASS {password}")[:4], b"-ERR")

    def test_half_a_handshake(self) -> None:
        """A client that sends rubbish instead of a handshake harms nobody else."""
        for listener, command in (("smtp", b"STARTTLS"), ("imap", b"a STARTTLS"), ("pop3", b"STLS")):
            client = Smtp(self.server.ports[listener])
            client.line()
            if listener == "smtp":
                client.say("EHLO client.example.net")
            client.send(command + b"\r\n")
            client.line()
            client.send(b"NOOP\r\n" * 100)
            try:
                client.rest()
            finally:
                client.close()
        self.assertTrue(self.imap().must("NOOP").ok)


class ClearPasswordTests(FaultCase):
    """By default no password is taken without TLS, nor asked for."""

    settings = {}

    def _plain(self) -> str:
        password = self.server.passwords["alice@example.test"]
        return base64.b64encode(f"\0alice@example.test\0{password}".encode()).decode()

    def test_submission(self) -> None:
        """Submission: AUTH is not offered before TLS, and refused with 538 or 530, the right password too."""
        client = Smtp(self.server.ports["submission"])
        self.addCleanup(client.close)
        self.assertNotIn("AUTH", client.hello())
        self.assertIn(client.say(f"AUTH PLAIN {self._plain()}")[0], (530, 538))
        self.assertEqual(client.say("MAIL FROM:<alice@example.test>")[0], 530)
        client.say("STARTTLS")
        client.start_tls()
        self.assertIn("AUTH", client.say("EHLO client.example.net")[1])
        self.assertEqual(client.say(f"AUTH PLAIN {self._plain()}")[0], 235)

    def test_port_25(self) -> None:
        """Port 25 and LMTP have no AUTH at all, with TLS or without."""
        for listener, verb in (("smtp", "EHLO"), ("lmtp", "LHLO")):
            client = Smtp(self.server.ports[listener])
            self.addCleanup(client.close)
            self.assertNotIn("AUTH", client.hello(verb))
            client.say("STARTTLS")
            client.start_tls()
            self.assertNotIn("AUTH", client.say(f"{verb} client.example.net")[1])
            self.assertIn(client.say(f"AUTH PLAIN {self._plain()}")[0], (502, 503, 504))

    def test_imap(self) -> None:
        """IMAP: LOGINDISABLED is shown, LOGIN and AUTHENTICATE are refused with PRIVACYREQUIRED."""
        client = Imap(self.server.ports["imap"])
        self.addCleanup(client.close)
        self.assertIn(b"LOGINDISABLED", client.greeting + b"".join(client.must("CAPABILITY").untagged))
        password = self.server.passwords["alice@example.test"]
        for command in (f'LOGIN alice@example.test "{password}"', f"AUTHENTICATE PLAIN {self._plain()}"):
            response = client.say(command)
            self.assertEqual((response.status, response.text[:17]), ("NO", "[PRIVACYREQUIRED]"), command)
        client.must("STARTTLS")
        client.start_tls()
        client.must(f'LOGIN alice@example.test "{password}"')

    def test_pop3(self) -> None:
        """POP3: USER and SASL are not offered before TLS, and refused."""
        client = Pop3(self.server.ports["pop3"])
        self.addCleanup(client.close)
        client.must("CAPA")
        offered = b"".join(client.lines())
        self.assertNotIn(b"\r\nUSER", b"\r\n" + offered)
        self.assertNotIn(b"SASL", offered)
        self.assertEqual(client.say("USER alice@example.test")[:4], b"-ERR")
        self.assertEqual(client.say(f"AUTH PLAIN {self._plain()}")[:4], b"-ERR")

    def test_passwords_are_not_logged(self) -> None:
        """A password is in no log, whichever way it was tried."""
        self.test_imap()
        self.test_submission()
        log = self.server.log()
        self.assertNotIn(self.server.passwords["alice@example.test"], log)
        self.assertNotIn(self._plain(), log)


class DroppedTests(FaultCase):
    """Connections that end where it hurts."""

    def test_gone_in_the_middle(self) -> None:
        """Clients that vanish in the middle of DATA, a literal, a challenge or a handshake leave nothing behind."""
        beginnings = (
            ("smtp", b"EHLO a\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: half"),
            ("smtp", b"EHLO a\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<alice@example.test>\r\nBDAT 1000 LAST\r\nSubject: half"),
            ("imap", b"a AUTHENTICATE PLAIN\r\n"), ("imap", b"a LOGIN {5}\r\nab"), ("imaps", b"\x16\x03\x01\x02"),
            ("pop3", b"AUTH PLAIN\r\n"), ("submissions", b"EHLO plain\r\n"),
        )
        for listener, octets in beginnings * 3:
            client = Smtp(self.server.ports[listener])
            client.send(octets)
            if listener not in ("imaps", "submissions"):
                client.line()
            client.close()
        with self.assertRaises(Gone):
            client = Smtp(self.server.ports["submissions"])
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            client.line()
        self.assertEqual(self.bodies(), {})
        self.assertNotIn("Traceback", self.server.log())
        self.assertNotIn("unexpected error", self.server.log())
