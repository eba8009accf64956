"""IMAP4rev2 beside IMAP4rev1 (RFC 9051): a client that enables it is answered as that RFC says. `Modes` has a list."""

from __future__ import annotations

from quantummail.imap import capabilities
from quantummail.imap.commands.enable import CAN_BE_ENABLED

IMAP4REV2 = capabilities.offer("IMAP4rev2", before_login=True)
CAN_BE_ENABLED.add(IMAP4REV2.upper())
