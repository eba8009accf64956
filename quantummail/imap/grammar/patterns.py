"""Patterns of LIST and LSUB: ``*`` for anything, ``%`` for anything within one level (RFC 3501 6.3.8)."""

from __future__ import annotations

import re

from quantummail.imap.grammar.cursor import LimitExceeded
from quantummail.message.mailbox_name import DELIMITER

MAX_WILDCARDS = 10
_WILDCARDS = re.compile(r"[*%]+")


class ListPattern:
    """Says which names match. The time is at most that of the name's length times the pattern's, never more."""

    __slots__ = ("_inbox", "_matcher", "text")

    def __init__(self, text: str) -> None:
        # "**" is "*", "%%" is "%", and a "*" swallows any "%" beside it
        self.text = _WILDCARDS.sub(lambda run: "*" if "*" in run[0] else "%", text)
        if self.text.count("*") + self.text.count("%") > MAX_WILDCARDS:
            raise LimitExceeded(f"At most {MAX_WILDCARDS} wildcards in a pattern")
        if self.text[:5].upper() == "INBOX" and self.text[5:6] in ("", DELIMITER, "*", "%"):
            self.text = "INBOX" + self.text[5:]
        self._matcher = _matcher(self.text)
        self._inbox = _matcher(self.text.upper())

    def matches(self, name: str) -> bool:
        """Whether a name of a mailbox matches; INBOX does in any case of letters."""
        if name == "INBOX":
            return self._inbox.matches(name)
        return self._matcher.matches(name)


def _matcher(text: str) -> _Stars | _Steps:
    return _Steps(text) if "%" in text else _Stars(text)


class _Stars:
    """A pattern whose only wildcard is ``*``: each piece is taken where it is found first."""

    __slots__ = ("_pieces",)

    def __init__(self, text: str) -> None:
        self._pieces = text.split("*")

    def matches(self, name: str) -> bool:
        pieces = self._pieces
        if len(pieces) == 1:
            return name == pieces[0]
        if not name.startswith(pieces[0]):
            return False
        position = len(pieces[0])
        for piece in pieces[1:-1]:
            found = name.find(piece, position)
            if found < 0:
                return False
            position = found + len(piece)
        return len(name) - position >= len(pieces[-1]) and name.endswith(pieces[-1])


class _Steps:
    """Any pattern, all ways of matching at once: bit i of a number says that i elements are matched."""

    __slots__ = ("_after", "_any", "_expected", "_final", "_level", "_prefix")

    def __init__(self, text: str) -> None:
        self._prefix = re.split(r"[*%]", text, maxsplit=1)[0]
        self._expected: dict[str, int] = {}
        self._any = self._level = 0
        for index, character in enumerate(text):
            if character == "*":
                self._any |= 1 << index
            elif character == "%":
                self._level |= 1 << index
            else:
                self._expected[character] = self._expected.get(character, 0) | 1 << index
        self._final = 1 << len(text)
        # A wildcard may match nothing: two of them never stand side by side, so one step is enough
        self._after = self._any | self._level

    def matches(self, name: str) -> bool:
        if not name.startswith(self._prefix):
            return False
        after, everywhere, expected = self._after, self._any, self._expected
        within = everywhere | self._level
        reached = 1 | (1 & after) << 1
        for character in name:
            stay = reached & (everywhere if character == DELIMITER else within)
            reached = stay | (reached & expected.get(character, 0)) << 1
            if not reached:
                return False
            reached |= (reached & after) << 1
        return bool(reached & self._final)
