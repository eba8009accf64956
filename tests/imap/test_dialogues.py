"""The dialogues in tests/dialogues/imap."""

from __future__ import annotations

from tests.imap.case import ImapCase
from tests.support.dialogue import read_dialogues, run_dialogue
from tests.support.transport import connect


class DialogueTests(ImapCase):
    """Each with a store of its own. Those whose name begins with `clear` have no TLS at first."""

    def hold(self, name: str) -> None:
        factory = self.listener(implicit_tls=not name.startswith("clear"))
        connection, _ = connect(factory)
        run_dialogue(self, connection, read_dialogues("imap")[name])


def _add(name: str) -> None:
    def test(self: DialogueTests) -> None:
        self.hold(name)

    test.__doc__ = f"{name}.txt"
    setattr(DialogueTests, "test_" + name.replace("-", "_"), test)


for _name in read_dialogues("imap"):
    _add(_name)
