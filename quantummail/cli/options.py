"""The command line, from the top."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from twisted.python import usage

from quantummail import config as configuration
from quantummail.cli import accounts, aliases, command, installation, local
from quantummail.cli.acls import AclGroup
from quantummail.cli.command import EX_USAGE, Command
from quantummail.cli.dkim import DkimGroup
from quantummail.cli.maintenance import Reindex, Version
from quantummail.cli.queue import QueueGroup
from quantummail.cli.record import Record
from quantummail.cli.suppressions import SuppressionGroup
from quantummail.cli.webhook import WebhookGroup
from quantummail.cli.why import Why


class Serve(Command):
    """Run the server in the foreground, until SIGTERM or SIGINT."""

    own_log = True

    def run(self) -> int:
        """Serve."""
        # The server is loaded when it is wanted
        from quantummail.cli.serving import serve

        return serve(self.configuration())


class Options(usage.Options):
    """Options of ``quantummail`` and of ``twistd quantummail``. A command is run as soon as it is parsed."""

    synopsis = "quantummail [--config FILE]"
    longdesc = "A complete private mail server: SMTP, LMTP, IMAP and POP3."
    optFlags = [["debug", None, "Show the traceback when something unexpected stops a command."]]
    optParameters = [
        ["config", "c", None, f"The configuration file [default: $QUANTUMMAIL_CONFIG or {configuration.DEFAULT_PATH}]"],
    ]
    subCommands = [
        ["serve", None, Serve, "run the server (what twistd does without a command)"],
        ["init", None, installation.Init, "make everything a server needs; keeps what is there"],
        ["check-config", None, installation.CheckConfig, "tell everything that is wrong with the configuration"],
        ["migrate", None, installation.Migrate, "bring the database to the revision that this program needs"],
        ["domain", None, accounts.DomainGroup, "domains whose mail we take: add, list, delete"],
        ["user", None, accounts.UserGroup, "accounts: add, list, info, passwd, quota, capabilities ..."],
        ["alias", None, aliases.AliasGroup, "addresses that stand for others: add, list, delete"],
        ["acl", None, AclGroup, "who may use whose mailboxes: list, set, delete, shared"],
        ["dkim", None, DkimGroup, "keys for signatures on what we send: add, list, show, activate, retire ..."],
        ["mailq", None, local.Mailq, "what `queue list` shows, in the form that programs know"],
        ["sendmail", None, local.Sendmail, "hand in a message, with the flags of sendmail"],
        ["local", None, local.LocalGroup, "names of this machine's users: aliases, resolve"],
        ["queue", None, QueueGroup, "mail that is on its way to others: list, show, retry, hold, stats ..."],
        ["suppression", None, SuppressionGroup, "addresses elsewhere that nobody may write to: list, add, delete"],
        ["why", None, Why, "tell what happened to a message, and by which rule"],
        ["webhook", None, WebhookGroup, "web servers that are told what becomes of mail: add, list, history, delete"],
        ["record", None, Record, "record what an account's programs and the server say: start, list, show, stop ..."],
        ["reindex", None, Reindex, "take in what the Maildirs have and the index has not"],
        ["version", None, Version, "say which versions run here"],
    ]

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse and run; wrong usage ends the program here, because twistd would give it the wrong code."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            print(f"quantummail: {error}", file=sys.stderr)  # noqa: T201  # a command's answer
            print("Try `quantummail --help`.", file=sys.stderr)  # noqa: T201
            raise SystemExit(EX_USAGE) from None

    def postOptions(self) -> None:
        """Run the command, if there is one; without one twistd goes on to serve."""
        wanted = self._command()
        if wanted is None or (isinstance(wanted, Serve) and self.under_twistd):
            return
        raise SystemExit(command.execute(wanted))

    @property
    def under_twistd(self) -> bool:
        """Whether twistd parses these options as a part of its own."""
        return getattr(self, "parent", None) is not None

    def _command(self) -> Command | None:
        found: Any = getattr(self, "subOptions", None)
        while found is not None and not isinstance(found, Command):
            found = getattr(found, "subOptions", None)
        return found

    def opt_version(self) -> None:
        """Say which versions run here."""
        raise SystemExit(command.execute(Version()))
