"""What recordings leave out, for each protocol: whole, byte by byte, and in pieces that cut anywhere."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.redaction import ImapRedaction
from quantummail.pop3.redaction import Pop3Redaction
from quantummail.smtp.redaction import SmtpRedaction
from quantummail.wire.transcript import MAX_LINE, Redaction

# Who says what, and below each what is kept of it
Turn = tuple[str, bytes, list[str]]

IMAP: list[Turn] = [
    ("S", b"* OK ready {5}\r\n", ["S: * OK ready {5}"]),
    ("C", b'a LOGIN alice@example.test "geheim word"\r\n', ["C: a LOGIN <32 octets>"]),
    ("S", b"a NO [AUTHENTICATIONFAILED] no\r\n", ["S: a NO [AUTHENTICATIONFAILED] no"]),
    ("C", b"b login {5}\r\n", ["C: b LOGIN <3 octets>"]),
    ("S", b"+ OK\r\n", ["S: + OK"]),
    ("C", b"alice {6+}\r\ngeheim\r\n", ["C: <5 octets>", "C: <5 octets>", "C: <6 octets>", "C: <0 octets>"]),
    ("S", b"b OK done\r\n", ["S: b OK done"]),
    ("C", b"c AUTHENTICATE PLAIN AGFsaWNlAGdlaGVpbQ==\r\n", ["C: c AUTHENTICATE PLAIN <20 octets>"]),
    ("S", b"c NO no\r\n", ["S: c NO no"]),
    ("C", b"d authenticate SCRAM-SHA-256\r\n", ["C: d AUTHENTICATE SCRAM-SHA-256"]),
    ("S", b"+ \r\n", ["S: + <0 octets>"]),
    ("C", b"geheim=\r\n", ["C: <7 octets>"]),
    ("S", b"+ c2FsdA==\r\n", ["S: + <8 octets>"]),
    ("C", b"*\r\n", ["C: *"]),
    ("S", b"d BAD cancelled\r\n", ["S: d BAD cancelled"]),
    ("C", b"e SELECT \"IN\x1b[31mBOX\"\r\n", ["C: e SELECT \"IN\\x1b[31mBOX\""]),
    ("S", b"* 3 EXISTS\r\ne OK {3}\r\n", ["S: * 3 EXISTS", "S: e OK {3}"]),
    ("C", b"f APPEND INBOX (\\Seen) {8}\r\n", ["C: f APPEND INBOX (\\Seen) {8}"]),
    ("S", b"f NO [TOOBIG] too big\r\n", ["S: f NO [TOOBIG] too big"]),
    ("C", b"g NOOP\r\nh APPEND INBOX ~{8+}\r\ngeheim\r\n {2+}\r\nxy\r\n",
     ["C: g NOOP", "C: h APPEND INBOX ~{8+}", "C: <8 octets>", "C:  {2+}", "C: <2 octets>", "C: "]),
    ("S", b"* 1 FETCH (FLAGS () BODY[TEXT] {8}\r\ngeheim\r\n BODY[1]<0> \"geheim \\\" x\" UID 5)\r\nh OK done\r\n",
     ["S: * 1 FETCH (FLAGS () BODY[TEXT] {8}", "S: <8 octets>", "S:  BODY[1]<0> <11 octets> UID 5)", "S: h OK done"]),
    ("S", b'* 2 FETCH (PREVIEW "geheim" ENVELOPE ("date" "subject"))\r\n',
     ['S: * 2 FETCH (PREVIEW <6 octets> ENVELOPE ("date" "subject"))']),
    ("C", b"i IDLE\r\n", ["C: i IDLE"]),
    ("S", b"+ idling\r\n", ["S: + idling"]),
    ("C", b"DONE\r\n", ["C: DONE"]),
    ("C", b"j APPEND INBOX {8}\r\n", ["C: j APPEND INBOX {8}"]),
    ("C", b"geheim\r\n\r\n", ["C: <8 octets>", "C: "]),
    ("S", b"+ OK\r\nj OK done\r\n", ["S: + OK", "S: j OK done"]),
]
POP3: list[Turn] = [
    ("S", b"+OK ready\r\n", ["S: +OK ready"]),
    ("C", b"CAPA\r\nUSER alice\r\npass geheim word\r\n", ["C: CAPA", "C: USER alice", "C: PASS <11 octets>"]),
    ("S", b"+OK\r\nTOP\r\n.\r\n+OK\r\n-ERR no\r\n", ["S: +OK", "S: TOP", "S: .", "S: +OK", "S: -ERR no"]),
    ("C", b"AUTH PLAIN AGEAZ2VoZWlt\r\n", ["C: AUTH PLAIN <12 octets>"]),
    ("S", b"-ERR no\r\n", ["S: -ERR no"]),
    ("C", b"AUTH LOGIN\r\n", ["C: AUTH LOGIN"]),
    ("S", b"+ VXNlcm5hbWU6\r\n", ["S: + <12 octets>"]),
    ("C", b"geheim\r\n", ["C: <6 octets>"]),
    ("S", b"+OK welcome\r\n", ["S: +OK welcome"]),
    ("C", b"LIST\r\nLIST 1\r\nRETR 1\r\nTOP 1 0\r\nSTAT\r\n",
     ["C: LIST", "C: LIST 1", "C: RETR 1", "C: TOP 1 0", "C: STAT"]),
    ("S", b"+OK\r\n1 12\r\n.\r\n+OK 1 12\r\n+OK\r\ngeheim\r\n..\r\n.\r\n-ERR gone\r\n+OK 1 12\r\n",
     ["S: +OK", "S: 1 12", "S: .", "S: +OK 1 12", "S: +OK", "S: <12 octets>", "S: .", "S: -ERR gone", "S: +OK 1 12"]),
]
SMTP: list[Turn] = [
    ("S", b"220 ready\r\n", ["S: 220 ready"]),
    ("C", b"EHLO c\r\n", ["C: EHLO c"]),
    ("S", b"250-mx\r\n250 AUTH PLAIN\r\n", ["S: 250-mx", "S: 250 AUTH PLAIN"]),
    ("C", b"auth plain AGEAZ2VoZWlt\r\n", ["C: AUTH plain <12 octets>"]),
    ("S", b"535 5.7.8 no\r\n", ["S: 535 5.7.8 no"]),
    ("C", b"AUTH LOGIN\r\n", ["C: AUTH LOGIN"]),
    ("S", b"334 VXNlcm5hbWU6\r\n", ["S: 334 <12 octets>"]),
    ("C", b"geheim\r\n", ["C: <6 octets>"]),
    ("S", b"235 ok\r\n", ["S: 235 ok"]),
    ("C", b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", ["C: MAIL FROM:<a@b>", "C: RCPT TO:<c@d>", "C: DATA"]),
    ("S", b"250 ok\r\n250 ok\r\n354 go\r\n", ["S: 250 ok", "S: 250 ok", "S: 354 go"]),
    ("C", b"geheim\r\n..\r\n.\r\nNOOP\r\n", ["C: <15 octets>", "C: NOOP"]),
    ("S", b"250 taken\r\n250 ok\r\n", ["S: 250 taken", "S: 250 ok"]),
    ("C", b"BDAT 8\r\ngeheim\r\nBDAT 0 LAST\r\nDATA\r\n",
     ["C: BDAT 8", "C: <8 octets>", "C: BDAT 0 LAST", "C: <0 octets>", "C: DATA"]),
    ("S", b"250 ok\r\n250 ok\r\n503 no\r\n", ["S: 250 ok", "S: 250 ok", "S: 503 no"]),
    ("C", b"QUIT\r\n", ["C: QUIT"]),
]
PROTOCOLS: list[tuple[type[Redaction], list[Turn]]] = [
    (ImapRedaction, IMAP), (Pop3Redaction, POP3), (SmtpRedaction, SMTP)]


class RedactionTests(SynchronousTestCase):
    """The same dialogues, however they are cut."""

    def check(self, kind: type[Redaction], turns: list[Turn], size: int) -> None:
        """Hold a dialogue in pieces of so many octets."""
        kept: list[str] = []
        redaction = kind(lambda who, text: kept.append(f"{who}: {text}"))
        for who, data, expected in turns:
            kept.clear()
            for start in range(0, len(data), size):
                (redaction.heard if who == "C" else redaction.said)(data[start : start + size])
            self.assertEqual(kept, expected, (kind.__name__, data))
            self.assertNotIn("geheim", "".join(kept))

    def test_whole(self) -> None:
        """What each side says at once."""
        for kind, turns in PROTOCOLS:
            self.check(kind, turns, 10_000)

    def test_byte_by_byte(self) -> None:
        """Octet for octet, and in other pieces."""
        for kind, turns in PROTOCOLS:
            for size in (1, 2, 3, 7):
                self.check(kind, turns, size)

    def test_mail_before_it_was_asked_for(self) -> None:
        """A client that does not wait for 354 shows no mail; commands behind a refused DATA are commands."""
        for answer, expected in (("354 go", ["S: 354 go", "C: <11 octets>", "C: NOOP"]),
                                 ("451 no", ["S: 451 no", "C: geheim", "C: .", "C: NOOP"])):
            kept: list[str] = []
            redaction = SmtpRedaction(lambda who, text, kept=kept: kept.append(f"{who}: {text}"))  # type: ignore[misc]  # mypy infers no lambda with a default
            redaction.heard(b"DATA\r\ngeheim\r\n.\r\nNOOP\r\n")
            self.assertEqual(kept, ["C: DATA"])
            redaction.said(answer.encode() + b"\r\n")
            self.assertEqual(kept[1:], expected)

    def test_long_lines(self) -> None:
        """Of a long line the beginning is kept; a literal at its end is seen."""
        kept: list[str] = []
        redaction = ImapRedaction(lambda who, text: kept.append(text))
        redaction.heard(b"a SEARCH " + b"x" * 5000 + b" {6+}\r\ngeheim\r\nb NOOP\r\n")
        self.assertTrue(kept[0].endswith("<a line of 5014 octets>"))
        self.assertLess(len(kept[0]), MAX_LINE + 40)
        self.assertEqual(kept[1:], ["<6 octets>", "", "b NOOP"])

    @settings(max_examples=100)
    @given(st.lists(st.tuples(st.booleans(), st.one_of(
        st.binary(max_size=30), st.sampled_from([turn[1] for _, turns in PROTOCOLS for turn in turns]))), max_size=12))
    def test_anything(self, pieces: list[tuple[bool, bytes]]) -> None:
        """Whatever is said, nothing fails, and every line is fit for a terminal."""
        for kind, _ in PROTOCOLS:
            kept: list[str] = []
            redaction = kind(lambda _who, text, kept=kept: kept.append(text))  # type: ignore[misc]  # as above
            for client, data in pieces:
                (redaction.heard if client else redaction.said)(data)
            self.assertTrue(all(text.isprintable() for text in kept), kept)
