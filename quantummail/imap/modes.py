"""What a client has switched on that changes how it is told of its mailbox."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Modes:
    """One per session; its view reads it too."""

    condstore: bool = False
    """MODSEQ is shown wherever flags are told unasked (RFC 7162 3.1)."""
    qresync: bool = False
    """VANISHED replaces EXPUNGE (RFC 7162 3.2.10)."""
    uidonly: bool = False
    """There are no message numbers: UIDFETCH replaces FETCH, VANISHED replaces EXPUNGE (RFC 9586)."""
    rev2: bool = False
    """IMAP4rev2 (RFC 9051): no \\Recent, ESEARCH instead of SEARCH."""
    notify: bool = False
    """The client has used NOTIFY: flags that are told unasked come with the UID (RFC 5465 5.1)."""

    def enable(self, name: str) -> None:
        """The client has enabled an extension (RFC 5161)."""
        match name:
            case "CONDSTORE":
                self.condstore = True
            case "QRESYNC":
                # RFC 7162 3.2.3: it implies CONDSTORE
                self.qresync = self.condstore = True
            case "UIDONLY":
                self.uidonly = True
            case "IMAP4REV2":
                self.rev2 = True

    @property
    def vanished(self) -> bool:
        """Whether VANISHED tells of expunged messages."""
        return self.qresync or self.uidonly

    @property
    def shows_uid(self) -> bool:
        """Whether flags that are told unasked come with the UID (RFC 7162 3.2.4, RFC 9051 7.5.2, RFC 5465 5.1)."""
        return (self.qresync or self.rev2 or self.notify) and not self.uidonly
