"""Tests of quantummail.message.casemap."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.casemap import casemap


class CasemapTests(SynchronousTestCase):
    """i;unicode-casemap (RFC 5051)."""

    def test_table(self) -> None:
        """What is the same to this comparator, and what is not."""
        for left, right, same in (
            ("", "", True),
            ("Hello", "hELLO", True),
            ("Grüße", "GRÜßE", True),
            # a mapping to two characters is none: the sharp s stays
            ("straße", "STRASSE", False),
            # composed or not
            ("caf\u00e9", "CAFE\u0301", True),
            ("caf\u00e9", "cafe", False),
            # the three forms of sigma, of which two have one title case
            ("ΟΔΟΣ", "οδος", True),
            ("Привет", "пРИВЕТ", True),
            # compatible forms: a ligature, full width, a letter with three cases
            ("ﬁn", "fin", False),
            ("\uff21\uff22", "\uff41\uff42", True),
            ("ǆ", "Ǆ", True),
            ("İ", "i", False),
        ):
            with self.subTest(left=left, right=right):
                self.assertEqual(casemap(left) == casemap(right), same)

    @settings(max_examples=200, deadline=None)
    @given(st.text(alphabet="abcÄöüéß\u03c3ςΣ ЖяИ漢字"), st.text(alphabet="xyzÄÖÜÉ"), st.text(alphabet="abcé"))
    def test_part_of_a_text(self, before: str, middle: str, after: str) -> None:
        """What stands in a text is found in it, in any case."""
        self.assertIn(casemap(middle.lower()), casemap(before + middle.upper() + after))
