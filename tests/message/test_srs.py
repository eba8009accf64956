"""The sender rewriting scheme."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.address import Address
from quantummail.message.srs import BadSrs, Rewriting, is_srs

NOW = 1_700_000_000.0
DAY = 86400


class RewritingTests(SynchronousTestCase):
    """There and back."""

    def setUp(self) -> None:
        self.ours = Rewriting(b"our key")

    def test_there_and_back(self) -> None:
        """A bounce to the rewritten address is for the one who sent, also if somebody changed the case."""
        for text in ("alice@example.test", "a=b+c@example.test", '"odd one"@example.test', "x@m\u00fcnchen.example"):
            sender = Address.parse(text)
            made = self.ours.forward(sender, "our.test", NOW)
            self.assertEqual(made.domain, "our.test")
            self.assertTrue(is_srs(made.local_part))
            self.assertEqual(Address.parse(str(made)), made)
            for local_part in (made.local_part, made.local_part.upper(), made.local_part.lower()):
                back = self.ours.reverse(local_part, NOW + 3 * DAY)
                self.assertEqual(str(back).lower(), str(sender).lower())

    def test_second_forwarder(self) -> None:
        """What another has rewritten gets SRS1, and bounces go straight to that other; never longer with each hop."""
        first, second, third = Rewriting(b"1"), Rewriting(b"2"), Rewriting(b"3")
        one = first.forward(Address("alice", "example.test"), "first.test", NOW)
        two = second.forward(one, "second.test", NOW)
        three = third.forward(two, "third.test", NOW)
        self.assertTrue(two.local_part.startswith("SRS1=") and three.local_part.startswith("SRS1="))
        self.assertEqual(len(three.local_part), len(two.local_part))
        for rewriting, made in ((third, three), (second, two)):
            self.assertEqual(rewriting.reverse(made.local_part, NOW), one)
        self.assertEqual(first.reverse(one.local_part, NOW), Address("alice", "example.test"))

    def test_forged(self) -> None:
        """Nobody makes us forward by an address that we did not make."""
        made = self.ours.forward(Address("alice", "example.test"), "our.test", NOW).local_part
        for local_part in (made.replace("alice", "mallory"), made.replace("example", "victim"), "SRS0=x=aa=a.test=b",
                           "SRS0=", "SRS1=x", "SRS0=======", "alice", "srs"):
            with self.assertRaises(BadSrs, msg=local_part):
                self.ours.reverse(local_part, NOW)
        with self.assertRaises(BadSrs):
            Rewriting(b"other key").reverse(made, NOW)

    def test_expires(self) -> None:
        """After three weeks it is no way through us any more, also when the day has begun anew."""
        for start in (NOW, (1024 * 20 - 3) * DAY):
            made = self.ours.forward(Address("alice", "example.test"), "our.test", start).local_part
            self.ours.reverse(made, start + 21 * DAY)
            with self.assertRaises(BadSrs):
                self.ours.reverse(made, start + 23 * DAY)

    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=80))
    def test_garbage(self, text: str) -> None:
        """Whatever somebody writes is one of ours, or refused."""
        for local_part in (text, f"SRS0={text}", f"SRS1={text}"):
            with self.assertRaises(BadSrs):
                self.ours.reverse(local_part, NOW)
