"""Whatever a client says, the server answers, and a second client does not notice (I12)."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantummail.imap.registry import COMMANDS, load
from tests.imap.case import ImapCase
from tests.support.transport import MemoryTransport

load()
_COMMANDS = sorted(set(COMMANDS) - {"LOGOUT"})
_WORDS = st.one_of(
    st.sampled_from([
        "1", "1:*", "*", "2,1", "INBOX", "Sent", "nowhere", '""', '"*"', "%", "(", ")", "()", "(\\Seen)", "+FLAGS",
        "FLAGS.SILENT", "\\Deleted", "$Forwarded", "BODY[]", "BODY.PEEK[1.MIME]<0.5>", "ENVELOPE", "(UID FLAGS)",
        "BODYSTRUCTURE", "ALL", "NOT", "OR", "SEEN", "TEXT", "x", "{1+}\r\nx", "{3}\r\nabc", "(MESSAGES RECENT)", "NIL",
        "PLAIN", "UID", "&AC8-", "CHARSET", "utf-8", '"17-Jul-1996 02:44:25 -0700"', "{5+}\r\na\r\n\r\n", "\x00",
        "\xff", "DONE",
    ]),
    st.text(max_size=5),
)
_LINES = st.tuples(st.sampled_from(_COMMANDS), st.lists(_WORDS, max_size=5)).map(
    lambda line: " ".join(["a", line[0], *line[1]]).encode("utf-8", "surrogatepass") + b"\r\n"
)


class FuzzTests(ImapCase):
    """Random commands, random octets."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.one_of(_LINES, st.binary(max_size=20)), min_size=5, max_size=30), st.booleans())
    def test_never_breaks(self, lines: list[bytes], before_login: bool) -> None:
        """No command, however mangled, is an internal error; another client logs in and reads all the same."""
        self.setUp()
        self.deliver()
        connection = self.connect()[0] if before_login else self.selected()
        transport = connection.transport
        assert isinstance(transport, MemoryTransport)
        for line in lines:
            answer = self.say(connection, line)
            self.assertNotIn("SERVERBUG", answer, line)
            if transport.disconnecting:
                connection = self.selected()
                transport = connection.transport
                assert isinstance(transport, MemoryTransport)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertIn("z OK", self.say(self.selected(), "z FETCH 1:* FLAGS") if self.count() else "z OK")
        self.doCleanups()

    def count(self) -> bool:
        return "* 0 EXISTS" not in self.say(self.logged_in(), "c EXAMINE INBOX")
