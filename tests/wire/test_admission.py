"""Who may connect."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.wire.admission import Admission, ConnectionLimits


class AdmissionTests(SynchronousTestCase):
    """Limits."""

    def test_total(self) -> None:
        """No more at once than `total`, local programs included; who leaves makes room."""
        admission = Admission(ConnectionLimits(total=2))
        admission.joined("192.0.2.1")
        admission.joined("unix")
        self.assertEqual(admission.refusal("192.0.2.2", 0), "too many connections")
        self.assertEqual(admission.refusal("unix", 0), "too many connections")
        admission.left("192.0.2.1")
        self.assertIsNone(admission.refusal("192.0.2.2", 0))

    def test_per_client(self) -> None:
        """No more of one client than `per_client`; unix sockets are not counted so."""
        admission = Admission(ConnectionLimits(per_client=1))
        for client in ("192.0.2.1", "2001:db8::1", "unix"):
            admission.joined(client)
        self.assertEqual(admission.refusal("192.0.2.1", 0), "too many connections from your address")
        self.assertEqual(admission.refusal("2001:db8::2", 0), "too many connections from your address")
        self.assertIsNone(admission.refusal("2001:db8:0:1::1", 0))
        self.assertIsNone(admission.refusal("unix", 0))
        admission.left("192.0.2.1")
        self.assertIsNone(admission.refusal("192.0.2.1", 0))

    def test_per_minute(self) -> None:
        """So many at once, then evenly over the minute; refused ones do not count."""
        admission = Admission(ConnectionLimits(per_client=0, per_client_per_minute=6))
        self.assertEqual([admission.refusal("192.0.2.1", 0) for _ in range(6)], [None] * 6)
        for now in (0, 1, 9):
            self.assertEqual(admission.refusal("192.0.2.1", now), "too many connections a minute from your address")
        self.assertIsNone(admission.refusal("192.0.2.1", 10.1))
        self.assertIsNotNone(admission.refusal("192.0.2.1", 10.2))
        self.assertIsNone(admission.refusal("192.0.2.2", 0))
        self.assertEqual([admission.refusal("192.0.2.1", 1000) for _ in range(7)].count(None), 6)

    def test_unlimited(self) -> None:
        """Zero is no limit."""
        admission = Admission(ConnectionLimits(0, 0, 0))
        for _ in range(2000):
            self.assertIsNone(admission.refusal("192.0.2.1", 0))
            admission.joined("192.0.2.1")

    def test_memory(self) -> None:
        """Addresses by the million are not remembered."""
        admission = Admission(ConnectionLimits(per_client_per_minute=1))
        for number in range(30_000):
            admission.refusal(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0)
        self.assertLessEqual(len(admission._tokens), 10_001)
