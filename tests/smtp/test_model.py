"""A model of DATA, BDAT and the order of commands, checked against the server step by step."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.smtp.receivers import Server

LIMIT = 60
pieces = [b"QUIT\r\n", b"RSET\r\n", b".\r\n", b"..\r\n", b"\r\n", b"BDAT 3\r\n", b"text\r\n", b"\n", b"\0"]
lines = st.lists(st.sampled_from(pieces), max_size=8).map(b"".join)
places = st.lists(st.integers(0, 100), max_size=4)


def _refused(octets: bytes) -> bool:
    bare = octets.count(b"\r\n") != octets.count(b"\n") or octets.count(b"\r\n") != octets.count(b"\r")
    return bare or b"\0" in octets or len(octets) > LIMIT


class SessionModel(RuleBasedStateMachine):
    """What a client may do, in any order, with the stream cut anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.connect()
        self.before: list[bytes] = []
        self.delivered: list[bytes] = []
        self.forget()

    def forget(self) -> None:
        self.sender = False
        self.recipients = 0
        self.chunks: list[bytes] | None = None
        self.announced = 0
        self.spoiled = False
        self.failed = False

    def say(self, octets: bytes, cuts: list[int]) -> list[str]:
        edges = sorted({cut % (len(octets) + 1) for cut in cuts} | {0, len(octets)})
        heard: list[str] = []
        for start, end in pairwise(edges):
            heard += self.server.say(octets[start:end])
        return [line[:3] for line in heard]

    def refused(self, heard: list[str]) -> bool:
        """A message was refused; whether the session has ended with it, and another one was begun."""
        if heard != ["550", "421"]:
            assert heard in (["550"], ["552"])
            return False
        assert self.server.transport.disconnecting
        assert all(content.discarded for content in self.server.receiver.contents)
        self.before += self.server.delivered
        self.connect()
        return True

    def connect(self) -> None:
        self.server = Server(max_size=LIMIT, max_errors=0, max_junk=0, max_messages=0)
        self.server.say(b"EHLO client.example\r\n")

    @rule(cuts=places)
    def mail(self, cuts: list[int]) -> None:
        heard = self.say(b"MAIL FROM:<a@example.org>\r\n", cuts)
        assert heard == ["503" if self.sender else "250"]
        self.sender = True

    @rule(known=st.booleans(), cuts=places)
    def rcpt(self, known: bool, cuts: list[int]) -> None:
        heard = self.say(b"RCPT TO:<b@example.test>\r\n" if known else b"RCPT TO:<unknown@example.test>\r\n", cuts)
        if not self.sender or self.chunks is not None:
            assert heard == ["503"]
        else:
            assert heard == ["250" if known else "550"]
            self.recipients += known

    @rule(text=lines, cuts=places)
    def data(self, text: bytes, cuts: list[int]) -> None:
        heard = self.say(b"DATA\r\n", cuts)
        if not self.recipients or self.failed or self.chunks is not None:
            assert heard == ["503"]
            return
        assert heard == ["354"]
        text = text if not text or text.endswith(b"\r\n") else text + b"\r\n"
        stuffed = (b"\r\n" + text).replace(b"\r\n.", b"\r\n..")[2:]
        heard = self.say(stuffed + b".\r\n", cuts)
        if _refused(text):
            self.refused(heard)
        else:
            assert heard == ["250"]
            self.delivered.append(text)
        self.forget()

    @rule(text=lines, last=st.booleans(), cuts=places)
    def bdat(self, text: bytes, last: bool, cuts: list[int]) -> None:
        heard = self.say(b"BDAT %d%s\r\n" % (len(text), b" LAST" if last else b"") + text, cuts)
        if not self.recipients or self.failed:
            assert heard == ["503"]
            self.failed = self.sender
            return
        self.chunks = [*(self.chunks or []), text]
        self.announced += len(text)
        whole = b"".join(self.chunks)
        # A chunk that ends in CR may be saved by the next one; the model only sends whole line ends
        self.spoiled = self.spoiled or self.announced > LIMIT or _refused(whole)
        if self.spoiled:
            ended = self.refused(heard)
            last = last or ended
        else:
            assert heard == ["250"]
            if last:
                self.delivered.append(whole)
        if last:
            self.forget()

    @rule(cuts=places)
    def rset(self, cuts: list[int]) -> None:
        assert self.say(b"RSET\r\n", cuts) == ["250"]
        self.forget()

    @rule(cuts=places)
    def ehlo(self, cuts: list[int]) -> None:
        assert set(self.say(b"EHLO client.example\r\n", cuts)) == {"250"}
        self.forget()

    @rule(cuts=places)
    def noop(self, cuts: list[int]) -> None:
        assert self.say(b"NOOP\r\n", cuts) == ["250"]

    @invariant()
    def same_messages(self) -> None:
        assert self.before + self.server.delivered == self.delivered

    @invariant()
    def nothing_is_held(self) -> None:
        open_contents = [content for content in self.server.receiver.contents if not content.discarded]
        wanted = self.chunks is not None
        assert len(open_contents) <= wanted
        assert all(content.discarded <= 1 for content in self.server.receiver.contents)
        assert not self.server.transport.disconnecting


SessionModel.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestSession: Any = SessionModel.TestCase
