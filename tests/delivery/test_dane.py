"""TLSA records of mail hosts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.dane import dane_protection
from quantummail.dns.errors import Unavailable
from quantummail.dns.exchange import MailHost
from quantummail.tls.outbound import Anchor, Mode, Protection
from tests.support.stores import now
from tests.support.zone import Zone

KEY = "ab" * 32
GOOD = f"3 1 1 {KEY}"


class DaneTests(SynchronousTestCase):
    """What the records of a host ask for."""

    def protection(
        self, records: dict[str, dict[str, list[str]]], *, authenticated: bool = True, canonical: str = "mx.a.test",
        secure: bool = True,
    ) -> Protection | None:
        """Of mx.a.test, which has mail for a.test."""
        self.zone = Zone(records, secure=secure)
        host = MailHost("mx.a.test", 10, ("192.0.2.1",), authenticated, canonical)
        return now(dane_protection(self.zone.resolver(), host, 25, "a.test"))

    def test_usable(self) -> None:
        """Usable records: what they say, with the names that a certificate may be for."""
        found = self.protection({"_25._tcp.mx.a.test": {"TLSA": [GOOD]}})
        self.assertEqual(found, Protection(
            Mode.DANE, ("mx.a.test", "a.test"), (Anchor(3, 1, 1, bytes.fromhex(KEY)),), "DANE", (GOOD,)))

    def test_unusable(self) -> None:
        """Records that are of no use ask for TLS all the same; one usable among them counts."""
        for records in (["1 1 1 " + KEY], ["3 2 1 " + KEY], ["3 1 9 " + KEY]):
            found = self.protection({"_25._tcp.mx.a.test": {"TLSA": records}})
            assert found is not None
            self.assertEqual(found.mode, Mode.ENCRYPT, records)
        mixed = self.protection({"_25._tcp.mx.a.test": {"TLSA": ["1 1 1 " + KEY, GOOD]}})
        assert mixed is not None
        self.assertEqual(mixed.mode, Mode.DANE)

    def test_whole(self) -> None:
        """A digest that is not as long as its kind is of no use."""
        for matching, length, expected in ((1, 32, True), (1, 31, False), (2, 64, True), (2, 32, False), (0, 0, False),
                                           (0, 99, True)):
            self.assertEqual(Anchor(3, 1, matching, bytes(length)).usable, expected, (matching, length))

    def test_none(self) -> None:
        """No records, or none that DNSSEC proves: nothing is asked for."""
        self.assertIsNone(self.protection({}))
        self.assertIsNone(self.protection({"_25._tcp.mx.a.test": {"TLSA": [GOOD]}}, secure=False))

    def test_not_asked(self) -> None:
        """A host without DNSSEC is not asked for TLSA records: its servers may not know them."""
        self.assertIsNone(self.protection({"_25._tcp.mx.a.test": {"FAIL": []}}, authenticated=False))
        self.assertEqual(self.zone.asked, [])

    def test_unavailable(self) -> None:
        """What cannot be looked up is not taken for absent."""
        with self.assertRaises(Unavailable):
            self.protection({"_25._tcp.mx.a.test": {"FAIL": []}})

    def test_alias(self) -> None:
        """An alias: first at the name behind it, then at its own."""
        for at in ("host.b.test", "mx.a.test"):
            found = self.protection({f"_25._tcp.{at}": {"TLSA": [GOOD]}}, canonical="host.b.test")
            assert found is not None
            self.assertEqual(found.names, tuple(dict.fromkeys((at, "mx.a.test", "a.test"))))
        self.assertEqual(self.zone.asked[0], "_25._tcp.host.b.test TLSA")

    def test_alias_into_insecurity(self) -> None:
        """An alias that DNSSEC proves, of a host that it does not: the alias's own name counts (RFC 7672 2.2.2)."""
        records: dict[str, dict[str, list[str]]] = {
            "mx.a.test": {"CNAME": ["host.b.test."]}, "_25._tcp.mx.a.test": {"TLSA": [GOOD]},
            "_25._tcp.host.b.test": {"FAIL": []}}
        found = self.protection(records, authenticated=False, canonical="host.b.test")
        assert found is not None
        self.assertEqual(found.mode, Mode.DANE)
        self.assertIsNone(self.protection(records, authenticated=False, canonical="host.b.test", secure=False))
        del records["mx.a.test"]
        self.assertIsNone(self.protection(records, authenticated=False, canonical="host.b.test"))
