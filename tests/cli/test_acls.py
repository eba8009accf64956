"""Commands about who may use whose mailboxes."""

from __future__ import annotations

import contextlib
import io
import json
from unittest.mock import sentinel

from twisted.trial.unittest import SynchronousTestCase

from quantummail.cli import acls
from quantummail.cli.acls import AclDelete, AclList, AclSet, AclShared
from quantummail.cli.command import Command, CommandFailed
from quantummail.store.errors import NoSuchUser, NotAllowed
from tests.support.stores import make_store, make_user, now

ALICE, BOB = "alice@example.test", "bob@example.test"


class AclCommandsTests(SynchronousTestCase):
    """The commands on a store of their own."""

    def setUp(self) -> None:
        self.store = make_store(self)
        make_user(self.store, ALICE)
        make_user(self.store, BOB)
        self.patch(Command, "configuration", lambda _command: sentinel.config)
        self.patch(acls, "with_store", lambda _config, work: now(work(self.store)))

    def run_(self, command: Command, *arguments: str) -> str:
        """What a command says."""
        command.parseOptions(arguments)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            self.assertEqual(command.run(), 0)
        return said.getvalue()

    def test_set_and_list(self) -> None:
        """Rights are set, added, taken, and listed, of one mailbox or of all."""
        self.assertEqual(self.run_(AclSet(), ALICE, "INBOX", BOB, "lrd"), f"{BOB} has lrte on INBOX of {ALICE}\n")
        self.run_(AclSet(), ALICE, "inbox", "--", BOB, "-e")
        self.run_(AclSet(), ALICE, "Sent", "--", "-anyone", "a")
        self.assertEqual(self.run_(AclList(), ALICE, "INBOX"),
                         f"MAILBOX  IDENTIFIER        RIGHTS\nINBOX    {BOB}  lrt\n")
        self.assertEqual(json.loads(self.run_(AclList(), ALICE, "--json")), [
            {"mailbox": "INBOX", "identifier": BOB, "rights": "lrt"},
            {"mailbox": "Sent", "identifier": "-anyone", "rights": "a"}])
        self.assertEqual(json.loads(self.run_(AclShared(), BOB, "--json")), [
            {"owner": ALICE, "mailbox": "INBOX", "rights": "lrt"}])
        self.assertIn("lrt", self.run_(AclShared(), BOB))
        self.assertEqual(self.run_(AclSet(), ALICE, "INBOX", BOB, ""), f"{BOB} has no rights on INBOX of {ALICE}\n")

    def test_delete(self) -> None:
        """An entry is gone."""
        self.run_(AclSet(), ALICE, "INBOX", BOB, "lr")
        self.run_(AclDelete(), ALICE, "INBOX", BOB)
        self.assertEqual(json.loads(self.run_(AclList(), ALICE, "--json")), [])

    def test_refused(self) -> None:
        """Unknown rights, users and mailboxes; what would take something from the owner."""
        for error, arguments in (
            (CommandFailed, (ALICE, "INBOX", BOB, "lz")), (CommandFailed, ("x@example.test", "INBOX", BOB, "lr")),
            (CommandFailed, (ALICE, "nothing", BOB, "lr")), (NoSuchUser, (ALICE, "INBOX", "x@example.test", "lr")),
            (NotAllowed, (ALICE, "INBOX", ALICE, "lr")),
        ):
            self.assertRaises(error, self.run_, AclSet(), *arguments)
