"""The kinds of values that settings have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from quantummail.config import values
from quantummail.config.values import Endpoint, Kind, Pair


class ValuesTests(SynchronousTestCase):
    """What each kind takes, and what it refuses."""

    def takes(self, kind: Kind[Any], table: dict[str, object]) -> None:
        for text, value in table.items():
            self.assertEqual(kind.parse(text), value, text)

    def refuses(self, kind: Kind[Any], *texts: str) -> None:
        for text in texts:
            self.assertRaises(ValueError, kind.parse, text)

    def test_counts(self) -> None:
        """Counts are plain decimal numbers."""
        self.takes(values.COUNT, {"0": 0, "12": 12})
        self.refuses(values.COUNT, "", "-1", "1.5", "1e3", "0x1", "ten", "٣", "1" * 13)
        self.refuses(values.POSITIVE, "0")

    def test_sizes(self) -> None:
        """Sizes are octets, with units of powers of 1024."""
        self.takes(values.SIZE, {"0": 0, "512": 512, "4k": 4096, "50M": 50 * 1024**2, "1 GiB": 1024**3,
                                 "2T": 2 * 1024**4})
        self.refuses(values.SIZE, "", "M", "-1M", "1.5M", "10X")

    def test_what_is_too_much(self) -> None:
        """No number is more than the database, the protocols or the reactor take; what is accepted says so."""
        self.takes(values.SIZE, {"1048576T": 1 << 60})
        self.refuses(values.SIZE, "1048577T", "99999999999999999999", "9" * 5000)
        self.takes(values.DURATION, {"3650d": 315360000.0})
        self.refuses(values.DURATION, "3651d", "9" * 400, "0." + "0" * 20)
        self.takes(values.THREADS, {"100": 100})
        self.refuses(values.THREADS, "0", "101", "9" * 5000)
        self.assertEqual(values.COUNT.accepts, "a whole number from 0 to 999999999999")
        for kind, said in ((values.SIZE, "1048576T at most"), (values.DURATION, "3650d at most")):
            self.assertIn(said, kind.accepts)

    def test_durations(self) -> None:
        """Times are seconds unless they have a unit, and never nothing."""
        self.takes(values.DURATION, {"5": 5.0, "0.5s": 0.5, "10m": 600.0, "1h": 3600.0, "2d": 172800.0})
        self.refuses(values.DURATION, "", "0", "0m", "-1", "5 weeks", "m")

    def test_yes_and_no(self) -> None:
        """The usual words for yes and no, in any case."""
        self.takes(values.YES_NO, {"yes": True, "On": True, "1": True, "no": False, "FALSE": False, "off": False})
        self.refuses(values.YES_NO, "", "y", "2", "maybe")

    def test_host_names(self) -> None:
        """Host names come in lower case, without the dot at the end."""
        self.takes(values.HOSTNAME, {"Mail.Example.org.": "mail.example.org", "localhost": "localhost"})
        self.refuses(values.HOSTNAME, "", ".", "a..b", "-a.b", "a-.b", "a b", "ü.de", "x" * 64, "mail:25")

    def test_tls_levels(self) -> None:
        """Domains and how much protection mail to them needs."""
        self.assertEqual(values.TLS_LEVELS.parse("A.test verify, .b.test  none,* dane-only,"),
                         (("a.test", "verify"), (".b.test", "none"), ("*", "dane-only")))
        self.assertEqual(values.TLS_LEVELS.parse(""), ())
        for text in ("a.test", "a.test sometimes", "*.a.test verify", "a@b.test verify", "a.test verify x", ". none"):
            with self.assertRaises(ValueError, msg=text):
                values.TLS_LEVELS.parse(text)

    def test_networks(self) -> None:
        """Networks and single addresses, nothing with bits behind the prefix."""
        self.assertEqual([str(one) for one in values.NETWORKS.parse("10.1.0.0/16, ::1")], ["10.1.0.0/16", "::1/128"])
        self.assertEqual(values.NETWORKS.parse(""), ())
        for text in ("10.1.0.1/16", "localhost", "10.1"):
            with self.assertRaises(ValueError, msg=text):
                values.NETWORKS.parse(text)

    def test_mail_addresses(self) -> None:
        """One plain address, or none."""
        for text in ("", "tls-reports@example.org"):
            self.assertEqual(values.MAIL_ADDRESS.parse(text), text)
        for text in ("x", "x@", "a b@c", "<a@b>", "a@b, c@d"):
            with self.assertRaises(ValueError, msg=text):
                values.MAIL_ADDRESS.parse(text)

    def test_endpoints(self) -> None:
        """Addresses, unix sockets and systemd's sockets are told apart."""
        self.takes(values.ENDPOINTS, {
            "": (),
            "127.0.0.1:25": (Endpoint("tcp", "127.0.0.1", 25),),
            "localhost:25": (Endpoint("tcp", "127.0.0.1", 25),),
            "0.0.0.0:25, [::]:25": (Endpoint("tcp", "0.0.0.0", 25), Endpoint("tcp", "::", 25)),
            "unix:/run/lmtp": (Endpoint("unix", path="/run/lmtp"),),
            "systemd": (Endpoint("fd"),),
            "fd:imaps": (Endpoint("fd", name="imaps"),),
        })
        self.refuses(values.ENDPOINTS, "25", "127.0.0.1", "127.0.0.1:70000", "::1:25", "mail.example.org:25",
                     "unix:run/x", "unix:/" + "x" * 107, "fd:", "fd:a b", "127.0.0.1:٢٥")

    def test_endpoints_are_written_as_they_are_read(self) -> None:
        """The text of an endpoint is the one that makes it."""
        for text in ("127.0.0.1:25", "[::1]:25", "unix:/run/lmtp", "systemd", "fd:imaps"):
            self.assertEqual(str(values.endpoint(text)), text)

    def test_delimiters(self) -> None:
        """A recipient delimiter is one character of RFC 5322 atext that no name is made of, or none."""
        self.takes(values.DELIMITER, {"": "", "+": "+", "-": "-", "=": "="})
        self.refuses(values.DELIMITER, "a", "1", "++", "@", '"', "ü", " ")

    def test_pairs(self) -> None:
        """Certificates and keys come in pairs."""
        self.takes(values.PAIRS, {"": (), "/a /b, /c /d": (Pair(Path("/a"), Path("/b")), Pair(Path("/c"), Path("/d")))})
        self.refuses(values.PAIRS, "/a", "/a /b /c")

    def test_modes(self) -> None:
        """Permissions are octal."""
        self.takes(values.MODE, {"0660": 0o660, "600": 0o600})
        self.refuses(values.MODE, "", "9", "0888", "rw", "07777")

    def test_databases(self) -> None:
        """Only SQLite for now, with an absolute path."""
        self.takes(values.DATABASE, {"sqlite:////var/x.sqlite": "sqlite:////var/x.sqlite"})
        self.refuses(values.DATABASE, "", "sqlite:///relative", "sqlite://", "postgresql://localhost/mail")

    def test_names(self) -> None:
        """Names of capabilities are separated by commas or blanks, in any case."""
        self.takes(values.NAMES, {"": (), "move, literal+": ("MOVE", "LITERAL+")})
