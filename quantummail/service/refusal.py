"""Why a server does not start, and the exit code that says so (sysexits.h)."""

from __future__ import annotations

EX_TEMPFAIL = 75
EX_CONFIG = 78


class StartRefused(Exception):
    """The server cannot start. The text is for the administrator."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
