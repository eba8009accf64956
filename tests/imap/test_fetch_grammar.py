"""Tests of quantummail.imap.grammar.fetch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.fetch import Attribute, Item, Section, fetch_items


def read(text: str) -> tuple[Item, ...]:
    cursor = Cursor(text.encode())
    items = fetch_items(cursor)
    cursor.end()
    return items


def section(text: str) -> Section:
    (item,) = read(text)
    assert isinstance(item, Section)
    return item


class FetchItemsTests(SynchronousTestCase):
    """Items of FETCH."""

    def test_macros(self) -> None:
        """Macros stand for their items, and only alone (RFC 3501 6.4.5)."""
        self.assertEqual([item.name for item in read("fast") if isinstance(item, Attribute)],
                         ["FLAGS", "INTERNALDATE", "RFC822.SIZE"])
        self.assertEqual(read("FULL")[-1], Attribute("BODY"))
        self.assertEqual(read("ALL")[-1], Attribute("ENVELOPE"))
        self.assertRaises(BadSyntax, read, "(FAST)")

    def test_once(self) -> None:
        """What is asked for twice is answered once."""
        self.assertEqual(read("(UID FLAGS uid)"), (Attribute("UID"), Attribute("FLAGS")))

    SECTIONS = [
        ("BODY[]", (), "", (), False, None, b"BODY[]"),
        ("BODY.PEEK[]", (), "", (), True, None, b"BODY[]"),
        ("body[header]", (), "HEADER", (), False, None, b"BODY[HEADER]"),
        ("BODY[TEXT]<10.20>", (), "TEXT", (), False, (10, 20), b"BODY[TEXT]<10>"),
        ("BODY[1.2.3]", (1, 2, 3), "", (), False, None, b"BODY[1.2.3]"),
        ("BODY.PEEK[1.MIME]", (1,), "MIME", (), True, None, b"BODY[1.MIME]"),
        ("BODY[2.HEADER.FIELDS (From To)]<0.1>", (2,), "HEADER.FIELDS", (b"From", b"To"), False, (0, 1),
         b"BODY[2.HEADER.FIELDS (From To)]<0>"),
        ('BODY[HEADER.FIELDS.NOT ("Date")]', (), "HEADER.FIELDS.NOT", (b"Date",), False, None,
         b"BODY[HEADER.FIELDS.NOT (Date)]"),
        ("RFC822", (), "", (), False, None, b"RFC822"),
        ("RFC822.HEADER", (), "HEADER", (), True, None, b"RFC822.HEADER"),
        ("RFC822.TEXT", (), "TEXT", (), False, None, b"RFC822.TEXT"),
    ]

    def test_sections(self) -> None:
        """Sections with their parts, fields and ranges, and what names them in the response."""
        for text, *expected in self.SECTIONS:
            self.assertEqual(section(text), Section(*expected), text)  # type: ignore[arg-type]  # a table of fields

    def test_literal_field(self) -> None:
        """A field name may come as a literal, and is written as an atom."""
        self.assertEqual(section("BODY[HEADER.FIELDS ({4}\r\nDate)]").label, b"BODY[HEADER.FIELDS (Date)]")

    def test_refused(self) -> None:
        """What is no item is BadSyntax."""
        for text in (
            "", "()", "(FLAGS", "FLAGS)", "FOO", "BODY[", "BODY[0]", "BODY[1.]", "BODY[.1]", "BODY[MIME]", "BODY[1.0]",
            "BODY[FOO]", "BODY[HEADER.FIELDS]", "BODY[HEADER.FIELDS ()]", "BODY[HEADER.FIELDS (a b]", "BODY[]<1>",
            "BODY[]<1.0>", "BODY[]<-1.1>", "BODY.PEEK", "(FLAGS  UID)", "FLAGS UID", "BODY[HEADER.FIELDS (a:)]",
            "BODY[HEADER.FIELDS ({4}\r\na\r\nb)]",
        ):
            self.assertRaises(BadSyntax, read, text)

    def test_depth(self) -> None:
        """A hundred part numbers, no more (I8)."""
        read("BODY[" + ".".join(["1"] * 100) + "]")
        self.assertRaises(LimitExceeded, read, "BODY[" + ".".join(["1"] * 101) + "]")

    @given(st.text("BODY[]().PEKHARFILSNT 0123<>", max_size=40))
    def test_never_breaks(self, text: str) -> None:
        """Whatever comes is items or BadSyntax."""
        try:
            read(text)
        except BadSyntax:
            return
