"""Sessions as text: tests/dialogues/smtp/*.txt. A first line ``#! {...}`` gives the settings, and `client`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from tests.smtp.receivers import Server
from tests.support.dialogue import read_dialogues, run_dialogue

if TYPE_CHECKING:
    from collections.abc import Callable


class DialogueTests(SynchronousTestCase):
    """One test for each file."""


def _test(name: str, text: str) -> Callable[[DialogueTests], None]:
    def test(self: DialogueTests) -> None:
        first = text.split("\n", 1)[0]
        server = Server(**(json.loads(first[2:]) if first.startswith("#!") else {}))
        run_dialogue(self, server.connection, text)
        self.flushLoggedErrors(RuntimeError)

    test.__doc__ = f"The dialogue {name}.txt goes as written."
    return test


for _name, _text in read_dialogues("smtp").items():
    setattr(DialogueTests, f"test_{_name}", _test(_name, _text))
