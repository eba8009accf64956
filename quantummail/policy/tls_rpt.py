"""Reports about TLS as text: the record that asks for them, and what they say (RFC 8460). No network."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from quantummail.message.date import rfc5322_date

# RFC 8460 3:
#   tlsrpt-record    = tlsrpt-version 1*(field-delim tlsrpt-field) [field-delim]
#   tlsrpt-version   = %s"v=TLSRPTv1"
#   tlsrpt-rua       = %s"rua=" tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri)
_VERSION = re.compile(r"v=TLSRPTv1[ \t]*(?:;|\Z)")
_DELIMITER = re.compile(r"[ \t]*;[ \t]*")
_MAILTO = re.compile(r"mailto:([^\s,?]+@[^\s,?]+)", re.IGNORECASE)
_HTTPS = re.compile(r"https://[!-~]+", re.IGNORECASE)
_MOST_TARGETS = 10
_DAY = 86_400


def report_targets(records: Sequence[bytes]) -> tuple[str, ...]:
    """Where the TXT records at ``_smtp._tls`` want reports: ``mailto:`` and ``https:`` URIs; none: nowhere."""
    texts = [record.decode("ascii", "replace") for record in records]
    candidates = [text for text in texts if _VERSION.match(text)]
    if len(candidates) != 1:
        return ()
    for field in _DELIMITER.split(candidates[0].rstrip(" \t"))[1:]:
        if field.startswith("rua="):
            uris = [uri.strip() for uri in field[4:].split(",")]
            known = [uri for uri in uris if _HTTPS.fullmatch(uri) or mail_address(uri)]
            return tuple(dict.fromkeys(known[:_MOST_TARGETS]))
    return ()


def mail_address(uri: str) -> str:
    """The address of a ``mailto:`` URI; empty for anything else."""
    found = _MAILTO.fullmatch(uri.partition("?")[0])
    address = unquote(found[1]) if found else ""
    return address if address.isprintable() else ""


@dataclass(frozen=True, slots=True)
class FailureDetail:
    """Failures of one kind (RFC 8460 4.4)."""

    result: str
    sessions: int
    host: str = ""
    address: str = ""
    source: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PolicySummary:
    """How it went under one policy."""

    kind: str
    """``sts``, ``tlsa`` or ``no-policy-found``."""
    lines: tuple[str, ...]
    """The policy, as it was published."""
    successes: int
    failures: tuple[FailureDetail, ...]


@dataclass(frozen=True, slots=True)
class TlsReport:
    """What one domain is told about one day."""

    domain: str
    day: int
    """Days since 1970-01-01, UTC."""
    organization: str
    contact: str
    """An address of ours."""
    policies: tuple[PolicySummary, ...]

    @property
    def submitter(self) -> str:
        """The domain that sends it."""
        return self.contact.rpartition("@")[2]

    @property
    def id(self) -> str:
        """Of this report, the same whenever it is made."""
        return f"{_date(self.day)[:10]}.{self.domain}.{self.submitter}"

    @property
    def file_name(self) -> str:
        """RFC 8460 5.1."""
        begin = self.day * _DAY
        return f"{self.submitter}!{self.domain}!{begin}!{begin + _DAY - 1}.json.gz"


def _date(day: int, seconds: int = 0) -> str:
    return datetime.fromtimestamp(day * _DAY + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def document(report: TlsReport) -> bytes:
    """The report as JSON, compressed (RFC 8460 4, 5.2)."""
    content = {
        "organization-name": report.organization,
        "date-range": {"start-datetime": _date(report.day), "end-datetime": _date(report.day, _DAY - 1)},
        "contact-info": report.contact,
        "report-id": report.id,
        "policies": [_policy(report.domain, one) for one in report.policies],
    }
    return gzip.compress(json.dumps(content, ensure_ascii=True).encode("ascii"), mtime=0)


def _policy(domain: str, summary: PolicySummary) -> dict[str, Any]:
    policy: dict[str, Any] = {"policy-type": summary.kind, "policy-domain": domain}
    if summary.lines:
        policy["policy-string"] = list(summary.lines)
    hosts = [line.partition(":")[2].strip() for line in summary.lines if line.startswith("mx:")]
    if summary.kind == "sts" and hosts:
        policy["mx-host"] = hosts
    found: dict[str, Any] = {
        "policy": policy,
        "summary": {
            "total-successful-session-count": summary.successes,
            "total-failure-session-count": sum(failure.sessions for failure in summary.failures),
        },
    }
    if summary.failures:
        found["failure-details"] = [_failure(failure) for failure in summary.failures]
    return found


def _failure(failure: FailureDetail) -> dict[str, Any]:
    told = {
        "result-type": failure.result, "sending-mta-ip": failure.source, "receiving-mx-hostname": failure.host,
        "receiving-ip": failure.address, "failed-session-count": failure.sessions,
        "failure-reason-code": failure.reason,
    }
    return {name: value for name, value in told.items() if value != ""}


def message(report: TlsReport, to: str, hostname: str, now: float) -> bytes:
    """The report as a message (RFC 8460 5.3)."""
    octets = document(report)
    boundary = f"=_{report.id}"
    header = (
        f"From: <{report.contact}>", f"To: <{to}>",
        f"Subject: Report Domain: {report.domain} Submitter: {report.submitter} Report-ID: <{report.id}>",
        f"Date: {rfc5322_date(now)}", f"Message-ID: <{report.id}@{hostname}>", "MIME-Version: 1.0",
        f"TLS-Report-Domain: {report.domain}", f"TLS-Report-Submitter: {report.submitter}",
        # RFC 8689 5: reports of what is wrong with TLS have to arrive all the same
        "TLS-Required: No", "Auto-Submitted: auto-generated",
        f'Content-Type: multipart/report; report-type="tlsrpt";\r\n\tboundary="{boundary}"',
    )
    text = (
        f"This is a report about TLS on connections from {report.submitter} to the mail hosts of\r\n"
        f"{report.domain} on {_date(report.day)[:10]} (UTC), as its record _smtp._tls.{report.domain} asks for.\r\n"
    )
    encoded = _base64_lines(octets)
    return (
        "\r\n".join(header) + f"\r\n\r\n--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{text}"
        f"\r\n--{boundary}\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment;\r\n\tfilename="{report.file_name}"\r\n\r\n{encoded}\r\n--{boundary}--\r\n'
    ).encode("ascii")


def _base64_lines(octets: bytes) -> str:
    return base64.encodebytes(octets).decode("ascii").replace("\n", "\r\n")
