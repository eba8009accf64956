"""Tests of quantummail.imap.contexts: what a client makes of updates is what it would find itself."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantummail.imap import contexts
from quantummail.imap.server import IMAPConnection
from tests.imap.case import ImapCase

_UPDATE = re.compile(r'^\* ESEARCH \(TAG "(\w+)"\) UID (.*)$')
_ITEM = re.compile(r"(ADDTO|REMOVEFROM) \(([^)]*)\)")
_SEARCHES = {
    "seen": "UID SEARCH RETURN (UPDATE ALL) SEEN",
    "sorted": "UID SORT RETURN (UPDATE ALL) (SUBJECT REVERSE SIZE) UTF-8 UNSEEN",
    "all": "UID SORT RETURN (UPDATE ALL) (REVERSE ARRIVAL) UTF-8 ALL",
}


def _numbers(text: str) -> list[int]:
    found: list[int] = []
    for member in filter(None, text.split(",")):
        first, _, last = member.partition(":")
        found += range(int(first), int(last or first) + 1)
    return found


class _Client:
    """Somebody who believes what the updates say."""

    def __init__(self, case: ImapCase) -> None:
        self.case = case
        self.connection: IMAPConnection = case.selected()
        self.results: dict[str, list[int]] = {}
        for tag, search in _SEARCHES.items():
            self.results[tag] = self.found(tag, search)

    def found(self, tag: str, search: str) -> list[int]:
        answer = self.case.say(self.connection, f"{tag} {search}")
        found = re.search(r" ALL (\S+)\r\n", answer)
        return _numbers(found[1]) if found else []

    def do(self, command: str) -> None:
        for line in self.case.say(self.connection, f"c {command}").split("\r\n"):
            if update := _UPDATE.match(line):
                for item, pairs in _ITEM.findall(update[2]):
                    self.apply(self.results[update[1]], item == "ADDTO", pairs.split(" "), update[1] == "seen")

    def apply(self, results: list[int], adds: bool, words: list[str], in_order: bool) -> None:
        for position, numbers in zip(map(int, words[::2]), map(_numbers, words[1::2]), strict=True):
            self.case.assertEqual(position == 0, in_order)
            if not position:
                results[:] = sorted({*results, *numbers} if adds else set(results) - set(numbers))
            elif adds:
                results[position - 1 : position - 1] = numbers
            else:
                self.case.assertEqual(results[position - 1 : position - 1 + len(numbers)], numbers)
                del results[position - 1 : position - 1 + len(numbers)]

    def check(self) -> None:
        for tag, search in _SEARCHES.items():
            self.case.assertEqual(self.results[tag], self.found("f" + tag, search.replace("UPDATE ", "")), tag)


_uids = st.lists(st.integers(1, 14), min_size=1, max_size=5).map(lambda uids: ",".join(map(str, uids)))
_steps = st.lists(st.one_of(
    st.builds("UID STORE {} {}FLAGS.SILENT ({})".format, _uids, st.sampled_from("+-"),
              st.sampled_from(["\\Seen", "\\Deleted", "\\Flagged"])),
    st.sampled_from(["EXPUNGE", "NOOP", "append b", "append a", "append c"]),
), max_size=12)


class ContextTests(ImapCase):
    """Contexts follow their mailbox."""

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.tuples(st.booleans(), _steps), max_size=3))
    def test_updates(self, turns: list[tuple[bool, list[str]]]) -> None:
        """Whoever changes the mailbox: results put together from updates are those of a new search."""
        self.setUp()
        for subject in "cabba":
            self.deliver(f"Subject: {subject}\r\n\r\n".encode() + b"x" * ord(subject))
        client, other = _Client(self), self.selected()
        for own, steps in turns:
            for step in steps:
                if step.startswith("append"):
                    self.deliver(f"Subject: {step[7:]}\r\n\r\n".encode())
                elif own:
                    client.do(step)
                else:
                    self.say(other, f"o {step}")
            client.do("NOOP")
            client.check()

    def test_expunged_by_others(self) -> None:
        """What others have expunged when something arrives is taken out where the client has it."""
        for subject in "cab":
            self.deliver(f"Subject: {subject}\r\n\r\n".encode())
        client, other = _Client(self), self.selected()
        self.say(other, "a UID STORE 1:2 +FLAGS.SILENT (\\Deleted)")
        self.say(other, "a EXPUNGE")
        self.deliver(b"Subject: a\r\n\r\n")
        # EXPUNGE cannot come now
        client.do("FETCH 3 UID")
        client.do("NOOP")
        client.check()

    def test_limit_of_results(self) -> None:
        """The first search is kept up to date however much it finds, others are not."""
        self.patch_limit()
        self.deliver()
        connection = self.selected()
        self.assertNotIn("NOUPDATE", self.say(connection, "a SEARCH RETURN (UPDATE) ALL"))
        self.assertIn('* NO [NOUPDATE "b"]', self.say(connection, "b SEARCH RETURN (UPDATE) ALL"))

    def patch_limit(self) -> None:
        """Nearly no results at all."""
        self.patch(contexts, "MOST_RESULTS", 0)

    def test_search_that_takes_too_long(self) -> None:
        """A search that cannot be kept up to date any more is given up, and the client is told."""
        self.deliver(b"Subject: a\r\n\r\nb\r\n")
        connection = self.selected()
        self.say(connection, "a SEARCH RETURN (UPDATE) HEADER X-Odd y")
        connection.session.settings = self.listener(search_timeout=-1.0).settings
        self.deliver(b"X-Odd: y\r\n\r\nb\r\n")
        self.assertIn('* NO [NOUPDATE "a"]', self.say(connection, "b NOOP"))
        self.assertEqual(connection.session.selected.contexts, {})
