"""Tests of quantummail.message.thread_ids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.thread_ids import NO_ID, number_of, thread_ids, unpacked


def packed(subject: str = "", **fields: str) -> tuple[bool, list[int]]:
    """What is packed from fields, unpacked."""
    answers, numbers = unpacked(thread_ids(
        {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}, subject))
    return answers, list(numbers)


class ThreadIdsTests(SynchronousTestCase):
    """What a message keeps of its identifiers."""

    def test_own_and_references(self) -> None:
        """The own identifier, then those referred to in their order."""
        self.assertEqual(
            packed("Re: x", message_id="<a@b>", references="<c@d> (Bob)\r\n <e@f>", in_reply_to="<g@h>"),
            (True, [number_of("<a@b>"), number_of("<c@d>"), number_of("<e@f>")]))

    def test_in_reply_to(self) -> None:
        """Without References that say something the first identifier of In-Reply-To counts."""
        for fields in ({}, {"references": "none"}):
            self.assertEqual(
                packed("x", message_id="<a@b>", in_reply_to="Your message <g@h> of <i@j>", **fields),
                (False, [number_of("<a@b>"), number_of("<g@h>")]))

    def test_nothing(self) -> None:
        """A message may have no identifier, or none that is one."""
        for fields in ({}, {"message_id": "a@b"}, {"message_id": "<>"}):
            self.assertEqual(packed(**fields), (False, [NO_ID]))

    def test_quotes(self) -> None:
        """Quotes of a local part make no difference."""
        self.assertEqual(number_of('<"01KF8"@x>'), number_of("<01KF8@x>"))
        self.assertEqual(number_of(r'<"a\"b"@x>'), number_of('<a\\"b@x>'))
        self.assertNotEqual(number_of("<A@x>"), number_of("<a@x>"))

    def test_limit(self) -> None:
        """Endless references are cut."""
        self.assertEqual(len(packed(references="<a@b>" * 5000)[1]), 1001)

    @given(st.binary(max_size=60), st.binary(max_size=60), st.text(max_size=30))
    def test_any_octets(self, own: bytes, references: bytes, subject: str) -> None:
        """Nothing in a header breaks it."""
        _, numbers = unpacked(thread_ids({b"message-id": own, b"references": references}, subject))
        self.assertGreaterEqual(len(numbers), 1)
        self.assertNotIn(NO_ID, numbers[1:])
