"""LMTP from another mail server: an answer for each recipient, by TCP, TLS and a unix socket."""

from __future__ import annotations

import smtplib
import socket
import ssl

from tests.scenarios.case import HOST, STRANGER, Scenario, simple_message
from tests.support.programs import run
from tests.support.server import free_ports

LMTPS_PORT = free_ports(1)[0]
MESSAGE = simple_message("by lmtp")


class LMTPS(smtplib.LMTP):
    """smtplib's LMTP over TLS from the start."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(HOST, LMTPS_PORT, "client.example.net")

    def _get_socket(self, host: str, port: int, timeout: float) -> ssl.SSLSocket:
        # what smtplib.SMTP_SSL does at this place
        return self._context.wrap_socket(socket.create_connection((host, port), timeout), server_hostname=host)


class Lmtp(Scenario):
    """Several recipients, one of them unknown."""

    settings = {"lmtps": {"listen": f"127.0.0.1:{LMTPS_PORT}", "max_connections_per_client": "0"}}

    def hand_over(self, client: smtplib.LMTP, protocol: bytes) -> None:
        """Send to alice, nobody and bob; look at each answer, and into each mailbox."""
        self.addCleanup(client.close)
        client.ehlo_or_helo_if_needed()
        client.mail(STRANGER)
        answers = [client.rcpt(self.address(user))[0] for user in ("alice", "nobody", "bob")]
        self.assertEqual(answers, [250, 550, 250])
        client.putcmd("data")
        self.assertEqual(client.getreply()[0], 354)
        client.send(MESSAGE + b".\r\n")
        codes = [client.getreply()[0], client.getreply()[0]]
        self.assertEqual(codes, [250, 250])
        self.assertEqual(client.noop()[0], 250)
        for user in self.users:
            (stored,) = self.inbox(user)
            self.assertDelivered(stored, MESSAGE)
            self.assertIn(b" with " + protocol + b" id ", stored)

    def test_tcp(self) -> None:
        """LMTP over TCP."""
        self.hand_over(smtplib.LMTP(HOST, self.server.ports["lmtp"], "client.example.net"), b"LMTP")

    def test_unix(self) -> None:
        """LMTP over a unix socket."""
        self.hand_over(smtplib.LMTP(str(self.server.lmtp_socket), local_hostname="client.example.net"), b"LMTP")

    def test_starttls(self) -> None:
        """LMTP with STARTTLS."""
        client = smtplib.LMTP(HOST, self.server.ports["lmtp"], "client.example.net")
        client.starttls(context=self.tls)
        self.hand_over(client, b"LMTPS")

    def test_tls(self) -> None:
        """LMTP over TLS from the start."""
        self.hand_over(LMTPS(self.tls), b"LMTPS")

    def test_swaks(self) -> None:
        """swaks hands over to the unix socket."""
        said = run("swaks", "--protocol", "LMTP", "--socket", self.server.lmtp_socket, "--from", STRANGER,
                   "--to", f"{self.address('alice')},{self.address('bob')}")
        self.assertIn("LHLO", said)
        self.assertEqual([len(self.inbox(user)) for user in self.users], [1, 1])

    def test_all_unknown(self) -> None:
        """With no known recipient there is nothing to send: 503 for DATA."""
        client = smtplib.LMTP(str(self.server.lmtp_socket), local_hostname="client.example.net")
        self.addCleanup(client.close)
        client.ehlo_or_helo_if_needed()
        client.mail(STRANGER)
        self.assertEqual(client.rcpt("nobody@example.test")[0], 550)
        self.assertEqual(client.docmd("DATA")[0], 503)

    def test_ehlo_is_refused(self) -> None:
        """RFC 2033 4.1: HELO and EHLO are not for LMTP."""
        client = smtplib.LMTP(str(self.server.lmtp_socket))
        self.addCleanup(client.close)
        self.assertEqual(client.docmd("EHLO", "client.example.net")[0], 500)
