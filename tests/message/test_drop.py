"""The line in front of a message of a local program."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.drop import Drop, read_line

DROP = Drop("0" * 32, 12, ("root", "a@b.test"), True, "", "J\u00fcrgen", ("FAILURE",), "HDRS", "x")


class LineTests(SynchronousTestCase):
    """From a value to a line and back."""

    def test_both_ways(self) -> None:
        """What is written is read."""
        for drop in (DROP, Drop("f" * 32, 0)):
            self.assertEqual(read_line(drop.line()), drop)
            self.assertEqual(drop.line().count(b"\n"), 1)

    def test_nonsense(self) -> None:
        """What `Drop.line` does not write is refused."""
        good = json.loads(DROP.line())
        for change in (
            {"key": "short"}, {"key": 1}, {"size": -1}, {"size": True}, {"size": "1"}, {"recipients": "root"},
            {"recipients": ["a\nb"]}, {"sender": "a\r\nRCPT"}, {"notify": ["WHENEVER"]}, {"ret": "SOME"}, {"more": 1},
            {"name": "a\0"},
        ):
            with self.assertRaises(ValueError, msg=change):
                read_line(json.dumps({**good, **change}).encode())
        for line in (b"", b"\n", b"{}", b"[]", b"12", b"\xff\n"):
            self.assertRaises(ValueError, read_line, line)
