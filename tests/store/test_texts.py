"""Tests of quantummail.store.texts, text_lookup and text_conditions: what the index says, and what messages say."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.search_text import fold
from quantummail.store import text_lookup, text_reading, texts
from quantummail.store.errors import Unavailable
from quantummail.store.text_conditions import Anywhere, Condition, InBody, InField, InHeader, SentOn, trigrams
from quantummail.store.text_lookup import Stopped
from tests.message.test_search_text import NESTED
from tests.store.messages import append, box, uids
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now

MESSAGES = [
    (b"From: Anna <anna@example.test>\r\nTo: b@example.test\r\nSubject: Invoice 42\r\n"
     b"Date: Mon, 1 Feb 2021 23:30:00 -0800\r\n\r\nPlease pay the invoice.\r\n"),
    (b"Subject: =?iso-8859-1?q?Gr=FC=DFe?=\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
     b"Content-Transfer-Encoding: quoted-printable\r\n\r\nSch=F6ne Gr=\r\n=FC=DFe aus K=F6ln\r\n"),
    b"Subject: x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>in<b>voi</b>ce &amp; <i>more</i></p>\r\n",
    b"From: a@x\r\nFrom: b@y\r\nX-Tag: one\r\nX-Tag: two\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n"
    + "請求書を送ります".encode("iso2022_jp") + b"\r\n",
    NESTED,
    b"\r\nno header at all: aab\r\n",
    b"Subject:\r\n\r\n",
    b"Subject: \"quotes\" and a*b OR NEAR(x)\r\n\r\n\"quotes\" aba \xff\xfe\r\n",
]
WORDS = ["invoice", "INVOICE 42", "ü", "grüße", "köln", "voi", "in", "a", "ab", "aab", "請求書", "請求", "求", "привет",
         "innér", "über uns", "&", '"quotes"', '"', "a*b or", "subject: x", "nothing of that", "two", "x", " pay", "@"]

_texts = st.sampled_from(WORDS).map(fold)
_conditions = st.one_of(
    _texts.map(Anywhere), _texts.map(InBody),
    st.builds(InField, st.sampled_from(["from", "to", "cc", "bcc", "subject"]), _texts | st.just("")),
    st.builds(InHeader, st.sampled_from(["x-tag", "content-type", "date", "x"]), _texts | st.just("")),
    st.builds(SentOn, st.sampled_from([-(1 << 62), 18659]), st.sampled_from([18658, 18659, 1 << 62])),
)


class TextsTests(SynchronousTestCase):
    """An account with some messages in its INBOX."""

    def setUp(self) -> None:
        self.store = make_store(self, temporary_directory(self))
        self.user = make_user(self.store)
        self.inbox = box(self.store, self.user.id)
        for message in MESSAGES:
            append(self.store, self.inbox, message)
        self.uids = uids(self.store, self.inbox)

    def index(self) -> None:
        """Do the work that a server does in the background."""
        now(self.store.texts.indexing.catch_up())

    def asked(self, conditions: Sequence[Condition]) -> list[tuple[set[int], set[int]]]:
        """What the index says: found, and undecided."""
        found = now(self.store.texts.find(self.user.id, self.inbox.id, self.uids, len(self.uids), conditions))
        return [(one.uids, one.undecided) for one in found]

    def read(self, conditions: Sequence[Condition]) -> list[set[int]]:
        """What the messages say."""
        async def collect() -> dict[int, list[bool]]:
            reading = self.store.texts.read(self.user.id, self.inbox.id, self.uids, conditions)
            return {uid: values async for uid, values in reading}

        values = now(collect())
        return [{uid for uid, each in values.items() if each[place]} for place in range(len(conditions))]

    def test_cases(self) -> None:
        """Decoded texts are found wherever they are."""
        self.index()
        for condition, expected in (
            (Anywhere("invoice"), {1, 3}), (InBody("invoice"), {1, 3}), (InField("subject", "invoice"), {1}),
            (InBody(fold("Grüße")), {2}), (Anywhere(fold("grüsse")), {2}), (InBody("請求"), {4}), (InBody("求"), {4}),
            (InField("from", "b@y"), {4}), (InField("from", ""), {1, 4}), (InHeader("x-tag", "two"), {4}),
            (InHeader("x-tag", "tag"), set()), (InHeader("x-tag", ""), {4}), (SentOn(18659, 18659), {1}),
            (InBody("subject: outer"), set()), (Anywhere("subject: outer"), {5}), (InBody("over uns"), set()),
            (InBody(fold("über uns.pdf")), {5}), (Anywhere('"quotes" a'), {8}),
        ):
            self.assertEqual(self.asked([condition]), [(expected, set())], condition)

    def test_same_answers(self) -> None:
        """The index says what the messages say, whether it is asked for few or for all."""
        self.index()

        @settings(max_examples=60, deadline=None)
        @given(st.lists(_conditions, min_size=1, max_size=4))
        def check(conditions: list[Condition]) -> None:
            expected = [(found, set[int]()) for found in self.read(conditions)]
            self.assertEqual(self.asked(conditions), expected)
            self.patch(texts, "FEW", 1)
            self.assertEqual(self.asked(conditions), expected)
            self.patch(texts, "FEW", 1000)

        check()

    def test_unindexed(self) -> None:
        """Of messages that are not in the index nothing is claimed, be they few or many."""
        everything = set(self.uids)
        self.assertEqual(self.asked([Anywhere("invoice")]), [(set(), everything)])
        self.index()
        append(self.store, self.inbox, MESSAGES[0])
        self.uids = uids(self.store, self.inbox)
        for few in (1000, 1):
            self.patch(texts, "FEW", few)
            self.assertEqual(self.asked([Anywhere("invoice"), Anywhere('"quotes')]), [({1, 3}, {9}), ({8}, {9})])

    def test_long_message(self) -> None:
        """A message longer than what is kept is undecided where the beginning has no answer."""
        filling = b"y" * 70_000
        append(self.store, self.inbox, b"Subject: long\r\n\r\nbegin %b middle %b end" % (filling, filling))
        self.uids = uids(self.store, self.inbox)
        self.patch(text_reading, "KEPT", 100_000)
        self.index()
        self.assertEqual(
            self.asked([InBody("begin"), InBody(" end"), InField("subject", "end")]),
            [({9}, set()), (set(), {9}), (set(), set())])
        self.assertEqual(self.read([InBody(" end"), InBody(" middle "), InBody("never")]), [{9}, {9}, set()])

    def test_unreadable(self) -> None:
        """A message that could not be read is undecided, and looked at again by the next server."""
        append(self.store, self.inbox, MESSAGES[0])
        self.uids = uids(self.store, self.inbox)

        def fail(*_: object) -> bytes:
            raise Unavailable("input/output error")

        with_texts = self.store.bodies.read_here
        self.patch(self.store.bodies, "read_here", fail)
        self.index()
        self.assertEqual(self.asked([Anywhere("invoice"), InField("to", "b@")]), [(set(), set(self.uids))] * 2)
        self.patch(self.store.bodies, "read_here", with_texts)
        self.store.texts.indexing._below.clear()
        self.index()
        self.assertEqual(self.asked([Anywhere("invoice")]), [({1, 3, 9}, set())])

    def test_stopped(self) -> None:
        """A search that nobody waits for any more ends."""
        self.index()
        self.patch(text_lookup, "_STEPS", 1)

        async def find() -> object:
            return await self.store.texts.find(self.user.id, self.inbox.id, self.uids, 8, [InBody("a")], lambda: True)

        self.assertRaises(Stopped, now, find())


class TrigramTests(SynchronousTestCase):
    """What the index is asked."""

    def test_short(self) -> None:
        """Two characters are not enough for it."""
        self.assertEqual((trigrams("ab"), trigrams("abc"), trigrams('a"b')), ("", '"abc"', '"a""b"'))

    def test_long(self) -> None:
        """A long text is asked for by some of its trigrams only."""
        self.assertLess(trigrams("abcdefghij" * 100).count("AND"), 50)
