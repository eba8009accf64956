"""What the server answers: a code, an enhanced status code, and words (RFC 5321 4.2, RFC 2034, RFC 3463)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, of one or several lines. `status` is empty where RFC 2034 wants none (greeting, EHLO, 354, 334)."""

    code: int
    status: str
    text: str

    @property
    def positive(self) -> bool:
        """Whether the command was accepted (2yz, 3yz)."""
        return self.code < 400

    def encode(self) -> bytes:
        """The octets on the wire. Lines of `text` are separated by LF; anything not printable becomes ``?``."""
        prefix = f"{self.status} " if self.status else ""
        if self.text.isascii() and self.text.isprintable():
            return f"{self.code} {prefix}{self.text}\r\n".encode("ascii")
        lines = [_printable(line) for line in self.text.split("\n")]
        last = lines.pop()
        parts = [f"{self.code}-{prefix}{line}\r\n" for line in lines]
        parts.append(f"{self.code} {prefix}{last}\r\n")
        return "".join(parts).encode("utf-8", "replace")


def _printable(line: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in line)


class Refusal(Exception):
    """Raised where a command is refused: the exception knows its reply."""

    def __init__(self, code: int, status: str, text: str) -> None:
        super().__init__(f"{code} {status} {text}")
        self.reply = Reply(code, status, text)


NO_ROOM = Reply(452, "4.3.1", "Insufficient system storage, please try again later")
LOCAL_ERROR = Reply(451, "4.3.0", "Local error, please try again later")
