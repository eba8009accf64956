"""Tests of SEARCH: quantummail.imap.searching."""

from __future__ import annotations

import base64
import quopri
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.imap.case import ImapCase
from tests.support.stores import now

GRUESSE = "Schöne Grüße aus Köln"


def encoded(charset: str, encoding: str, text: str = GRUESSE) -> bytes:
    """A message with this text in its body."""
    octets = text.encode(charset)
    body = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(encoding, bytes)(octets)
    return (
        f"Subject: x\r\nContent-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    ).encode() + body.replace(b"\n", b"\r\n")


_keys = st.sampled_from([
    "ALL", "SEEN", "UNSEEN", "KEYWORD $label", "1:3", "UID 2:5", "*", "SINCE 3-Feb-2021", "LARGER 500", "FROM alice",
    "SUBJECT x", "HEADER Subject \"\"", "HEADER X-Spam yes", "SENTON 1-Feb-2021", "BODY inside", "BODY noon", "TEXT me",
    "TEXT e", "TEXT nothing", "BODY \"am Ende\"", "NEW", "OLD", "MODSEQ 3",
])
_queries = st.recursive(
    _keys,
    lambda queries: st.one_of(
        queries.map("NOT {}".format), st.tuples(queries, queries).map(lambda two: "OR {} {}".format(*two)),
        st.lists(queries, min_size=1, max_size=3).map(lambda some: f"({' '.join(some)})")),
    max_leaves=6,
)


class SearchTests(ImapCase):
    """What is found."""

    MESSAGES = (
        # 1 to 4
        (b"From: Alice Smith <alice@example.test>\r\nSubject: Meeting tomorrow\r\n"
         b"Date: Mon, 1 Feb 2021 23:30:00 -0800\r\nMessage-ID: <1@x>\r\n\r\nLet us meet at noon\r\n"),
        (b"From: bob@example.test\r\nTo: alice@example.test\r\nCc: carol@example.test\r\n"
         b"Subject: =?utf-8?q?Sch=C3=B6ne_?=\r\n =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Spam: yes\r\n\r\nnothing\r\n"),
        b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode("<p>Übung</p>".encode()) + b"\r\n--b\r\n"
        b"Content-Type: application/pdf; name=secret.pdf\r\n\r\nbinary needle\r\n--b\r\n"
        b"Content-Type: message/rfc822\r\n\r\nSubject: forwarded thing\r\n\r\ninside text\r\n--b--\r\n",
        encoded("iso-8859-1", "quoted-printable"),
        # 5 to 7
        encoded("utf-8", "base64"),
        encoded("utf-8", "8bit"),
        encoded("windows-1252", "quoted-printable", "x" * 70_000 + " am Ende steht Grüße"),
    )

    def setUp(self) -> None:
        super().setUp()
        for number, message in enumerate(self.MESSAGES):
            day = int(datetime(2021, 2, 1 + number, 12, tzinfo=UTC).timestamp())
            self.deliver(message, flags=number % 2, keywords=("$Label",) if number < 2 else (), date=day)
        self.connection = self.selected()

    CASES = [
        ("ALL", "1 2 3 4 5 6 7"), ("UID 2:3,99", "2 3"), ("1:2,4", "1 2 4"), ("*", "7"), ("99", ""), ("99:*", "7"),
        ("SEEN", "2 4 6"), ("UNSEEN", "1 3 5 7"), ("NOT SEEN", "1 3 5 7"), ("KEYWORD $LABEL", "1 2"),
        ("KEYWORD nope", ""), ("UNKEYWORD $label", "3 4 5 6 7"), ("UNKEYWORD nope 1", "1"), ("RECENT", "1 2 3 4 5 6 7"),
        ("NEW", "1 3 5 7"), ("OLD", ""), ("SINCE 3-Feb-2021", "3 4 5 6 7"), ("BEFORE 3-Feb-2021", "1 2"),
        ("ON 3-Feb-2021", "3"), ("SENTON 1-Feb-2021", "1"), ("SENTSINCE 2-Feb-2021", ""),
        ("SENTBEFORE 2-Feb-2021", "1"),
        ("LARGER 60000", "7"), ("SMALLER 60000 UNSEEN", "1 3 5"),
        ("FROM smith", "1"), ("FROM ALICE@example", "1"), ("TO alice", "2"), ("CC carol", "2"), ("BCC x", ""),
        ("SUBJECT MEETING", "1"), ("CHARSET UTF-8 SUBJECT \"schöne grüsse\"", "2"),
        ("CHARSET UTF-8 SUBJECT \"SCHÖNE GRÜSSE\"", "2"), ("HEADER X-Spam \"\"", "2"), ("HEADER x-spam YES", "2"),
        ("HEADER Message-ID <1@x>", "1"), ("BODY noon", "1"), ("BODY Meeting", ""), ("TEXT meeting", "1"),
        ("CHARSET UTF-8 BODY grüße", "4 5 6 7"), ("CHARSET UTF-8 TEXT GRÜSSE", "2 4 5 6 7"),
        ("CHARSET UTF-8 BODY übung", "3"), ("BODY needle", ""), ("BODY secret.pdf", "3"),
        ("BODY \"forwarded thing\"", "3"),
        ("BODY \"inside text\"", "3"), ("BODY boundary", ""), ("BODY \"\"", "1 2 3 4 5 6 7"),
        ("OR SUBJECT meeting OR TO alice SINCE 7-Feb-2021", "1 2 7"), ("NOT (SEEN SUBJECT x)", "1 2 3 5 7"),
        ("OR NOT SEEN NOT UNSEEN", "1 2 3 4 5 6 7"), ("NOT TEXT nothing 1:3", "1 3"), ("UID 1:3 NOT 2", "1 3"),
    ]

    def test_cases(self) -> None:
        """Every key finds what RFC 3501 6.4.4 says, in decoded text, in any case of letters."""
        self.check_cases()

    def test_indexed(self) -> None:
        """It finds the same when the texts are in the index, and reads no message then."""
        now(self.store.texts.indexing.catch_up())
        self.patch(self.store.bodies, "read_here", None)
        self.check_cases()

    def test_indexed_in_part(self) -> None:
        """It finds the same when only some of the messages are in the index."""
        connection = self.logged_in()
        self.say(self.connection, "c COPY 2,4,5 Trash")
        now(self.store.texts.indexing.catch_up())
        for message in self.MESSAGES:
            self.deliver(message, "Trash")
        self.say(connection, "s SELECT Trash")
        query = b"a SEARCH CHARSET UTF-8 BODY {7+}\r\n" + "grüße".encode() + b" NOT 3\r\n"
        self.assertIn("* SEARCH 2 7 8 9 10\r\n", self.say(connection, query))

    def test_random_queries(self) -> None:
        """Whatever is asked in whatever combination, the answer with the index is the answer without it."""
        now(self.store.texts.indexing.catch_up())
        self.say(self.connection, "e ENABLE CONDSTORE")
        name = self.store.texts.files.name

        @settings(max_examples=60, deadline=None)
        @given(_queries)
        def check(query: str) -> None:
            octets = b"a SEARCH CHARSET UTF-8 " + query.encode() + b"\r\n"
            indexed = self.say(self.connection, octets)
            self.patch(self.store.texts.files, "name", lambda _: None)
            self.assertEqual(self.say(self.connection, octets), indexed)
            self.patch(self.store.texts.files, "name", name)
            self.assertIn("a OK ", indexed)

        check()

    def check_cases(self) -> None:
        """All of `CASES`."""
        for query, expected in self.CASES:
            octets = query.encode()
            for word in query.split():
                if not word.isascii():
                    # 8-bit text needs a literal where it is not quoted
                    bare = word.strip('"').encode()
                    if '"' not in query:
                        octets = octets.replace(bare, b"{%d+}\r\n%b" % (len(bare), bare))
            answer = self.say(self.connection, b"a UID SEARCH " + octets + b"\r\n")
            found = f" {expected}" if expected else ""
            self.assertEqual(answer, f"* SEARCH{found}\r\na OK UID SEARCH completed\r\n", query)

    def test_numbers(self) -> None:
        """SEARCH answers with message numbers, UID SEARCH with UIDs."""
        self.say(self.connection, "a STORE 1 +FLAGS \\Deleted")
        self.say(self.connection, "b EXPUNGE")
        self.assertIn("* SEARCH 1 3 5\r\n", self.say(self.connection, "c SEARCH SEEN"))
        self.assertIn("* SEARCH 2 4 6\r\n", self.say(self.connection, "d UID SEARCH SEEN"))

    def test_charset(self) -> None:
        """An unknown character set is NO with those that are known (RFC 3501 7.1)."""
        self.assertIn("a NO [BADCHARSET (US-ASCII UTF-8 ", self.say(self.connection, "a SEARCH CHARSET x-none ALL"))

    def test_charsets(self) -> None:
        """Texts are looked for in the character sets that clients use."""
        for charset in ("UTF-8", "ISO-8859-1", "windows-1252"):
            octets = "grüße".encode(charset)
            query = b"a SEARCH CHARSET %b BODY {%d+}\r\n%b\r\n" % (charset.encode(), len(octets), octets)
            self.assertIn("* SEARCH 4 5 6 7\r\n", self.say(self.connection, query), charset)
        octets = "請求書".encode("iso2022_jp")
        query = b"a SEARCH CHARSET ISO-2022-JP BODY {%d+}\r\n%b\r\n" % (len(octets), octets)
        self.assertIn("a OK ", self.say(self.connection, query))

    def test_empty_mailbox(self) -> None:
        """An empty mailbox has an empty answer, whatever the set."""
        self.say(self.connection, "a SELECT Trash")
        self.assertEqual(self.say(self.connection, "b SEARCH 1:*"), "* SEARCH\r\nb OK SEARCH completed\r\n")

    def test_deadline(self) -> None:
        """A search that reads too long is given up (I4)."""
        connection = self.selected(factory=self.listener(search_timeout=-1.0))
        self.assertIn("a NO [LIMIT] ", self.say(connection, "a SEARCH BODY x"))
        self.assertIn("b OK ", self.say(connection, "b SEARCH SEEN"))
