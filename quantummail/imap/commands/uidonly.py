"""UIDONLY: a session without message numbers (RFC 9586). `Modes`, `View` and `Session` do the work."""

from __future__ import annotations

from quantummail.imap import capabilities
from quantummail.imap.commands.enable import CAN_BE_ENABLED

UIDONLY = capabilities.offer("UIDONLY")
CAN_BE_ENABLED.add(UIDONLY)
