"""Tests of quantummail.message.downgrade: nothing is left that is not ASCII, and as much as can be is understood."""

from __future__ import annotations

from email import message_from_bytes, policy

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.downgrade import downgraded

FIELDS = [
    # texts: words in ASCII stay
    ("Subject: Hello\r\n", "Subject: Hello\r\n"),
    ("Subject: Grüße\r\n", "Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n"),
    ("subject : Re: Grüße aus Köln\r\n", "subject: Re: =?UTF-8?B?R3LDvMOfZQ==?= aus =?UTF-8?B?S8O2bG4=?=\r\n"),
    ("Subject: über\r\n größe  und =?utf-8?q?mehr?=\r\n",
     "Subject: =?UTF-8?B?w7xiZXIgZ3LDtsOfZQ==?= und =?utf-8?q?mehr?=\r\n"),
    # addresses: names are encoded, what cannot be written to becomes an empty group
    ("From: Jürgen <j@example.org>\r\n", "From: =?UTF-8?B?SsO8cmdlbg==?= <j@example.org>\r\n"),
    ('To: "Ünal, Ö." <a@b>, "A, B" <"x y"@b>, c@d (Zoë)\r\n',
     'To: =?UTF-8?B?w5xuYWwsIMOWLg==?= <a@b>, "A, B" <"x y"@b>,\r\n =?UTF-8?B?Wm/Dqw==?= <c@d>\r\n'),
    ("Cc: =?utf-8?q?Jo?= Größe <a@b>\r\n", "Cc: =?utf-8?q?Jo?= =?UTF-8?B?R3LDtsOfZQ==?= <a@b>\r\n"),
    ("From: Jürgen <jürgen@bücher.example>\r\n",
     ("From: =?UTF-8?B?SsO8cmdlbg==?= Internationalized Address\r\n"
      " =?UTF-8?B?asO8cmdlbkBiw7xjaGVyLmV4YW1wbGU=?= Removed:;\r\n")),
    ("To: Freunde: ä@b, c@d;, e@f\r\n", "To: =?UTF-8?B?RnJldW5kZSDDpEBiLCBjQGQ=?= :;, e@f\r\n"),
    ("To: Größe: a@b, c@d;, leer:;, ü <e@f>\r\n",
     "To: =?UTF-8?B?R3LDtsOfZQ==?=: a@b, c@d;, leer:;, =?UTF-8?B?w7w=?= <e@f>\r\n"),
    # parameters
    ('Content-Type: image/png; name="ü.png"; x="a b"; y=z\r\n',
     "Content-Type: image/png; name*=utf-8''%C3%BC.png; x=\"a b\"; y=z\r\n"),
    ("Content-Disposition: attachment; filename*=utf-8''%C3%BC; other=\u00e9\r\n",
     "Content-Disposition: attachment; filename*=utf-8''%C3%BC;\r\n other*=utf-8''%C3%A9\r\n"),
    # anything else is kept under another name
    ("X-Mood: fröhlich\r\n", "Downgraded-X-Mood: =?UTF-8?B?ZnLDtmhsaWNo?=\r\n"),
    ("Content-Type: größe/x; a=b\r\n", "Downgraded-Content-Type: =?UTF-8?B?Z3LDtsOfZS94OyBhPWI=?=\r\n"),
    # line ends of adopted files
    ("Subject: ü\nX: y\n", "Subject: =?UTF-8?B?w7w=?=\nX: y\n"),
]


class DowngradeTests(SynchronousTestCase):
    """Header blocks."""

    def test_fields(self) -> None:
        """Each kind of field, alone and among others, with the empty line and without."""
        for field, expected in FIELDS:
            self.assertEqual(downgraded(field.encode()).decode("ascii"), expected)
            around = downgraded(f"A: b\r\n{field}C: d\r\n\r\n".encode()).decode("ascii")
            self.assertEqual(around, f"A: b\r\n{expected}C: d\r\n\r\n")

    def test_not_utf_8(self) -> None:
        """Octets of another character set stay as they are; so do lines that are no fields."""
        for octets in (b"Subject: \xe4\r\n", b"From: \xe4 <a@b>\r\n", b"no field \xc3\xa4\r\n", b"X\xc3\xa4: y\r\n"):
            self.assertEqual(downgraded(b"A: b\r\n" + octets + b"\r\n"), b"A: b\r\n" + octets + b"\r\n")

    def test_long(self) -> None:
        """Lines are folded, no character is divided, and Python reads what was written."""
        subject = "ä" * 200 + " " + "word " * 40 + "日本語" * 30
        name = "日本語" * 40 + ".pdf"
        header = f'Subject: {subject}\r\nContent-Type: text/plain; name="{name}"\r\n\r\n'.encode()
        octets = downgraded(header)
        self.assertLessEqual(max(map(len, octets.split(b"\r\n"))), 78)
        read = message_from_bytes(octets, policy=policy.default)
        self.assertEqual(str(read["subject"]), subject)
        self.assertEqual(read.get_filename(), name)

    def test_many_addresses(self) -> None:
        """A list of more addresses than we read is kept under another name, whole."""
        listed = ", ".join(f"ü{number} <a@b>" for number in range(1001))
        octets = downgraded(f"To: {listed}\r\n\r\n".encode())
        self.assertTrue(octets.startswith(b"Downgraded-To:\r\n =?UTF-8?B?"))
        self.assertTrue(octets.isascii())

    @given(st.lists(st.tuples(
        st.sampled_from(["Subject", "From", "To", "Content-Type", "Content-Disposition", "X-Other", "Received"]),
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=60)
        | st.text(st.sampled_from("äb<>@,;:\"\\()= \t.*%?'"), max_size=30))))
    def test_anything(self, fields: list[tuple[str, str]]) -> None:
        """Whatever is in UTF-8 becomes ASCII, with as many fields as before; no line is added that is none."""
        header = "".join(f"{name}: {value}\r\n" for name, value in fields).encode()
        octets = downgraded(header)
        self.assertTrue(octets.isascii())
        lines = [line for line in octets.split(b"\r\n") if line[:1] not in (b" ", b"\t", b"")]
        self.assertEqual(len(lines), len(fields))
