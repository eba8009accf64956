#!/usr/bin/env python3
"""What two IMAP servers read differently in the same awkward messages.

    python -m benchmarks.differences fill HOST:PORT USER PASSWORD
    python -m benchmarks.differences compare HOST:PORT USER PASSWORD HOST:PORT USER PASSWORD [--full]

`fill` makes the mailbox anew. `compare` lists every difference: the item, the message, what each of them says.
What is known of those to Dovecot is explained in docs/imap-differences.rst.
"""

from __future__ import annotations

import re
import socket
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from tests.support.awkward_corpus import ADDRESSES, SUBJECTS, corpus

MAILBOX = "awkward"
ITEMS = (
    "RFC822.SIZE", "INTERNALDATE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]",
    "BODY.PEEK[1]",
    "BODY.PEEK[1.MIME]", "BODY.PEEK[2]", "BODY.PEEK[2.MIME]", "BODY.PEEK[2.HEADER]", "BODY.PEEK[2.TEXT]",
    "BODY.PEEK[1.1]",
    "BODY.PEEK[1.1.MIME]", "BODY.PEEK[1.HEADER]", "BODY.PEEK[1.TEXT]", "BODY.PEEK[3]", "BODY.PEEK[2.1]",
    "BODY.PEEK[]<10.20>",
    "BODY.PEEK[HEADER.FIELDS (Subject From To Date)]", "BODY.PEEK[HEADER.FIELDS.NOT (Subject From To)]",
    "BODY.PEEK[1.HEADER.FIELDS (Subject)]", "BINARY.SIZE[1]", "BINARY.PEEK[1]", "BINARY.SIZE[2]", "BINARY.PEEK[2]",
)
SORTS = ("ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "REVERSE DATE", "REVERSE SUBJECT DATE",
         "DISPLAYFROM", "DISPLAYTO")
THREADS = ("ORDEREDSUBJECT", "REFERENCES", "REFS")
WORDS = ("joe", "example.org", "joe@example.org", "Joe", "Public", "Friends", "groupuser", "plain", "Grüße", "Jörg",
         "list", "utf-8", "fwd", "日本語",
         "中文", "Привет", "user39", "one", "thread", "x", "a b", "<joe@example.org>", "comment", "\\", '"',
         "two lines", "text", "Hello world",
         "inner", "friend@example.net", "müller", "用户", "caf")
FIELDS = ("Subject", "From", "To", "Cc", "Message-ID", "References", "Content-Type", "Content-Disposition",
          "Content-ID", "X-Y", "Date", "MIME-Version")

Value: TypeAlias = "bytes | list[Value] | None"
_token = re.compile(rb'\s*(?:(\()|(\))|"((?:[^"\\]|\\.)*)"|~?\{(\d+)\}|([^\s()"\[]*\[[^\]]*\](?:<\d+>)?|[^\s()"]+))')


class Client:
    """A connection that is logged in."""

    def __init__(self, address: str, user: str, password: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), 60)
        self._input = self._socket.makefile("rb")
        self._tag = 0
        self._input.readline()
        self.command(f'LOGIN "{user}" "{password}"')

    def send(self, text: str | bytes, literal: bytes | None = None) -> tuple[bytes, list[bytes]]:
        """Run a command: its tagged response and the untagged ones, literals within."""
        self._tag += 1
        tag = b"a%d " % self._tag
        line = tag + (text.encode() if isinstance(text, str) else text)
        if literal is not None:
            line += b" {%d}" % len(literal)
        self._socket.sendall(line + b"\r\n")
        untagged: list[bytes] = []
        while True:
            response = self._response()
            if response.startswith(b"+") and literal is not None:
                self._socket.sendall(literal + b"\r\n")
            elif response.startswith(tag):
                return response[len(tag):], untagged
            else:
                untagged.append(response)

    def command(self, text: str, literal: bytes | None = None) -> list[bytes]:
        """Run a command that has to succeed."""
        answer, untagged = self.send(text, literal)
        if not answer.startswith(b"OK"):
            raise SystemExit(f"{text}: {answer!r}")
        return untagged

    def _response(self) -> bytes:
        whole = b""
        while True:
            line = self._input.readline()
            if not line:
                raise SystemExit("the server has hung up")
            whole += line
            announced = re.search(rb"\{(\d+)\}\r\n\Z", line)
            if announced is None:
                return whole[:-2]
            whole += self._input.read(int(announced[1]))


def parse(data: bytes) -> list[Value]:
    """The values of a response: strings, None for NIL, lists."""
    stack: list[list[Value]] = [[]]
    position = 0
    while found := _token.match(data, position):
        if not found[0].strip():
            break
        position = found.end()
        if found[1]:
            stack.append([])
        elif found[2]:
            done = stack.pop()
            stack[-1].append(done)
        elif found[3] is not None:
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", found[3]))
        elif found[4]:
            position += 2
            stack[-1].append(data[position : position + int(found[4])])
            position += int(found[4])
        else:
            stack[-1].append(None if found[5].upper() == b"NIL" else found[5])
    return stack[0]


def fetch(client: Client, item: str, count: int) -> list[Value]:
    """One item of all messages; a text that begins with "refused" where there is none."""
    values: list[Value] = []
    for number in range(1, count + 1):
        answer, untagged = client.send(f"FETCH {number} ({item})")
        if not answer.startswith(b"OK"):
            values.append(b"refused: " + answer.split(b"]")[0])
            continue
        found: Value = b"nothing"
        for line in untagged:
            response = parse(line)
            if len(response) == 4 and response[2] == b"FETCH" and isinstance(response[3], list):
                found = response[3][1] if len(response[3]) > 1 else found
        values.append(found)
    return values


def searches() -> Iterator[str | tuple[str, bytes]]:
    """Search keys; those with a literal as a pair."""
    for word in WORDS:
        for key in ("FROM", "TO", "SUBJECT", "BODY", "TEXT"):
            yield f"CHARSET UTF-8 {key}", word.encode()
    for field in FIELDS:
        yield f'HEADER {field} ""'
        yield f'HEADER {field} "x"'
        yield f'HEADER {field} "utf"'
    for day in ("31-Dec-1969", "1-Jan-1970", "1-Nov-2026", "2-Nov-2026", "3-Nov-2026", "15-Nov-2026", "1-Jan-2030"):
        for key in ("SENTON", "SENTBEFORE", "SENTSINCE", "ON", "BEFORE", "SINCE"):
            yield f"{key} {day}"
    for size in (50, 200, 400, 1000, 50000):
        yield f"LARGER {size}"
        yield f"SMALLER {size}"


def pieces() -> Iterator[tuple[str, bytes]]:
    """What the corpus itself says, as far as it is ASCII and short: searched where it stands."""
    for key, values in (("FROM", ADDRESSES), ("SUBJECT", SUBJECTS)):
        for value in values:
            word = value.strip()
            if word.isascii() and 2 < len(word) < 60 and b"\r" not in word:
                yield key, word


def edges(text: bytes) -> set[tuple[int, int]]:
    """Parent and child of each message in a THREAD response, 0 for what stands at the top."""
    found: set[tuple[int, int]] = set()
    stack: list[int] = []
    parent = 0
    for token in re.findall(rb"[()]|\d+", text):
        if token == b"(":
            stack.append(parent)
        elif token == b")":
            parent = stack.pop()
        else:
            found.add((parent, int(token)))
            parent = int(token)
    return found


def fill(client: Client) -> None:
    """Make the mailbox with all messages of the corpus, a minute apart."""
    client.send(f"DELETE {MAILBOX}")
    client.command(f"CREATE {MAILBOX}")
    for number, message in enumerate(corpus().values()):
        date = f"0{1 + number // 240}-Nov-2026 {8 + number // 60 % 4:02}:{number % 60:02}:00 +0000"
        client.command(f'APPEND {MAILBOX} "{date}"', message)


class Comparison:
    """Lists and counts what two servers say differently."""

    def __init__(self, ours: Client, theirs: Client, *, full: bool) -> None:
        self.ours, self.theirs = ours, theirs
        self.names = list(corpus())
        self.counts: Counter[str] = Counter()
        self._length = None if full else 400
        for client in (ours, theirs):
            client.command(f"SELECT {MAILBOX}")

    def run(self) -> None:
        """Everything."""
        for item in ITEMS:
            self._fetch(item)
        for key in [*searches(), *pieces()]:
            self._search(key)
        for sort in SORTS:
            self._sort(sort)
        for thread in THREADS:
            self._thread(thread)
        print("== differences")
        for kind, count in sorted(self.counts.items()):
            print(f"{count:5} {kind}")

    def _tell(self, kind: str, what: str, one: object, other: object) -> None:
        self.counts[kind] += 1
        print(f"{kind}: {what}\n  ours   {repr(one)[: self._length]}\n  theirs {repr(other)[: self._length]}")

    def _fetch(self, item: str) -> None:
        both = zip(self.names, fetch(self.ours, item, len(self.names)), fetch(self.theirs, item, len(self.names)),
                   strict=True)
        for name, one, other in both:
            if one is None and other == b"" and "[" in item:
                self.counts[f"{item}: NIL, and an empty string"] += 1
            elif _same_day(one) != _same_day(other):
                self._tell(item, name, one, other)

    def _search(self, key: str | tuple[str, bytes]) -> None:
        text, literal = key if isinstance(key, tuple) else (key, None)
        one, other = (_numbers(client.send(f"SEARCH {text}", literal)) for client in (self.ours, self.theirs))
        if one != other:
            what = f"{text} {literal.decode() if literal else ''}"
            kind = f"SEARCH {text.split()[2] if text.startswith('CHARSET') else text.split()[0]}"
            if isinstance(one, str) or isinstance(other, str):
                self._tell(kind, what, one, other)
                return
            self._tell(kind, what, [self.names[n - 1] for n in sorted(one - other)],
                       [self.names[n - 1] for n in sorted(other - one)])

    def _sort(self, key: str) -> None:
        one, other = (_order(client.send(f"SORT ({key}) UTF-8 ALL")) for client in (self.ours, self.theirs))
        if one == other:
            return
        for number in _displaced(one, other):
            self._tell(f"SORT {key}", self.names[number - 1], f"behind {self._before(one, number)}",
                       f"behind {self._before(other, number)}")

    def _before(self, order: Sequence[int], number: int) -> str:
        index = order.index(number) if number in order else 0
        return self.names[order[index - 1] - 1] if index else "nothing"

    def _thread(self, algorithm: str) -> None:
        one, other = (client.send(f"THREAD {algorithm} UTF-8 ALL") for client in (self.ours, self.theirs))
        ours, theirs = (edges(b"".join(untagged)) for _, untagged in (one, other))
        if not one[0].startswith(b"OK") or not other[0].startswith(b"OK"):
            self._tell(f"THREAD {algorithm}", "refused", one[0], other[0])
            return
        parents = {child: parent for parent, child in theirs}
        for parent, child in sorted(ours - theirs, key=lambda edge: edge[1]):
            self._tell(f"THREAD {algorithm}", self.names[child - 1], f"below {self._name(parent)}",
                       f"below {self._name(parents.get(child, 0))}")

    def _name(self, number: int) -> str:
        return self.names[number - 1] if number else "nothing"


def _same_day(value: Value) -> Value:
    """RFC 3501 section 9, date-day-fixed: a day below 10 is written in two ways."""
    return value.replace(b" ", b"0", 1) if isinstance(value, bytes) and re.match(rb" \d-...-", value) else value


def _numbers(answer: tuple[bytes, list[bytes]]) -> set[int] | str:
    if not answer[0].startswith(b"OK"):
        return answer[0].decode("utf-8", "replace")
    return {int(word) for line in answer[1] if line.startswith(b"* SEARCH") for word in line.split()[2:]}


def _order(answer: tuple[bytes, list[bytes]]) -> list[int]:
    return [int(word) for line in answer[1] if line.startswith(b"* SORT") for word in line.split()[2:]]


def _displaced(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """The fewest messages without which both orders are the same."""
    place = {number: index for index, number in enumerate(other)}
    best: list[tuple[int, int]] = []  # of each: the length of the longest run that ends here, and where it came from
    for index, number in enumerate(one):
        length, before = 0, -1
        for earlier in range(index):
            if place.get(one[earlier], -1) < place.get(number, -1) and best[earlier][0] > length:
                length, before = best[earlier][0], earlier
        best.append((length + 1, before))
    kept = set()
    at = max(range(len(best)), key=lambda index: best[index][0], default=-1)
    while at >= 0:
        kept.add(one[at])
        at = best[at][1]
    return [number for number in one if number not in kept]


def main(arguments: list[str]) -> None:
    """The command line."""
    if arguments[:1] == ["fill"] and len(arguments) == 4:
        fill(Client(*arguments[1:]))
    elif arguments[:1] == ["compare"] and len(arguments) in (7, 8):
        Comparison(Client(*arguments[1:4]), Client(*arguments[4:7]), full="--full" in arguments).run()
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
