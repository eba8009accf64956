"""I18NLEVEL=1: how texts are compared (RFC 5255 4.3).

There is no command: SEARCH, SORT and THREAD compare as i;unicode-casemap does, see `quantummail.message.casemap`.
"""

from __future__ import annotations

from quantummail.imap import capabilities

I18NLEVEL = capabilities.offer("I18NLEVEL=1")
