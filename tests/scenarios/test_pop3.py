"""POP3 as fetchmail, mpop, getmail, curl and poplib use it. What is deleted is gone after QUIT, and not before."""

from __future__ import annotations

import poplib
import sys

from tests.scenarios.case import HOST, Scenario, simple_message
from tests.support.programs import run

FIRST, SECOND = simple_message("first"), simple_message("second", ".a dot\r\n..two dots\r\n.\r\nend\r\n")


class Poplib(Scenario):
    """Python's poplib."""

    def setUp(self) -> None:
        super().setUp()
        self.deliver(FIRST)
        self.deliver(SECOND)

    def test_quit(self) -> None:
        """DELE and QUIT remove the file, the row, and the room it took."""
        pop3 = self.pop3()
        pop3.dele(1)
        self.assertEqual(len(self.inbox()), 2)
        pop3.quit()
        self.assertEqual([message[-len(SECOND):] for message in self.inbox()], [SECOND])
        self.eventually(lambda: len(self.files()) == 1)

    def test_no_quit(self) -> None:
        """A connection that ends without QUIT has deleted nothing (RFC 1939 3)."""
        pop3 = self.pop3()
        pop3.dele(1)
        pop3.dele(2)
        pop3.close()
        self.assertEqual(self.pop3().stat()[0], 2)

    def test_rset(self) -> None:
        """RSET takes deletions back."""
        pop3 = self.pop3()
        pop3.dele(1)
        with self.assertRaises(poplib.error_proto):
            pop3.retr(1)
        self.assertEqual(pop3.stat()[0], 1)
        pop3.rset()
        pop3.quit()
        self.assertEqual(len(self.inbox()), 2)

    def test_dots(self) -> None:
        """Lines that begin with dots come as they were."""
        _, lines, _ = self.pop3().retr(2)
        self.assertDelivered(b"\r\n".join([*lines, b""]), SECOND)

    def test_top(self) -> None:
        """TOP gives the header and as many lines of the body."""
        _, lines, _ = self.pop3().top(2, 1)
        self.assertEqual(lines[-2:], [b"", b".a dot"])

    def test_sizes(self) -> None:
        """LIST and STAT tell the octets of RETR exactly."""
        pop3 = self.pop3()
        sizes = [int(line.split()[1]) for line in pop3.list()[1]]
        self.assertEqual(sizes, [len(message) for message in self.inbox()])
        self.assertEqual(pop3.stat(), (2, sum(sizes)))

    def test_capabilities(self) -> None:
        """CAPA tells what the issue promises; SASL and USER only under TLS."""
        offered = self.pop3().capa()
        self.assertLessEqual({"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "UTF8", "EXPIRE",
                              "IMPLEMENTATION"}, set(offered))
        clear = poplib.POP3(HOST, self.server.ports["pop3"])
        self.addCleanup(clear.close)
        offered = clear.capa()
        self.assertIn("STLS", offered)
        self.assertNotIn("USER", offered)
        self.assertNotIn("SASL", offered)
        clear.stls(self.tls)
        self.assertIn("PLAIN", clear.capa()["SASL"])

    def test_no_login_in_clear(self) -> None:
        """Without TLS neither USER nor PASS is taken."""
        clear = poplib.POP3(HOST, self.server.ports["pop3"])
        self.addCleanup(clear.close)
        with self.assertRaises(poplib.error_proto):
            clear.user(self.address("alice"))
            clear.pass_(self.password("alice"))

    def test_wrong_password(self) -> None:
        """A wrong password is -ERR [AUTH] (RFC 3206)."""
        client = poplib.POP3_SSL(HOST, self.server.ports["pop3s"], context=self.tls)
        self.addCleanup(client.close)
        client.user(self.address("alice"))
        with self.assertRaisesRegex(poplib.error_proto, r"\[AUTH\]"):
            client.pass_("wrong")

    def test_uidl_after_imap(self) -> None:
        """UIDLs stay when IMAP removes another message, and after a restart."""
        second = self.pop3().uidl()[1][1].split()[1]
        imap = self.imap()
        imap.select()
        imap.store("1", "+FLAGS.SILENT", "(\\Deleted)")
        imap.expunge()
        self.server.restart()
        self.assertEqual(self.pop3().uidl()[1], [b"1 " + second])


class Fetchers(Scenario):
    """Programs that fetch mail to read it elsewhere."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = self.home()
        # what a program fetches goes through this into one file for each message
        self.mda = self.directory / "mda"
        self.mda.write_text(
            f"#!{sys.executable}\nimport sys, uuid\n"
            f"open('{self.directory}/fetched-' + uuid.uuid4().hex, 'wb').write(sys.stdin.buffer.read())\n")
        self.mda.chmod(0o755)
        self.deliver(FIRST)
        self.deliver(SECOND)

    def mails(self) -> list[bytes]:
        """What came through the mda, first first."""
        read = [path.read_bytes() for path in self.directory.glob("fetched-*")]
        return sorted(read, key=lambda mail: b"Subject: second" in mail)

    def assertFetched(self, mails: list[bytes]) -> None:
        """Both messages, whatever the program has put on top, and with its line ends."""
        self.assertEqual(len(mails), 2)
        for mail, sent in zip(mails, (FIRST, SECOND), strict=True):
            self.assertTrue(mail.replace(b"\r\n", b"\n").rstrip(b"\n").endswith(sent.replace(b"\r\n", b"\n").rstrip()))

    def fetchmail(self, *options: str, code: int = 0, listener: str = "pop3s", protocol: str = "pop3") -> str:
        """fetchmail with its own trust, for one run."""
        ssl = "ssl" if listener.endswith("s") else "sslproto TLS1.2+"
        self.private_file(self.directory / "fetchmailrc", (
            f"set no bouncemail\npoll {HOST} protocol {protocol} port {self.server.ports[listener]} "
            f"user {self.address('alice')} password \"{self.password('alice')}\" "
            f"{ssl} sslcertck sslcertfile {self.server.certificate} mda \"{self.mda}\"\n"))
        return run("fetchmail", "-f", self.directory / "fetchmailrc", "--pidfile", self.directory / "pid",
                   "-i", self.directory / "ids", *options, home=self.directory, code=code)

    def test_fetchmail(self) -> None:
        """fetchmail takes everything and removes it."""
        self.fetchmail()
        self.assertFetched(self.mails())
        self.assertEqual(self.inbox(), [])

    def test_fetchmail_stls(self) -> None:
        """fetchmail by STLS on port 110."""
        self.fetchmail(listener="pop3")
        self.assertFetched(self.mails())

    def test_fetchmail_keep(self) -> None:
        """fetchmail keeps mail, and knows by UIDL the next time what it had."""
        self.fetchmail("--keep", "--uidl")
        self.fetchmail("--keep", "--uidl", code=1)
        self.assertEqual(len(self.mails()), 2)
        self.assertEqual(len(self.inbox()), 2)

    def test_fetchmail_imap(self) -> None:
        """fetchmail by IMAP takes what is unseen."""
        self.fetchmail(listener="imaps", protocol="imap")
        self.assertFetched(self.mails())
        self.assertEqual(self.inbox(), [])

    def test_mpop(self) -> None:
        """mpop with pipelining; what it leaves is not fetched again."""
        fetched = self.directory / "fetched"
        for part in ("cur", "new", "tmp"):
            (fetched / part).mkdir(parents=True)
        rc = self.private_file(self.directory / "mpoprc", f"""
account default
host {HOST}
port {self.server.ports["pop3s"]}
tls on
tls_starttls off
tls_trust_file {self.server.certificate}
auth user
user {self.address("alice")}
passwordeval echo '{self.password("alice")}'
pipelining on
keep on
received_header off
uidls_file {self.directory}/uidls
delivery maildir {fetched}
""")
        for _ in range(2):
            run("mpop", "-C", rc, home=self.directory)
        mails = sorted((path.read_bytes() for path in (fetched / "new").iterdir()),
                       key=lambda mail: b"Subject: second" in mail)
        self.assertFetched(mails)
        self.assertEqual(len(self.inbox()), 2)

    def test_getmail(self) -> None:
        """getmail removes what it has stored."""
        rc = self.private_file(self.directory / "getmailrc", f"""
[retriever]
type = SimplePOP3SSLRetriever
server = {HOST}
port = {self.server.ports["pop3s"]}
username = {self.address("alice")}
password = {self.password("alice").replace("%", "%%")}
ca_certs = {self.server.certificate}

[destination]
type = MDA_external
path = {self.mda}
allow_root_commands = true

[options]
delete = true
delivered_to = false
received = false
""")
        run("getmail", "--rcfile", rc, "--getmaildir", self.directory, home=self.directory)
        self.assertFetched(self.mails())
        self.assertEqual(self.inbox(), [])

    def test_curl_deletes(self) -> None:
        """curl deletes a message by a command of its own."""
        run("curl", "-sS", "--cacert", self.server.certificate, "--user",
            f"{self.address('alice')}:{self.password('alice')}", "-l", "-X", "DELE 1", "--head",
            f"pop3s://{HOST}:{self.server.ports['pop3s']}/")
        self.assertEqual([message[-len(SECOND):] for message in self.inbox()], [SECOND])
