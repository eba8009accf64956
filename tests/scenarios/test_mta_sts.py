"""MTA-STS with real name servers and a web server; REQUIRETLS, which builds on both; reports about all of it."""

from __future__ import annotations

import email
import email.policy
import gzip
import json
import smtplib
import sqlite3
import time
from typing import Any

from tests.auth.certificates import Authority
from tests.scenarios.case import simple_message
from tests.scenarios.policies import PolicyScenario
from tests.support.nameservers import PROGRAMS, NameServers
from tests.support.programs import needs
from tests.support.web import WebServer

# Domains below sts.test by what is wrong with them
_DOMAINS = ("good", "stranger", "othername", "otherhost", "testing", "badpage", "badweb", "open", "none",
            "waived")


def policy(mode: str, host: str) -> bytes:
    """A policy as domains publish it."""
    return f"version: STSv1\nmode: {mode}\nmx: {host}\nmax_age: 86400\n".encode()


@needs(*PROGRAMS)
class MtaStsScenarios(PolicyScenario):
    """Each domain has a mail host, a policy, and something that is not as it should be."""

    web: WebServer

    @classmethod
    def zones(cls) -> NameServers:
        """The name servers, and before them the web server."""
        records, pairs, stranger = "", {}, Authority("Somebody Else")
        for name in _DOMAINS:
            domain = f"{name}.sts.test"
            records += f"{domain}. MX 10 mail.{domain}.\n" + cls.host(
                f"mail.{domain}", certificate_for="mail.example.net" if name == "othername" else "",
                authority=stranger if name in ("stranger", "testing", "waived") else None)
            if name == "open":
                continue
            records += f'_mta-sts.{domain}. TXT "v=STSv1; id=1;"\nmta-sts.{domain}. A 127.0.0.1\n'
            records += f'_smtp._tls.{domain}. TXT "v=TLSRPTv1;rua=mailto:tls@{domain},https://reports.sts.test:'
            records += f'{cls.web_port}/{name}"\n'
            authority = stranger if name == "badweb" else cls.authority
            (cls.directory / "web").mkdir(exist_ok=True)
            pairs[f"mta-sts.{domain}"] = authority.issue_for_server(cls.directory / "web", f"mta-sts.{domain}")
        records += "reports A 127.0.0.1\n"
        pairs["reports.sts.test"] = cls.authority.issue_for_server(cls.directory / "web", "reports.sts.test")
        cls.web = WebServer(cls.web_port, pairs)
        cls.addClassCleanup(cls.web.close)
        for name in _DOMAINS:
            mode = name if name in ("testing", "none") else "enforce"
            host = "mail.elsewhere.test" if name == "otherhost" else f"mail.{name}.sts.test"
            cls.web.pages[f"mta-sts.{name}.sts.test/.well-known/mta-sts.txt"] = (
                200, "text/html" if name == "badpage" else "text/plain", policy(mode, host))
            cls.web.pages[f"reports.sts.test/{name}"] = (201, "text/plain", b"")
        return NameServers(signed={}, plain={"sts.test": records})

    def test_enforced(self) -> None:
        """A host that the policy names, with a certificate for its name: mail goes; the policy is asked for once."""
        for number in (1, 2):
            self.submit(f"bob{number}@good.sts.test")
            self.delivered(f"bob{number}@good.sts.test", by="certificate")
        self.assertEqual(self.web.asked.count("GET mta-sts.good.sts.test/.well-known/mta-sts.txt"), 1)

    def test_not_trusted(self) -> None:
        """A certificate of an authority that nobody knows: mail waits, in clear it never goes."""
        self.submit("bob@stranger.sts.test")
        self.deferred("bob@stranger.sts.test", "no authority that is trusted")
        self.assertEqual(self.inbox("alice"), [])

    def test_other_name(self) -> None:
        """A certificate for another name: the same."""
        self.submit("bob@othername.sts.test")
        self.deferred("bob@othername.sts.test", "the certificate is for mail.example.net, not for mail.othername")

    def test_other_host(self) -> None:
        """A mail host that the policy does not name is not connected to."""
        self.submit("bob@otherhost.sts.test")
        self.deferred("bob@otherhost.sts.test", "does not name its mail host mail.otherhost.sts.test")

    def test_testing(self) -> None:
        """In testing mail goes, and it is counted what would have been wrong."""
        self.submit("bob@testing.sts.test")
        self.delivered("bob@testing.sts.test")
        self.assertIn("does not keep its MTA-STS policy, which is in testing: certificate-not-trusted",
                      self.server.log())

    def test_policies_that_are_none(self) -> None:
        """A policy of the wrong type, or from a server that is not the one it says, is none: mail goes."""
        for name in ("badpage", "badweb", "none"):
            self.submit(f"bob@{name}.sts.test")
            self.delivered(f"bob@{name}.sts.test")
        self.assertIn("the certificate", self.server.log())

    def test_remembered(self) -> None:
        """A policy holds over a restart, and while neither web server nor record are there."""
        self.submit("first@good.sts.test")
        self.delivered("first@good.sts.test", by="certificate")
        page = self.web.pages.pop("mta-sts.good.sts.test/.well-known/mta-sts.txt")
        self.addCleanup(self.web.pages.__setitem__, "mta-sts.good.sts.test/.well-known/mta-sts.txt", page)
        self.server.stop()
        self.server.start(60)
        self.submit("second@good.sts.test")
        self.delivered("second@good.sts.test", by="certificate")

    # REQUIRETLS (RFC 8689).

    def test_required(self) -> None:
        """REQUIRETLS goes along to a host that a policy names; where nobody proves which hosts there are, it fails."""
        self.submit("carol@good.sts.test", options=["REQUIRETLS"])
        self.delivered("carol@good.sts.test", by="certificate")
        self.assertTrue(self.mail_host.has("carol@good.sts.test")[0].mail.endswith(" REQUIRETLS"))
        self.submit("carol@open.sts.test", options=["REQUIRETLS"])
        self.wait_for(lambda: "<carol@open.sts.test> failed" in self.server.log())
        self.assertEqual(self.mail_host.has("carol@open.sts.test"), [])

    def test_waived(self) -> None:
        """TLS-Required: No goes where the policy would have held it up."""
        with smtplib.SMTP("localhost", self.server.ports["submission"], timeout=30) as smtp:
            smtp.starttls(context=self.tls)
            smtp.login(self.address("alice"), self.password("alice"))
            smtp.sendmail(self.address("alice"), ["dave@waived.sts.test"], simple_message(
                "broken TLS", From=self.address("alice"), TLS_Required="No"))
        self.delivered("dave@waived.sts.test")

    # Reports (RFC 8460).

    def test_reports(self) -> None:
        """What was counted is told by mail and by HTTPS when its day is over, once."""
        self.submit("erin@testing.sts.test")
        self.delivered("erin@testing.sts.test")
        self.server.stop()
        with sqlite3.connect(self.server.database) as connection:
            connection.execute("UPDATE tls_results SET day = day - 2 WHERE domain = 'testing.sts.test'")
        connection.close()
        self.server.start(60)
        self.wait_for(lambda: self.mail_host.has("tls@testing.sts.test"))
        self.wait_for(lambda: "reports.sts.test/testing" in self.web.posted)
        mailed = self.mail_host.has("tls@testing.sts.test")[0].content
        message: Any = email.message_from_bytes(mailed, policy=email.policy.default)
        self.assertEqual(message["TLS-Report-Domain"], "testing.sts.test")
        attached = list(message.iter_parts())[1].get_payload(decode=True)
        self.assertEqual(attached, self.web.posted["reports.sts.test/testing"])
        content = json.loads(gzip.decompress(attached))
        failures = [detail["result-type"] for one in content["policies"] for detail in one.get("failure-details", ())]
        self.assertIn("certificate-not-trusted", failures)
        self.server.stop()
        self.server.start(60)
        time.sleep(6)
        self.assertEqual(len(self.mail_host.has("tls@testing.sts.test")), 1)
