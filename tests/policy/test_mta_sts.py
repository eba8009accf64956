"""The texts of MTA-STS."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.policy.mta_sts import LONGEST, BadPolicy, parse_policy, policy_id

POLICY = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 86400\r\n"


class RecordTests(SynchronousTestCase):
    """The TXT record."""

    def test_ids(self) -> None:
        """One good record tells the id; anything else means that there is no policy."""
        for records, expected in (
            ([b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"), ([b"v=STSv1;id=1"], "1"),
            ([b"v=STSv1 ; id=1 ; x=y"], "1"), ([b"v=STSv1; x=y; id=2; id=3"], "2"),
            ([b"v=spf1 -all", b"v=STSv1; id=1"], "1"), ([b"v=STSv1; id=1; \t"], "1"),
            ([], None), ([b"v=STSv1"], None), ([b"v=STSv1; id="], None), ([b"v=STSv1; id=a-b"], None),
            ([b"v=STSv1; id=" + b"1" * 33], None), ([b"v=STSv10; id=1"], None), ([b" v=STSv1; id=1"], None),
            ([b"id=1; v=STSv1"], None), ([b"v=STSv1; id=1", b"v=STSv1; id=1"], None), ([b"v=stsv1; id=1"], None),
            ([b"v=STSv1; id=\xff"], None),
        ):
            self.assertEqual(policy_id(records), expected, records)


class PolicyTests(SynchronousTestCase):
    """The policy."""

    def test_whole(self) -> None:
        """Everything a policy says, with either line end, with or without the last one."""
        for text in (POLICY, POLICY.replace("\r\n", "\n"), POLICY.rstrip(), POLICY.replace(": ", ":  \t"),
                     POLICY.replace("\r\n", " \r\n"), POLICY + "future-field: x\r\n\r\n", POLICY + "mode: none\r\n"):
            policy = parse_policy(text.encode())
            self.assertEqual((policy.mode, policy.hosts, policy.max_age),
                             ("enforce", ("mail.example.com", "*.example.net"), 86400), text)

    def test_modes(self) -> None:
        """Three modes; none needs no hosts."""
        self.assertEqual(parse_policy(POLICY.replace("enforce", "testing").encode()).mode, "testing")
        self.assertEqual(parse_policy(b"version: STSv1\nmode: none\nmax_age: 1\n").mode, "none")

    def test_wrong(self) -> None:
        """What is not as it should be is no policy."""
        for text in (
            "", "x", "version: STSv2\nmode: none\nmax_age: 1", "mode: none\nmax_age: 1",
            POLICY.replace("enforce", "Enforce"), POLICY.replace("86400", ""), POLICY.replace("86400", "-1"),
            POLICY.replace("86400", "1" * 11), POLICY.replace("86400", "\u0661"), POLICY.replace("max_age", "max-age"),
            "version: STSv1\nmode: enforce\nmax_age: 1", POLICY.replace("*.example.net", "*.*.example.net"),
            POLICY.replace("*.example.net", "mail.*.net"), POLICY.replace("*.example.net", "a b"),
            POLICY.replace("*.example.net", "192.0.2.1:25"), POLICY.replace("*.example.net", "-a.net"),
            "<html>", POLICY + "mx\r\n", POLICY + " folded: x\r\n",
        ):
            with self.assertRaises(BadPolicy, msg=text):
                parse_policy(text.encode())
        with self.assertRaises(BadPolicy):
            parse_policy(POLICY.encode() + b"x: \xff\n")

    def test_max_age(self) -> None:
        """No policy holds for longer than a year."""
        self.assertEqual(parse_policy(POLICY.replace("86400", "9999999999").encode()).max_age, LONGEST)

    def test_hosts(self) -> None:
        """A star stands for exactly one label, and no letter's case matters."""
        policy = parse_policy(POLICY.replace("mail.example.com", "Mail.Example.COM.").encode())
        for host, expected in (
            ("mail.example.com", True), ("MAIL.example.com.", True), ("a.example.net", True), ("example.net", False),
            ("a.b.example.net", False), ("example.com", False), ("xmail.example.com", False), ("aexample.net", False),
        ):
            self.assertEqual(policy.covers(host), expected, host)

    @given(st.binary(max_size=300))
    def test_anything(self, octets: bytes) -> None:
        """Whatever a server answers is a policy or none."""
        try:
            policy = parse_policy(octets)
        except BadPolicy:
            return
        self.assertIn(policy.mode, ("enforce", "testing", "none"))
