"""UTF8=ACCEPT: names of mailboxes in UTF-8 once the client has enabled it (RFC 9755, RFC 6855).

Headers in UTF-8 (RFC 6532) are shown as they are to all clients, whether they have enabled it or not: they are what the
message says, and old clients guess its charset from them as they always did.
"""

from __future__ import annotations

from quantummail.imap import capabilities
from quantummail.imap.commands.enable import CAN_BE_ENABLED

UTF8_ACCEPT = capabilities.offer("UTF8=ACCEPT")
CAN_BE_ENABLED.add(UTF8_ACCEPT)
