"""DANE with real name servers: a signed zone, a resolver that validates, mail hosts with the right key or another."""

from __future__ import annotations

from tests.scenarios.policies import PolicyScenario
from tests.support.nameservers import PROGRAMS, NameServers
from tests.support.programs import needs

OTHER = "00" * 32


@needs(*PROGRAMS)
class DaneScenarios(PolicyScenario):
    """Domains below dane.test, which is signed; bogus.test, whose signatures are wrong; plain.test, without any."""

    @classmethod
    def zones(cls) -> NameServers:
        """The name servers."""
        port, signed = cls.mail_port, ""
        for name in ("good", "wrong", "unusable", "none", "backup"):
            signed += f"{name} MX 10 mail.{name}\n" + cls.host(f"mail.{name}.dane.test")
        signed += cls.tlsa("mail.good.dane.test") + cls.tlsa("mail.wrong.dane.test", data=OTHER)
        signed += f"_{port}._tcp.mail.unusable TLSA 1 1 1 {OTHER}\n"
        signed += f"_{port}._tcp.mail.backup NS ns.nowhere\nns.nowhere A 127.0.0.1\n"
        signed += "backup MX 20 mail.good\n"
        bogus = "@ MX 10 mail\n" + cls.host("mail.bogus.test") + cls.tlsa("mail.bogus.test")
        plain = "@ MX 10 mail\n" + cls.host("mail.plain.test") + cls.tlsa("mail.plain.test", data=OTHER)
        return NameServers(signed={"dane.test": signed}, bogus={"bogus.test": bogus}, plain={"plain.test": plain})

    def test_match(self) -> None:
        """The host has the key that the zone names: mail goes, and the history says what proved it."""
        self.submit("bob@good.dane.test")
        self.delivered("bob@good.dane.test", by="dane")
        self.assertTrue(self.mail_host.has("bob@good.dane.test")[0].encrypted)

    def test_mismatch(self) -> None:
        """It has another key: mail waits. It goes neither in clear nor back."""
        self.submit("bob@wrong.dane.test")
        self.deferred("bob@wrong.dane.test", "the certificate is not the one that the TLSA records name", attempts=2)
        self.assertEqual(self.inbox("alice"), [])

    def test_unusable(self) -> None:
        """Records that are of no use: TLS with any certificate."""
        self.submit("bob@unusable.dane.test")
        self.delivered("bob@unusable.dane.test")
        self.assertTrue(self.mail_host.has("bob@unusable.dane.test")[0].encrypted)

    def test_none(self) -> None:
        """No records: TLS as it comes."""
        self.submit("bob@none.dane.test")
        self.delivered("bob@none.dane.test")

    def test_unknown_records(self) -> None:
        """A host whose TLSA records nobody can tell is left out; the next one takes the mail."""
        self.submit("bob@backup.dane.test")
        self.delivered("bob@backup.dane.test", by="dane")
        self.noted("bob@backup.dane.test", "mail.good.dane.test")
        self.assertIn("mail.backup.dane.test of backup.dane.test is not used", self.server.log())

    def test_bogus(self) -> None:
        """Signatures that are wrong: mail waits, whatever the records say."""
        self.submit("bob@bogus.test")
        self.deferred("bob@bogus.test", "SERVFAIL")
        self.assertEqual(self.inbox("alice"), [])

    def test_unsigned(self) -> None:
        """TLSA records without DNSSEC mean nothing."""
        self.submit("bob@plain.test")
        self.delivered("bob@plain.test")
