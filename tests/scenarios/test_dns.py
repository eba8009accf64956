"""Where mail goes, with real name servers: long answers, aliases, names that are not there, and servers that fail."""

from __future__ import annotations

import socket
import time

from tests.scenarios.policies import PolicyScenario
from tests.support.nameservers import PROGRAMS, NameServers
from tests.support.programs import needs


@needs(*PROGRAMS)
class NameScenarios(PolicyScenario):
    """Our server asks a resolver that never answers first, and then one that does."""

    silent: socket.socket

    @classmethod
    def zones(cls) -> NameServers:
        """The name servers."""
        cls.silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        cls.addClassCleanup(cls.silent.close)
        cls.silent.bind(("127.0.0.1", 0))
        records = "mail A 127.0.0.1\n" + cls.host("mail.names.test")
        # more than a datagram takes
        records += "".join(f"big MX {10 + number} mail-{'x' * 50}-{number}\n" for number in range(60))
        records += "big MX 1 mail\n"
        records += "alias CNAME target\ntarget MX 10 mail\n"
        records += "mxalias MX 10 other\nother CNAME mail\n"
        records += "implicit A 127.0.0.1\n"
        records += "null MX 0 .\n"
        records += 'empty TXT "nothing here"\n'
        records += "loop1 CNAME loop2\nloop2 CNAME loop1\n"
        names = NameServers(signed={}, plain={"names.test": records}, bogus={"bogus.test": "@ MX 10 mail\n"},
                            dead=("dead.test",))
        silent = cls.silent.getsockname()[1]
        cls.more_settings = {"dns": {"servers": f"127.0.0.1:{silent}, 127.0.0.1:{names.port}", "timeout": "0.5s"}}
        return names

    def failed(self, recipient: str, status: str) -> None:
        """It comes back."""
        self.wait_for(lambda: f"<{recipient}> failed" in self.server.log())
        self.noted(recipient, status)

    def test_found(self) -> None:
        """Answers that are too long for a datagram, aliases of domains and of hosts, and no MX at all."""
        for name in ("big", "alias", "mxalias", "implicit"):
            self.submit(f"bob@{name}.names.test")
        for name in ("big", "alias", "mxalias", "implicit"):
            self.delivered(f"bob@{name}.names.test")

    def test_final(self) -> None:
        """Domains that are not there, have no host, or want no mail: a bounce at once, which says so."""
        for name, status in (("gone", "5.1.2"), ("empty", "5.1.2"), ("null", "5.1.10")):
            self.submit(f"bob@{name}.names.test")
            self.failed(f"bob@{name}.names.test", status)
        self.wait_for(lambda: len(self.files("alice")) == 3)

    def test_not_final(self) -> None:
        """Servers that do not answer, answers that are wrong, and circles: mail waits, and nothing bounces."""
        for recipient in ("bob@dead.test", "bob@bogus.test", "bob@loop1.names.test"):
            self.submit(recipient)
        for recipient in ("bob@dead.test", "bob@bogus.test", "bob@loop1.names.test"):
            self.deferred(recipient, "451 4.4.3")
        self.assertEqual(self.files("alice"), [])

    def test_no_names_at_all(self) -> None:
        """Without any resolver mail waits; when one is back, it goes."""
        self.names.stop("unbound")
        self.addCleanup(self.names.start)
        self.server.stop()
        self.server.start(60)
        self.submit("dora@big.names.test")
        self.deferred("dora@big.names.test", "451 4.4.3")
        self.names.start()
        # that there was no answer is remembered for five seconds
        time.sleep(6)
        self.server.command("queue", "retry", "--recipient", "dora@big.names.test")
        self.delivered("dora@big.names.test")
        self.assertEqual(self.files("alice"), [])
