"""Where the mail of a domain goes."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from quantummail.dns.errors import NoRecords, NoSuchName, Unavailable
from quantummail.dns.exchange import MailLoop, NullMx, mail_hosts
from tests.support.stores import now
from tests.support.zone import Zone

ZONE = Zone({
    "example.test": {"MX": ["20 b.example.test.", "10 a.example.test.", "10 c.example.test."]},
    "a.example.test": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
    "b.example.test": {"A": ["192.0.2.2"]},
    "c.example.test": {"CNAME": ["real.example.test."]},
    "real.example.test": {"A": ["192.0.2.3"]},
    "implicit.test": {"A": ["192.0.2.4"]},
    "nothing.test": {"TXT": ['"hello"']},
    "null.test": {"MX": ["0 ."]},
    "half.test": {"MX": ["10 broken.test.", "20 b.example.test."]},
    "dead.test": {"MX": ["10 broken.test.", "20 gone.test."]},
    "gone-only.test": {"MX": ["10 gone.test."]},
    "broken.test": {"FAIL": []},
    "many.test": {"MX": [f"{n} h{n}.many.test." for n in range(40)]},
    **{f"h{n}.many.test": {"A": [f"198.51.100.{n}", f"203.0.113.{n}", f"192.0.2.{n}"]} for n in range(40)},
    "address.test": {"MX": ["10 192.0.2.1."]},
})


class MailHostsTests(SynchronousTestCase):
    """MX records and what stands behind them."""

    def names(self, domain: str) -> list[str]:
        """The hosts, in order."""
        return [host.name for host in now(mail_hosts(ZONE.resolver(), domain)).hosts]

    def test_order(self) -> None:
        """By preference; those of one preference in any order, so that both are used."""
        seen = {tuple(self.names("example.test")) for _ in range(50)}
        self.assertEqual({names[2] for names in seen}, {"b.example.test"})
        self.assertEqual({names[:2] for names in seen},
                         {("a.example.test", "c.example.test"), ("c.example.test", "a.example.test")})

    def test_addresses(self) -> None:
        """Both families, behind aliases too."""
        hosts = {host.name: host for host in now(mail_hosts(ZONE.resolver(), "example.test")).hosts}
        self.assertEqual(hosts["a.example.test"].addresses, ("2001:db8::1", "192.0.2.1"))
        self.assertEqual(hosts["c.example.test"].addresses, ("192.0.2.3",))
        self.assertEqual(hosts["c.example.test"].canonical, "real.example.test")

    def test_family(self) -> None:
        """Where there is no IPv6, nobody is tried by it."""
        hosts = now(mail_hosts(ZONE.resolver(), "example.test", family="ipv4")).hosts
        self.assertEqual({address for host in hosts for address in host.addresses},
                         {"192.0.2.1", "192.0.2.2", "192.0.2.3"})

    def test_implicit(self) -> None:
        """Without MX records the domain's own address counts (RFC 5321 5.1)."""
        found = now(mail_hosts(ZONE.resolver(), "implicit.test"))
        self.assertTrue(found.implicit)
        self.assertEqual([(host.name, host.addresses) for host in found.hosts], [("implicit.test", ("192.0.2.4",))])

    def test_final(self) -> None:
        """What will not change is told so: no such domain, no host, no mail wanted."""
        for domain, error in (("nobody.test", NoSuchName), ("nothing.test", NoRecords), ("null.test", NullMx),
                              ("gone-only.test", NoSuchName), ("address.test", NoSuchName)):
            with self.assertRaises(error, msg=domain):
                self.names(domain)

    def test_temporary(self) -> None:
        """One host that cannot be looked up is passed over; nothing is final while one may come back."""
        self.assertEqual(self.names("half.test"), ["b.example.test"])
        for domain in ("dead.test", "broken.test"):
            with self.assertRaises(Unavailable, msg=domain):
                self.names(domain)

    def test_bounded(self) -> None:
        """A domain with forty hosts is tried on its best ones."""
        self.assertEqual(self.names("many.test"), [f"h{n}.many.test" for n in range(7)])

    def test_ourselves(self) -> None:
        """This server, and what is not better, is left out; a loop is told when nothing is left."""
        def ours(name: str, _addresses: Sequence[str]) -> bool:
            return name == "b.example.test"

        hosts = now(mail_hosts(ZONE.resolver(), "example.test", ours=ours)).hosts
        self.assertEqual({host.name for host in hosts}, {"a.example.test", "c.example.test"})
        for domain in ("example.test", "implicit.test"):
            with self.assertRaises(MailLoop):
                now(mail_hosts(ZONE.resolver(), domain, ours=lambda _name, addresses: (
                    bool({"192.0.2.1", "192.0.2.3", "192.0.2.4"}.intersection(addresses)))))

    def test_authenticated(self) -> None:
        """Whether DNSSEC proves hosts and addresses is told."""
        secure = Zone(ZONE.records, secure=True)
        for zone, expected in ((ZONE, False), (secure, True)):
            found = now(mail_hosts(zone.resolver(), "example.test"))
            self.assertEqual({found.authenticated, *(host.authenticated for host in found.hosts)}, {expected})
