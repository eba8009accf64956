"""Each listener gets what its section says."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.config import parse
from quantummail.service.parts import Parts
from tests.support.places import temporary_directory


class SettingsTests(SynchronousTestCase):
    """From the configuration to the settings of a protocol. Nothing is started, so nothing is touched."""

    def settings(self, name: str, text: str) -> Any:
        """What the factory of a listener is told."""
        directory = temporary_directory(self)
        config = parse(f"[server]\ndata_dir = {directory}\n[{name}]\n{text}\n")
        tls: Any = None
        factory: Any = Parts(config, Clock(), tls).factory(name)
        return factory.settings

    def test_imap(self) -> None:
        """Limits of IMAP, those of time among them."""
        settings = self.settings("imaps", "search_timeout = 5s\nidle_timeout = 1h\nmax_message_size = 1M")
        self.assertEqual((settings.search_timeout, settings.idle_timeout), (5.0, 3600.0))
        self.assertEqual((settings.message_limit, settings.implicit_tls), (1 << 20, True))
        self.assertEqual(self.settings("imap", "").search_timeout, 30.0)
