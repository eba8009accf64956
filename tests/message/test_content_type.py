"""Content-Type, Content-Disposition and their parameters, as they are and as they should be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.content_type import (
    MAX_PARAMETERS,
    parse_content_type,
    parse_disposition,
    parse_languages,
    parse_token,
    without_comments,
)

# value, media type, parameters
TYPES: list[tuple[bytes, bytes, list[tuple[bytes, bytes]]]] = [
    (b"image/PNG; Name=x.png", b"image/png", [(b"Name", b"x.png")]),
    (b"text/plain", b"text/plain", [(b"charset", b"us-ascii")]),
    (b"text/html; format=flowed", b"text/html", [(b"format", b"flowed"), (b"charset", b"us-ascii")]),
    (b"TEXT/html;;; Charset=UTF-8;", b"text/html", [(b"Charset", b"UTF-8")]),
    (b'a/b; x="a\\"b\\\\c"; y=""; z=', b"a/b", [(b"x", b'a"b\\c'), (b"y", b""), (b"z", b"")]),
    (b"a/b; x=a b c; y=1", b"a/b", [(b"x", b"a b c"), (b"y", b"1")]),
    (b"a/b; x=a y=b  z = c=d; name=a b=c", b"a/b", [(b"x", b"a"), (b"y", b"b"), (b"z", b"c=d"), (b"name", b"a b=c")]),
    (b"a/b; x=a/b[1]@c:d; y", b"a/b", [(b"x", b"a/b[1]@c:d")]),
    (b'a/b; x="a;b=c"junk; y=1', b"a/b", [(b"x", b"a;b=c"), (b"y", b"1")]),
    (b'a/b; x="open; y=1', b"a/b", [(b"x", b"open"), (b"y", b"1")]),
    (b"(c) a (c) / (c) b (c) ; (c) x (c) = (c) y (c)", b"a/b", [(b"x", b"y")]),
    (b'a/b; x="(no comment)"', b"a/b", [(b"x", b"(no comment)")]),
    (b"a/b;\r\n\tx=y;\r\n z=w", b"a/b", [(b"x", b"y"), (b"z", b"w")]),
    (b"a/b; x=1; x=2", b"a/b", [(b"x", b"1"), (b"x", b"2")]),
    (b"a/b; n*=utf-8''a%20b", b"a/b", [(b"n*", b"utf-8''a%20b")]),
    (b"a/b; n*0=a; n*1=b; m=1; n*2=c", b"a/b", [(b"n", b"abc"), (b"m", b"1")]),
    (b"a/b; n*1*=%20b; n*0*=utf-8''a; n*2=c d", b"a/b", [(b"n*", b"utf-8''a%20bc%20d")]),
    (b"a/b; n*0=a; n*2=lost", b"a/b", [(b"n", b"a")]),
    (b"a/b; n*1=alone", b"a/b", [(b"n*1", b"alone")]),
    (b"text", b"text/plain", [(b"charset", b"us-ascii")]),
    (b"image; name=x", b"application/octet-stream", [(b"name", b"x")]),
    (b"", b"text/plain", [(b"charset", b"us-ascii")]),
    (b"/", b"text/plain", [(b"charset", b"us-ascii")]),
    (b"foo bar", b"text/plain", [(b"charset", b"us-ascii")]),
    (b"text/plain/x; charset=y", b"text/plain", [(b"charset", b"us-ascii")]),
    (b'"text/html"', b"text/plain", [(b"charset", b"us-ascii")]),
]

DISPOSITIONS = [
    (b"Attachment; filename=a b.txt; size=3", (b"Attachment", ((b"filename", b"a b.txt"), (b"size", b"3")))),
    (b"inline", (b"inline", ())),
    (b"inline junk; a=b", (b"inline", ((b"a", b"b"),))),
    (b"; filename=x", (b"attachment", ((b"filename", b"x"),))),
    (b"", None),
    (b"(x)", None),
]


class ContentTypeTests(SynchronousTestCase):
    """parse_content_type."""

    def test_cases(self) -> None:
        """Types and parameters are read as mail programs mean them."""
        for value, media, parameters in TYPES:
            parsed = parse_content_type(value)
            self.assertEqual((parsed.media, list(parsed.parameters)), (media, parameters), value)

    def test_case_is_kept(self) -> None:
        """IMAP shows type and subtype as they are written."""
        parsed = parse_content_type(b"TEXT/Html; charset=x")
        self.assertEqual((parsed.type, parsed.subtype), (b"TEXT", b"Html"))

    def test_boundary(self) -> None:
        """A boundary loses trailing white space, and only a multipart has one."""
        self.assertEqual(parse_content_type(b'multipart/x; BOUNDARY="a b "').boundary, b"a b")
        self.assertEqual(parse_content_type(b"multipart/x; boundary*0=a; boundary*1=b").boundary, b"ab")
        self.assertEqual(parse_content_type(b"multipart/x").boundary, b"")
        self.assertEqual(parse_content_type(b"text/plain; boundary=a").boundary, b"")

    def test_parameter_limit(self) -> None:
        """Of endless parameters the first 128 are read."""
        value = b"a/b" + b"".join(b"; n%d=x" % number for number in range(1000))
        self.assertEqual(len(parse_content_type(value).parameters), MAX_PARAMETERS)

    @given(st.lists(st.sampled_from([
        b"text", b"multipart", b"/", b"plain", b";", b"=", b'"', b"\\", b"(", b")", b" ", b"\r\n ", b"n*0*", b"n*1",
        b"boundary", b"\0", b"\xff", b"%",
    ]), max_size=25).map(b"".join))
    def test_never_raises(self, value: bytes) -> None:
        """Any octets give a type with a media name."""
        self.assertRegex(parse_content_type(value).media, rb"^[^/]+/[^/]+$")
        parse_disposition(value)


class OtherFieldTests(SynchronousTestCase):
    """The other fields of a part."""

    def test_disposition(self) -> None:
        """Content-Disposition gives its type and parameters; a file name without a type is an attachment's."""
        for value, expected in DISPOSITIONS:
            self.assertEqual(parse_disposition(value), expected, value)

    def test_token(self) -> None:
        """An encoding is one token, comments left out."""
        for value, token in [
            (b" base64 ", b"base64"), (b"(x) 8bit (y)", b"8bit"), (b"\r\n\tBASE64\r\n", b"BASE64"), (b"", b""),
            (b'"7bit"', b""), (b"7bit;", b"7bit"),
        ]:
            self.assertEqual(parse_token(value), token, value)

    def test_languages(self) -> None:
        """Content-Language is a list of tags."""
        self.assertEqual(parse_languages(b"en,,de-CH (x),\r\n fr"), [b"en", b"de-CH", b"fr"])
        self.assertEqual(parse_languages(b"en,de;q=0.5,fr"), [b"en", b"de", b"fr"])
        self.assertEqual(parse_languages(b""), [])

    def test_comments(self) -> None:
        """Comments nest, are not seen in quotes, and an open one goes to the end."""
        for value, expected in [
            (b"a(b(c)d)e", b"a e"), (b'"(a)"(b)', b'"(a)" '), (b"a(b", b"a "), (b"a\\(b", b"a\\(b"),
            (b"(a\\))b", b" b"),
        ]:
            self.assertEqual(without_comments(value), expected, value)
