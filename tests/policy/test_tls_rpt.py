"""The texts of TLS reports."""

from __future__ import annotations

import email
import email.policy
import gzip
import json
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from quantummail.policy.tls_rpt import (
    FailureDetail,
    PolicySummary,
    TlsReport,
    document,
    mail_address,
    message,
    report_targets,
)

STS = PolicySummary(
    "sts", ("version: STSv1", "mode: testing", "mx: mx1.a.test", "mx: *.b.test", "max_age: 86400"), 5326,
    (FailureDetail("certificate-expired", 100, "mx1.a.test", "192.0.2.1", "192.0.2.9"),
     FailureDetail("validation-failure", 3, reason="closed")))
TLSA = PolicySummary("tlsa", ("3 1 1 ab",), 1, ())
REPORT = TlsReport("a.test", 20_000, "Our Company", "postmaster@we.test", (STS, TLSA))


class RecordTests(SynchronousTestCase):
    """The TXT record."""

    def test_targets(self) -> None:
        """Where reports are wanted; what we cannot use is left out."""
        for records, expected in (
            ([b"v=TLSRPTv1;rua=mailto:reports@a.test"], ("mailto:reports@a.test",)),
            ([b"v=TLSRPTv1; rua=https://a.test/v1 , mailto:x@a.test; y=z;"], ("https://a.test/v1", "mailto:x@a.test")),
            ([b"other", b"v=TLSRPTv1;rua=mailto:x@a.test,mailto:x@a.test"], ("mailto:x@a.test",)),
            ([b"v=TLSRPTv1;rua=http://a.test/,ftp://x,mailto:,mailto:nobody"], ()),
            ([b"v=TLSRPTv1;rua=mailto:x@a.test", b"v=TLSRPTv1;rua=mailto:x@a.test"], ()),
            ([b"v=TLSRPTv2;rua=mailto:x@a.test"], ()), ([b"v=TLSRPTv1"], ()), ([], ()), ([b"\xff"], ()),
        ):
            self.assertEqual(report_targets(records), expected, records)

    def test_bounded(self) -> None:
        """A record that wants a thousand reports gets ten."""
        targets = ",".join(f"mailto:u{number}@a.test" for number in range(1000))
        self.assertEqual(len(report_targets([f"v=TLSRPTv1;rua={targets}".encode()])), 10)

    def test_addresses(self) -> None:
        """The address of a URI, never two of them, and no line ends."""
        for uri, expected in (
            ("mailto:x@a.test", "x@a.test"), ("MAILTO:x%2By@a.test", "x+y@a.test"),
            ("mailto:x@a.test?subject=y", "x@a.test"),
            ("https://a.test/", ""), ("mailto:x%0d%0aBcc:y@a.test", ""), ("mailto:a@b,c@d", ""),
        ):
            self.assertEqual(mail_address(uri), expected, uri)


class ReportTests(SynchronousTestCase):
    """The report."""

    def test_document(self) -> None:
        """What the JSON says."""
        content = json.loads(gzip.decompress(document(REPORT)))
        self.assertEqual(content["organization-name"], "Our Company")
        self.assertEqual(content["contact-info"], "postmaster@we.test")
        self.assertEqual(content["date-range"], {
            "start-datetime": "2024-10-04T00:00:00Z", "end-datetime": "2024-10-04T23:59:59Z"})
        sts, tlsa = content["policies"]
        self.assertEqual(sts["policy"], {
            "policy-type": "sts", "policy-domain": "a.test", "policy-string": list(STS.lines),
            "mx-host": ["mx1.a.test", "*.b.test"]})
        self.assertEqual(sts["summary"], {
            "total-successful-session-count": 5326, "total-failure-session-count": 103})
        self.assertEqual(sts["failure-details"], [
            {"result-type": "certificate-expired", "sending-mta-ip": "192.0.2.9", "receiving-mx-hostname": "mx1.a.test",
             "receiving-ip": "192.0.2.1", "failed-session-count": 100},
            {"result-type": "validation-failure", "failed-session-count": 3, "failure-reason-code": "closed"}])
        self.assertEqual((tlsa["policy"]["policy-string"], "failure-details" in tlsa), (["3 1 1 ab"], False))

    def test_message(self) -> None:
        """The message that carries it, as others read it."""
        octets = message(REPORT, "reports@a.test", "mail.we.test", 1_700_000_000)
        parsed = email.message_from_bytes(octets, policy=email.policy.default)
        self.assertEqual(parsed["TLS-Report-Domain"], "a.test")
        self.assertEqual(parsed["TLS-Report-Submitter"], "we.test")
        self.assertEqual(parsed["TLS-Required"], "No")
        self.assertEqual(
            parsed["Subject"], "Report Domain: a.test Submitter: we.test Report-ID: <2024-10-04.a.test.we.test>")
        self.assertEqual((parsed.get_content_type(), parsed.get_param("report-type")), ("multipart/report", "tlsrpt"))
        _text, attached = parsed.iter_parts()
        self.assertEqual(attached.get_content_type(), "application/tlsrpt+gzip")
        self.assertEqual(attached.get_filename(), "we.test!a.test!1728000000!1728086399.json.gz")
        self.assertEqual(attached.get_payload(decode=True), document(REPORT))

    def test_lines(self) -> None:
        """Lines end in CRLF and are short, however much there is to tell."""
        many = replace(REPORT, policies=(STS,) * 200)
        octets = message(many, "reports@a.test", "mail.we.test", 0)
        self.assertNotIn(b"\n", octets.replace(b"\r\n", b""))
        self.assertLess(max(map(len, octets.split(b"\r\n"))), 200)
