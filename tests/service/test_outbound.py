"""What sends mail, as the configuration describes it."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.config import ConfigError, parse
from quantummail.service.outbound import read_rules
from quantummail.service.refusal import EX_CONFIG, StartRefused
from quantummail.service.server import QuantumMailService
from tests.support.places import temporary_directory


class RuleTests(SynchronousTestCase):
    """`[sending] routes` and `credentials`."""

    def test_everything_that_is_wrong(self) -> None:
        """Every bad rule is told, with section and key."""
        config = parse("[sending]\nroutes = a.test nonsense://x, b.test smtp://relay.test, c.test\n")
        with self.assertRaises(ConfigError) as caught:
            read_rules(config)
        told = [str(problem) for problem in caught.exception.problems]
        self.assertEqual(len(told), 2)
        self.assertTrue(told[0].startswith("[sending] routes = a.test nonsense://x: "), told[0])
        self.assertTrue(told[1].startswith("[sending] routes = c.test: "), told[1])

    def test_credentials(self) -> None:
        """A file that is not there, that others can read, or that cannot be understood."""
        path = temporary_directory(self) / "credentials"
        config = parse(f"[sending]\ncredentials = {path}\n")
        for prepare, words in (
            (lambda: None, "No such file"), (lambda: path.write_text("me@relay.test secret\n"), "chmod 600"),
            (lambda: path.write_text("nonsense\n"), "line 1"), (lambda: path.write_bytes(b"\xff"), "UTF-8"),
        ):
            prepare()
            if path.exists():
                path.chmod(0o644 if words == "chmod 600" else 0o600)
            with self.assertRaises(ConfigError) as caught:
                read_rules(config)
            self.assertIn(f"[sending] credentials = {path}: ", str(caught.exception))
            self.assertIn(words, str(caught.exception))

    def test_server_refuses(self) -> None:
        """The server does not start, and says why."""
        directory = temporary_directory(self)
        config = parse(f"[server]\ndata_dir = {directory}\n[sending]\nroutes = a.test nonsense://x\n")
        service = QuantumMailService(config, Clock())
        service._privileged = True  # ports and keys are not what this is about
        with self.assertRaises(StartRefused) as caught:
            service.startService()
        self.assertEqual(caught.exception.code, EX_CONFIG)
        self.assertIn("[sending] routes = a.test nonsense://x", str(caught.exception))
