"""What scenarios of TLS policies share: signed zones, mail hosts, web servers with policies, and our server."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import ClassVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.auth.certificates import Authority
from tests.scenarios.test_sending import QUICK, Sending
from tests.support.mail_host import MailHost
from tests.support.nameservers import NameServers
from tests.support.server import RunningServer, free_ports

Pair = tuple[Path, Path]


class PolicyScenario(Sending):
    """Our server asks these name servers, and trusts this authority alone.

    A class makes its zones in `zones`, with what `host` and `tlsa` give, before the servers start.
    """

    own_server = True
    more_settings: ClassVar[dict[str, dict[str, str]]] = {}
    directory: Path
    authority: Authority
    names: NameServers
    mail_host: MailHost
    mail_port: int
    web_port: int
    certificates: dict[str, Pair]

    @classmethod
    def setUpClass(cls) -> None:
        cls.directory = Path(tempfile.mkdtemp(prefix="quantummail-policies-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.mail_port, cls.web_port = free_ports(2)
        cls.authority, cls.certificates = Authority(), {}
        cls.names = cls.zones()
        cls.addClassCleanup(cls.names.close)
        cls.mail_host = MailHost(cls.mail_port, cls.certificates)
        cls.addClassCleanup(cls.mail_host.close)
        settings = {
            "dns": {"servers": f"127.0.0.1:{cls.names.port}", "timeout": "2s"}, "queue": dict(QUICK),
            "sending": {"port": str(cls.mail_port), "https_port": str(cls.web_port), "private_networks": "127.0.0.0/8"},
        }
        for section, keys in cls.more_settings.items():
            settings.setdefault(section, {}).update(keys)
        cls.server = RunningServer(users=("alice",), settings=settings)
        cls.addClassCleanup(cls.server.close)
        cls.users = ("alice",)
        cls.server.environ["SSL_CERT_FILE"] = str(cls.authority.write(cls.directory / "authority.pem"))
        # with all these programs beside it
        cls.server.start(60)
        cls._log_begins = len(cls.server.log())
        cls.addClassCleanup(cls._check_log)

    @classmethod
    def zones(cls) -> NameServers:
        """The name servers."""
        raise NotImplementedError

    @classmethod
    def host(cls, name: str, *, certificate_for: str = "", authority: Authority | None = None) -> str:
        """Records of a mail host with a certificate; by default for its name, and of the authority that is trusted."""
        cls.certificates[name] = (authority or cls.authority).issue_for_server(
            _made(cls.directory / name), certificate_for or name)
        return f"{name}. A 127.0.0.1\n"

    @classmethod
    def tlsa(cls, name: str, *, data: str = "") -> str:
        """A TLSA record for the key of a mail host, or with other data."""
        return f"_{cls.mail_port}._tcp.{name}. TLSA 3 1 1 {data or cls.digest(name)}\n"

    @classmethod
    def digest(cls, name: str) -> str:
        """What TLSA records say about the key of a mail host."""
        certificate = x509.load_pem_x509_certificate(cls.certificates[name][0].read_bytes())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(key).hexdigest()

    # What became of mail.

    def delivered(self, recipient: str, *, by: str = "") -> None:
        """It arrives, over a connection that is proved in this way."""
        self.wait_for(lambda: self.mail_host.has(recipient))
        self.wait_for(lambda: f"<{recipient}> delivered" in self.server.log())
        if by:
            self.noted(recipient, f"({by})")

    def deferred(self, recipient: str, reason: str, *, attempts: int = 1) -> None:
        """It waits for this reason, also after more attempts; it is neither delivered nor given up."""
        for number in range(attempts):
            if number:
                # nobody answers there, so it would be left alone for a minute
                self.server.command("queue", "retry", "--recipient", recipient)
            self.wait_for(lambda number=number: self.server.log().count(f"<{recipient}> deferred") > number)  # type: ignore[misc]  # bound now
        self.noted(recipient, reason)
        self.assertEqual(self.mail_host.has(recipient), [])
        self.assertNotIn(f"<{recipient}> failed", self.server.log())

    def noted(self, recipient: str, words: str) -> None:
        """The history of a recipient has these words; it is written behind the log."""
        self.wait_for(lambda: words in self.attempts(recipient))

    def attempts(self, recipient: str) -> str:
        """What is noted of each attempt: host, TLS, and the answer."""
        with contextlib.closing(sqlite3.connect(f"file:{self.server.database}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT a.host, a.tls, a.code, a.status, a.answer FROM attempts a JOIN outgoing_recipients r"
                " ON r.id = a.recipient_id WHERE r.address = ? ORDER BY a.id", (recipient,)).fetchall()
        return "\n".join(" ".join(map(str, row)) for row in rows)


def _made(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    return directory

