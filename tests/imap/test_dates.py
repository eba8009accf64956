"""Tests of quantummail.imap.grammar.dates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.grammar import dates
from quantummail.imap.grammar.cursor import BadSyntax, Cursor


class DateTimeTests(SynchronousTestCase):
    """Moments of APPEND and INTERNALDATE."""

    def test_zone(self) -> None:
        """The zone is taken into account."""
        self.assertEqual(dates.date_time(Cursor(b'"17-Jul-1996 02:44:25 -0700"')), 837596665)
        self.assertEqual(dates.date_time(Cursor(b'" 7-feb-1994 21:52:25 +0130"')), 760652545)

    def test_refused(self) -> None:
        """Days and times that do not exist, and other notations, are refused."""
        for text in (
            '"31-Feb-2020 00:00:00 +0000"', '"01-Foo-2020 00:00:00 +0000"', '"01-Jan-2020 24:00:00 +0000"',
            '"01-Jan-2020 00:00:00"', "01-Jan-2020", '"32-Jan-2020 00:00:00 +0000"', '"00-Jan-2020 00:00:00 +0000"',
            '"01-Jan-0000 00:00:00 +0000"', '"01-Jan-2020 00:00:00 +9900"', '"01-Jan-2020 00:00:00 -2400"',
            '"01-Jan-0001 00:00:00 +0100"', '"31-Dec-9999 23:30:00 -0100"',
        ):
            self.assertRaises(BadSyntax, dates.date_time, Cursor(text.encode()))

    def test_before_the_epoch(self) -> None:
        """Moments before 1970 are what they are."""
        self.assertEqual(dates.date_time(Cursor(b'"31-Dec-1969 23:59:59 +0000"')), -1)
        self.assertEqual(dates.render_date_time(-1_000_000_000), b'"24-Apr-1938 22:13:20 +0000"')

    @given(st.integers(-62_135_596_800, 253_402_300_799))
    def test_round_trip(self, moment: int) -> None:
        """What is shown reads as the same moment."""
        self.assertEqual(dates.date_time(Cursor(dates.render_date_time(moment))), moment)


class DayTests(SynchronousTestCase):
    """Days of SEARCH."""

    def test_quotes(self) -> None:
        """With and without quotes, one digit or two."""
        for text in (b"1-Feb-1970", b'"1-Feb-1970"', b"01-FEB-1970"):
            self.assertEqual(dates.day(Cursor(text)), 31)

    def test_refused(self) -> None:
        """Days that do not exist, half a pair of quotes."""
        for text in (b"30-Feb-1970", b'"1-Feb-1970', b"1-Feb-70", b"Feb-1-1970"):
            self.assertRaises(BadSyntax, dates.day, Cursor(text))
