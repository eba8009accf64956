"""Several hundred awkward messages, the same every time: what IMAP servers read differently.

Each has a name that says what is awkward about it. They have no NUL, no bare CR and no bare LF.
`tests/scenarios/messages.py` has those that are awkward to transport; here it is the reading that is difficult.
"""

from __future__ import annotations

from collections.abc import Iterator

BASE = (b"From: Fritz Friend <friend@example.net>\r\nTo: alice@example.test\r\n"
        b"Date: Mon, 02 Nov 2026 10:00:00 +0100\r\n")


def corpus() -> dict[str, bytes]:
    """All messages by name."""
    found: dict[str, bytes] = {}
    for family in (_addresses, _address_fields, _subjects, _dates, _threads, _content_types, _structures, _embedded,
                   _encodings, _part_fields, _headers, _charsets):
        for name, message in family():
            key = f"{family.__name__[1:]}: {name}"
            if key in found:
                raise ValueError(f"two messages are named {key}")
            found[key] = message
    return found


def _text(header: bytes, body: bytes = b"A text.\r\n") -> bytes:
    return header + b"\r\n" + body


def _brief(value: bytes) -> str:
    return value[:60].decode("latin-1").replace("\r\n", "|").replace("\t", "~")


ADDRESSES: tuple[bytes, ...] = (
    b"", b" ", b"joe", b"joe@example.org", b"<joe@example.org>", b"Joe <joe@example.org>",
    b'"Joe" <joe@example.org>', b'"Joe Q. Public" <joe@example.org>', b"Joe Q. Public <joe@example.org>",
    b'"Joe \\"Q\\" Public" <joe@example.org>', b'"back\\\\slash" <joe@example.org>',
    b'"un\\necessary" <joe@example.org>',
    b"joe@example.org (Joe)", b"joe@example.org (Joe (nested) Public)", b"joe@example.org (Joe \\) Public)",
    b"(before) joe@example.org", b"(before) Joe <joe@example.org> (behind)", b"Joe (middle) Public <joe@example.org>",
    b"joe(a)@(b)example(c).(d)org", b"joe @ example.org", b"joe@ example . org", b"<joe @example.org>",
    b"Joe <joe@(comment)example.org>", b"joe . public@example.org", b'"joe public"@example.org',
    b'"joe@public"@example.org', b'"joe"@example.org', b'<"joe public"@example.org>', b'"jo\\"e"@example.org',
    b'joe."public"@example.org', b'"".joe@example.org', b'""@example.org', b"joe@[192.0.2.1]",
    b"joe@[IPv6:2001:db8::1]",
    b"joe@[192.0.2.1", b"joe@example.org.", b".joe@example.org", b"joe.@example.org", b"joe..public@example.org",
    b"<@relay.example:joe@example.org>", b"<@a.example,@b.example:joe@example.org>",
    b"Joe <@a.example:joe@example.org>",
    b"<@a.example,,@b.example:joe@example.org>", b"<>", b"Joe <>", b"< >", b"Joe < joe@example.org >",
    b"Joe <joe@example.org", b"Joe joe@example.org>", b"Joe <<joe@example.org>>", b"Joe <joe>", b"Joe <joe@>",
    b"Joe <@example.org>", b"@example.org", b"joe@", b"@", b"joe@@example.org", b"joe@example.org@example.net",
    b"a@example.org, b@example.org", b"a@example.org b@example.org", b"a@example.org; b@example.org",
    b"a@example.org,, b@example.org", b", a@example.org", b"a@example.org,", b",", b",,,",
    b"Friends:;", b"Friends: ;", b"Friends: a@example.org;", b"Friends: a@example.org, b@example.org;",
    b"Friends: Joe <a@example.org>, b@example.org;, c@example.org", b"x@example.org, Friends: a@example.org;",
    b"A:a@example.org;, B:b@example.org;", b"Friends: a@example.org", b"Friends:", b":;", b": a@example.org;",
    b'"My Friends": a@example.org;', b"undisclosed-recipients:;", b"undisclosed-recipients: ;",
    b"undisclosed recipients:;",
    b"A: B: a@example.org;;", b"Friends: a@example.org; (comment)", b"Friends (comment): a@example.org;",
    b"=?utf-8?q?Gr=C3=BC=C3=9Fe?= <joe@example.org>", b'"=?utf-8?q?J=C3=B6?=" <joe@example.org>',
    b"=?utf-8?b?SsO2?= =?utf-8?b?IEpv?= <joe@example.org>", b"joe@example.org (=?utf-8?q?J=C3=B6?=)",
    b"=?utf-8?q?a=2C_b?= <joe@example.org>", b"=?utf-8?q?joe=40example=2Eorg?=", b"=?utf-8?q?Friends?=: a@example.org;",
    "Jörg <joe@example.org>".encode(), "Jörg <joe@example.org>".encode("latin-1"), '"Jörg" <jörg@example.org>'.encode(),
    "joe@müller.example".encode(), "用户@例子.example".encode(), b"Joe\r\n <joe@example.org>",
    b"\r\n Joe <joe@example.org>",
    b"Joe\r\n\t Public\r\n  <joe\r\n @example.org>", b'"Joe\r\n Public" <joe@example.org>', b'"Joe <joe@example.org>',
    b'Joe" <joe@example.org>', b'Joe "the\tman" Public <joe@example.org>', b'"Joe""Public" <joe@example.org>',
    b'"Joe"Public <joe@example.org>', b"Joe's <joe@example.org>", b"Joe [work] <joe@example.org>",
    b"Joe/Public <joe@example.org>", b"Joe, Public <joe@example.org>", b"Public; Joe <joe@example.org>",
    b"joe@example.org <joe@example.org>", b"'joe@example.org' <joe@example.org>", b"<joe@example.org> Joe",
    b"<mailto:joe@example.org>", b"mailto:joe@example.org", b"joe!public@example.org", b"a!b!joe",
    b"joe%example.net@example.org",
    b"(unclosed joe@example.org", b"joe@example.org )", b"joe@example.org (", b"()", b"(only a comment)", b"\\",
    b"joe\\@example.org", b"joe\\ public@example.org", b"\x01joe@example.org", b"jo\x7fe@example.org",
    b"...@example.org",
    b"/G=Joe/S=Public/@example.org", b"joe+tag@example.org", b"joe@localhost", b"JOE@EXAMPLE.ORG",
    b"=?x?= <joe@example.org>",
    b", ".join(b"user%d@example.org" % number for number in range(60)),
    b",\r\n ".join(b"User %d <user%d@example.org>" % (number, number) for number in range(40)),
)


def _addresses() -> Iterator[tuple[str, bytes]]:
    for value in ADDRESSES:
        yield _brief(value), _text(b"From: " + value + b"\r\nTo: " + value + b"\r\nSubject: address\r\n"
                                   b"Date: Mon, 02 Nov 2026 10:00:00 +0100\r\n")


def _address_fields() -> Iterator[tuple[str, bytes]]:
    one, two = b"One <one@example.org>", b"two@example.org"
    cases: dict[str, bytes] = {
        "none": b"Subject: x\r\n",
        "only sender": b"Sender: " + one + b"\r\n",
        "from and sender": b"From: " + one + b"\r\nSender: " + two + b"\r\n",
        "from and reply-to": b"From: " + one + b"\r\nReply-To: " + two + b"\r\n",
        "empty sender": b"From: " + one + b"\r\nSender:\r\nReply-To: \r\n",
        "empty from": b"From:\r\nSender: " + one + b"\r\n",
        "broken sender": b"From: " + one + b"\r\nSender: <>\r\nReply-To: ,\r\n",
        "sender is a group": b"From: " + one + b"\r\nSender: G:;\r\n",
        "several senders": b"From: " + one + b"\r\nSender: " + one + b", " + two + b"\r\n",
        "two from": b"From: " + one + b"\r\nFrom: " + two + b"\r\n",
        "two to": b"To: " + one + b"\r\nTo: " + two + b"\r\n",
        "two cc": b"Cc: " + one + b"\r\nX-Y: z\r\nCc: " + two + b"\r\n",
        "two bcc": b"Bcc: " + one + b"\r\nBcc: " + two + b"\r\n",
        "two reply-to": b"From: " + one + b"\r\nReply-To: " + one + b"\r\nReply-To: " + two + b"\r\n",
        "two empty and one": b"To:\r\nTo: " + two + b"\r\n",
        "resent": b"From: " + one + b"\r\nResent-From: " + two + b"\r\nResent-To: " + two + b"\r\nResent-Date: x\r\n",
        "apparently-to": b"Apparently-To: " + one + b"\r\n",
        "lower case names": b"from: " + one + b"\r\nTO: " + two + b"\r\ncC: " + two + b"\r\n",
        "space before colon": b"From : " + one + b"\r\nTo\t: " + two + b"\r\n",
        "no space behind colon": b"From:" + one + b"\r\nTo:" + two + b"\r\n",
        "everything": b"From: " + one + b"\r\nSender: " + two + b"\r\nReply-To: " + one + b"\r\nTo: " + two
                      + b"\r\nCc: " + one + b"\r\nBcc: " + two + b"\r\n",
    }
    for name, header in cases.items():
        yield name, _text(header)


SUBJECTS: tuple[bytes, ...] = (
    b"", b" ", b"\t", b"plain", b"  leading", b"trailing  ", b"in\tside", b'"quoted"', b"back\\slash", b"per%cent {5}",
    b"a\r\n b", b"a\r\n\tb", b"a\r\n  \r\n b", b"\r\n a", b"\r\n\ta\r\n \r\n", b"x" * 998, b"y" * 5000, b"w " * 3000,
    b"(comment)", b"NIL", b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", b"=?UTF-8?B?R3LDvMOfZQ==?=", b"=?utf-8?B?R3LDvMOfZQ?=",
    b"=?utf-8?q?a?= =?utf-8?q?b?=", b"=?utf-8?q?a?=\r\n =?utf-8?q?b?=", b"=?utf-8?q?a?= b =?utf-8?q?c?=",
    b"a=?utf-8?q?b?=c",
    b"=?utf-8?q?a?==?utf-8?q?b?=", b"=?utf-8?q?a b?=", b"=?utf-8?q?a_b?=", b"=?utf-8?q?a=20b?=", b"=?utf-8?q?a=?=",
    b"=?utf-8?q?a=3?=", b"=?utf-8?q?a=ZZb?=", b"=?utf-8?q??=", b"=?utf-8??a?=", b"=??q?a?=", b"=?utf-8?x?a?=",
    b"=?utf-8?q?a",
    b"=?utf-8?q?a?", b"=?utf-8?qq?a?=", b"=?utf-8*de?q?Gr=C3=BC=C3=9Fe?=", b"=?us-ascii?q?plain?=",
    b"=?iso-8859-1?q?Gr=FC=DFe?=",
    b"=?ISO-8859-15?Q?10_=A4?=", b"=?windows-1252?q?=80_=84x=93?=", b"=?koi8-r?B?8NLJ18XU?=",
    b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=",
    b"=?shift_jis?B?k/qWew==?=", b"=?euc-kr?B?x9Gxuw==?=", b"=?gb2312?B?1tDOxA==?=", b"=?gb18030?B?1tDOxA==?=",
    b"=?big5?B?pKSk5Q==?=",
    b"=?utf-7?q?Gr+APwA3w-e?=", b"=?utf-16?B?AEcA/A==?=", b"=?unknown-8bit?q?=FC?=", b"=?x-no-such?q?abc?=",
    b"=?utf-8?q?=FC=FC?=",
    b"=?utf-8?b?4pi?= =?utf-8?b?rg==?=", b"=?utf-8?b?!!!!?=", b"=?utf-8?b?R3L?=", b"=?utf-8?q?=00=01?=",
    b"=?utf-8?q?=0D=0AX:_y?=",
    "Grüße".encode(), "Grüße".encode("latin-1"), "日本語".encode("shift_jis"), "🎉 party".encode(),
    b"caf\xe9 =?utf-8?q?=C3=A9?=",
    b"Re: plain", b"RE: re: Re: plain", b"Re:plain", b"Re : plain", b"Re[2]: plain", b"Re: [list] plain",
    b"[list] Re: plain",
    b"[list] plain", b"[a] [b] plain", b"[a][b]plain", b"[only]", b"Re: [only]", b"Fwd: plain", b"FW: plain",
    b"Fw: Re: plain",
    b"plain (fwd)", b"plain (FWD) (fwd)", b"[Fwd: plain]", b"[fwd: Re: plain (fwd)]", b"Re: [Fwd: [list] plain]",
    b"AW: plain",
    b"Re:", b"Re: ", b"Fwd:", b"(fwd)", b"[Fwd: ]", b"Re: (fwd)", b"Re [list]: plain", b"Re[list] : plain",
    b"Re: Fwd: (no subject)",
    b"=?utf-8?q?Re=3A_plain?=", b"=?utf-8?q?Re=3A?= plain", b"Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", b"PLAIN", b"Plain",
    b"  Re:   plain  ",
    b"[list plain", b"list] plain", b"Re: [list [nested]] plain", b"plain\x01control", b"plain\x7fdel",
)


def _subjects() -> Iterator[tuple[str, bytes]]:
    for value in SUBJECTS:
        yield _brief(value), _text(BASE + b"Subject:" + (b" " if value else b"") + value + b"\r\n")


DATES: tuple[bytes, ...] = (
    b"", b" ", b"nonsense", b"Mon, 2 Nov 2026 10:00:00 +0100", b"2 Nov 2026 10:00:00 +0100",
    b"Mon, 02 Nov 2026 10:00 +0100",
    b"Mon, 2 Nov 26 10:00:00 +0100", b"Mon, 2 Nov 99 10:00:00 +0100", b"Mon, 2 Nov 126 10:00:00 +0100",
    b"Mon, 2 Nov 49 10:00:00 +0000",
    b"Mon, 2 Nov 50 10:00:00 +0000", b"Tue, 2 Nov 2026 10:00:00 +0100", b"Xyz, 2 Nov 2026 10:00:00 +0100",
    b"Mon, 2 Nov 2026 10:00:00", b"Mon, 2 Nov 2026", b"Mon, 2 Nov 2026 10:00:00 GMT", b"Mon, 2 Nov 2026 10:00:00 UT",
    b"Mon, 2 Nov 2026 10:00:00 EST", b"Mon, 2 Nov 2026 10:00:00 PDT", b"Mon, 2 Nov 2026 10:00:00 Z",
    b"Mon, 2 Nov 2026 10:00:00 A",
    b"Mon, 2 Nov 2026 10:00:00 J", b"Mon, 2 Nov 2026 10:00:00 CEST", b"Mon, 2 Nov 2026 10:00:00 -0000",
    b"Mon, 2 Nov 2026 10:00:00 +0100 (CET)", b"Mon, 2 Nov 2026 10:00:00 (CET) +0100",
    b"Mon (monday), 2 Nov 2026 10:00:00 +0100",
    b"Mon, 2 (x) Nov (y) 2026 (z) 10:00:00 +0100", b"Mon, 2 Nov 2026 10 : 00 : 00 +0100",
    b"Mon, 2 Nov 2026 10.00.00 +0100",
    b"Mon,2 Nov 2026 10:00:00 +0100", b"Mon , 2 Nov 2026 10:00:00 +0100", b"Mon 2 Nov 2026 10:00:00 +0100",
    b"Monday, 2 November 2026 10:00:00 +0100", b"Mon, 2-Nov-2026 10:00:00 +0100", b"2026-11-02 10:00:00 +0100",
    b"2026-11-02T10:00:00+01:00", b"Mon Nov  2 10:00:00 2026", b"Mon Nov  2 10:00:00 CET 2026",
    b"Mon, Nov 2 2026 10:00:00 +0100",
    b"Mon, 31 Nov 2026 10:00:00 +0100", b"Mon, 0 Nov 2026 10:00:00 +0100", b"Mon, 32 Nov 2026 10:00:00 +0100",
    b"Mon, 29 Feb 2027 10:00:00 +0100", b"Thu, 29 Feb 2024 10:00:00 +0100", b"Mon, 2 Nov 2026 24:00:00 +0100",
    b"Mon, 2 Nov 2026 23:59:60 +0100", b"Mon, 2 Nov 2026 10:61:00 +0100", b"Mon, 2 Nov 2026 10:00:00 +9900",
    b"Mon, 2 Nov 2026 10:00:00 +01:00", b"Mon, 2 Nov 2026 10:00:00 +100", b"Mon, 2 Nov 2026 10:00:00 +0175",
    b"Mon, 2 Nov 2026 00:30:00 +1400", b"Mon, 2 Nov 2026 23:30:00 -1200", b"Thu, 1 Jan 1970 00:00:00 +0000",
    b"Wed, 31 Dec 1969 23:59:59 +0000", b"Tue, 1 Jan 1901 00:00:00 +0000", b"Tue, 19 Jan 2038 03:14:08 +0000",
    b"Fri, 1 Jan 9999 00:00:00 +0000", b"Sat, 1 Jan 0000 00:00:00 +0000", b"Mon,\r\n 2 Nov 2026\r\n 10:00:00 +0100",
    b"\r\n Mon, 2 Nov 2026 10:00:00 +0100", b"mon, 2 nov 2026 10:00:00 +0100", b"Mon, 2 NOV 2026 10:00:00 +0100",
    b"Mon, 2 Nov 2026 1:2:3 +0100", b"Mon, 2 Nov 2026 10:00:00.123 +0100", b"Mon, 2 Nov 2026 10:00:00 PM +0100",
    b"(comment only)", b'"Mon, 2 Nov 2026 10:00:00 +0100"', b"=?utf-8?q?Mon=2C_2_Nov_2026_10=3A00=3A00_+0100?=",
    "Mo, 2 Nov 2026 10:00:00 +0100 (Mitteleuropäische Zeit)".encode(),
    "Mo, 2 März 2026 10:00:00 +0100".encode("latin-1"),
)


def _dates() -> Iterator[tuple[str, bytes]]:
    for value in DATES:
        yield _brief(value), _text(b"From: friend@example.net\r\nSubject: date\r\nDate: " + value + b"\r\n")
    yield "no field", _text(b"From: friend@example.net\r\nSubject: no date\r\n")
    yield "two fields", _text(b"From: friend@example.net\r\nDate: Mon, 2 Nov 2026 10:00:00 +0100\r\n"
                              b"Date: Tue, 3 Nov 2026 10:00:00 +0100\r\n")


THREADS: tuple[tuple[str, bytes, bytes, bytes, bytes], ...] = (
    # subject, Message-ID, References, In-Reply-To, day of the month
    ("thread one", b"<1@t>", b"", b"", b"1"),
    ("Re: thread one", b"<2@t>", b"<1@t>", b"", b"2"),
    ("Re: thread one", b"<3@t>", b"<1@t> <2@t>", b"<2@t>", b"3"),
    ("other words", b"<4@t>", b"<1@t> <missing@t>", b"", b"4"),
    ("other words", b"<5@t>", b"<missing@t>", b"", b"5"),
    ("in reply", b"<6@t>", b"", b"<1@t>", b"6"),
    ("in reply with words", b"<7@t>", b"", b"Your message of Monday <6@t>", b"7"),
    ("two in reply", b"<8@t>", b"", b"<6@t> <7@t>", b"8"),
    ("loop", b"<9@t>", b"<10@t>", b"", b"9"),
    ("loop", b"<10@t>", b"<9@t>", b"", b"10"),
    ("itself", b"<11@t>", b"<11@t>", b"", b"11"),
    ("same id", b"<12@t>", b"", b"", b"12"),
    ("same id again", b"<12@t>", b"", b"", b"13"),
    ("child of same id", b"<13@t>", b"<12@t>", b"", b"14"),
    ("no id", b"", b"<12@t>", b"", b"15"),
    ("folded references", b"<14@t>", b"<1@t>\r\n <2@t>\r\n\t<3@t>", b"", b"16"),
    ("references without space", b"<15@t>", b"<1@t><2@t><3@t>", b"", b"17"),
    ("references with commas", b"<16@t>", b"<1@t>, <2@t>", b"", b"18"),
    ("references with a comment", b"<17@t>", b"<1@t> (comment <9@t>) <2@t>", b"", b"19"),
    ("broken reference", b"<18@t>", b"<1@t> <broken <2@t>", b"", b"20"),
    ("unclosed reference", b"<19@t>", b"<1@t> <2@t", b"", b"21"),
    ("no brackets", b"20@t", b"1@t 2@t", b"", b"22"),
    ("quoted id", b'<"quoted id"@t>', b"", b"", b"23"),
    ("of quoted id", b"<21@t>", b'<"quoted id"@t>', b"", b"24"),
    ("quoted without need", b'<"22"@t>', b"", b"", b"25"),
    ("of quoted without need", b"<23@t>", b"<22@t>", b"", b"26"),
    ("id with spaces", b"< 24@t >", b"", b"", b"27"),
    ("of id with spaces", b"<25@t>", b"<24@t>", b"", b"28"),
    ("upper case", b"<UPPER@T>", b"", b"", b"29"),
    ("of lower case", b"<26@t>", b"<upper@t>", b"", b"29"),
    ("no domain", b"<nodomain>", b"", b"", b"29"),
    ("of no domain", b"<27@t>", b"<nodomain>", b"", b"29"),
    ("literal", b"<28@[192.0.2.1]>", b"", b"", b"29"),
    ("of literal", b"<29@t>", b"<28@[192.0.2.1]>", b"", b"29"),
    ("folded id", b"\r\n <30@t>", b"", b"", b"29"),
    ("of folded id", b"<31@t>", b"<30@t>", b"", b"29"),
    ("two ids", b"<32@t> <33@t>", b"", b"", b"29"),
    ("of the second", b"<34@t>", b"<33@t>", b"", b"29"),
    ("Re: thread one", b"<35@t>", b"", b"", b"30"),
    ("Re: only replies", b"<36@t>", b"", b"", b"30"),
    ("Re: only replies", b"<37@t>", b"", b"", b"30"),
    ("moves", b"<38@t>", b"<40@t>", b"", b"30"),
    ("moved", b"<39@t>", b"<41@t> <40@t>", b"", b"30"),
    ("moved away", b"<40@t>", b"<42@t>", b"", b"30"),
)


def _threads() -> Iterator[tuple[str, bytes]]:
    for number, (subject, message_id, references, in_reply_to, day) in enumerate(THREADS, 1):
        header = (b"From: friend@example.net\r\nSubject: " + subject.encode() + b"\r\nDate: " + day
                  + b" Nov 2026 10:00:00 +0000\r\n")
        for name, value in ((b"Message-ID", message_id), (b"References", references), (b"In-Reply-To", in_reply_to)):
            if value:
                header += name + b": " + value + b"\r\n"
        yield f"{number} {subject}", _text(header)


CONTENT_TYPES: tuple[bytes, ...] = (
    b"", b" ", b"text", b"text/", b"/plain", b"/", b"text/plain", b"TEXT/PLAIN", b"text/html", b"text / plain",
    b"text /plain",
    b"text/plain;", b"text/plain;;", b"text/plain; charset", b"text/plain; charset=", b"text/plain; =utf-8",
    b"text/plain; charset=utf-8",
    b"text/plain; charset=UTF-8;", b"text/plain;charset=utf-8", b"text/plain ; charset = utf-8",
    b'text/plain; charset="utf-8"',
    b'text/plain; charset="utf\\-8"', b'text/plain; charset="utf-8', b"text/plain; charset=utf-8 (comment)",
    b"text/plain (comment); charset=utf-8", b"text/plain (;charset=x); charset=utf-8", b"(c) text/plain",
    b"text(c)/(d)plain",
    b"text/plain; charset=utf-8 format=flowed", b"text/plain; charset=utf-8; format=flowed",
    b"text/plain, charset=utf-8",
    b"text/plain charset=utf-8", b"text/plain; charset=utf-8; charset=latin1", b"text/plain; CHARSET=utf-8",
    b"text/plain; charset='utf-8'",
    b"text/plain; charset=us-ascii", b"text/plain; charset=?", b"text/plain; name=a b.txt",
    b'text/plain; name="a b.txt"',
    b'text/plain; name="a \\"b\\".txt"', b'text/plain; name="a\\\\b"', b"text/plain; name=a/b",
    b"text/plain; name=a@b.c",
    b"text/plain; name==?utf-8?q?a=C3=BC?=", b'text/plain; name="=?utf-8?q?a=C3=BC?="',
    "text/plain; name=Grüße.txt".encode(),
    'text/plain; name="Grüße.txt"'.encode(), 'text/plain; name="Grüße.txt"'.encode("latin-1"),
    b"text/plain; name*=utf-8''Gr%C3%BC%C3%9Fe.txt",
    b"text/plain; name*=utf-8'de'Gr%C3%BC", b"text/plain; name*0=abc; name*1=def",
    b"text/plain; name*1=def; name*0=abc",
    b'text/plain; name*0="abc"; name*1="def"', b"text/plain; name*0*=utf-8''Gr%C3%BC; name*1*=%C3%9F; name*2=e",
    b"text/plain; name*0=abc; name*2=def",
    b"text/plain; name*00=abc; name*01=def", b"text/plain; name=plain; name*=utf-8''extended",
    b"text/plain; name*=broken", b"text/plain; name*=utf-8''%ZZ",
    b"text/plain; a=1; b=2; c=3; d=4; e=5", b"; ".join([b"text/plain", *(b"p%d=%d" % (n, n) for n in range(40))]),
    b"text/plain; x=" + b"y" * 2000,
    b"text/plain;\r\n charset=utf-8", b"text/plain;\r\n\tcharset=utf-8;\r\n\tformat=flowed",
    b"\r\n text/plain; charset=utf-8",
    b'text/plain; name="a\r\n b"', b"text/plain; name=\"\"", b"text/x-unknown; a=b", b"x-foo/x-bar",
    b"application/octet-stream", b"image/png; name=x.png",
    b"application", b"plain", b"text/plain/extra", b"text\\plain", b'"text"/plain', b'"text/plain"', b"text/pl ain",
    b"text/plain\x01",
    "täxt/plain".encode("latin-1"), b"text/plain; ch(comment)arset=utf-8", b"text/plain; charset=(comment)utf-8",
    b"text/plain; a b=c; d=e",
    b"text/plain; a=b c; d=e", b"text/plain; a=b; ; d=e", b"text/plain; a=[b]; d=e", b"text/plain; a=b=c",
    b"text/plain: charset=utf-8",
    b"message/partial; number=1; total=2; id=x",
    b"message/external-body; access-type=URL; URL=\"http://example.org/\"", b"message/delivery-status",
    b"message/rfc822", b"message/global", b"message/x-unknown", b"multipart/mixed", b"multipart/mixed; boundary=",
    b'multipart/mixed; boundary=""',
    b"multipart/mixed; boundary=never", b"multipart", b"multipart/", b"multipart; boundary=b",
    b"multipart/x-unknown; boundary=b",
    b"video/mp4", b"audio/basic", b"font/woff", b"model/vrml", b"text/calendar; method=REQUEST", b"text/rfc822-headers",
)


def _content_types() -> Iterator[tuple[str, bytes]]:
    for value in CONTENT_TYPES:
        header = BASE + b"Subject: type\r\nMIME-Version: 1.0\r\nContent-Type: " + value + b"\r\n"
        yield _brief(value), _text(header, b"Some text\r\nof two lines\r\n")
    yield "two fields", _text(BASE + b"Content-Type: text/html\r\nContent-Type: text/plain\r\n")
    yield "no MIME-Version", _text(BASE + b"Content-Type: text/html; charset=utf-8\r\n")
    yield "MIME-Version 2.0", _text(BASE + b"MIME-Version: 2.0\r\nContent-Type: text/html; charset=utf-8\r\n")
    yield "multipart without MIME-Version", _text(BASE + b"Content-Type: multipart/mixed; boundary=b\r\n", _multi())


def _multi(boundary: bytes = b"b") -> bytes:
    return (b"--" + boundary + b"\r\nContent-Type: text/plain\r\n\r\none\r\n--" + boundary
            + b"\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>two</p>\r\n--" + boundary + b"--\r\n")


def _multipart(body: bytes, boundary: bytes = b"b", subtype: bytes = b"mixed") -> bytes:
    return _text(BASE + b"Subject: multipart\r\nMIME-Version: 1.0\r\nContent-Type: multipart/" + subtype
                 + b"; boundary="
                 + boundary + b"\r\n", body)


def _structures() -> Iterator[tuple[str, bytes]]:
    part = b"Content-Type: text/plain\r\n\r\n"
    bodies: dict[str, bytes] = {
        "usual": _multi(),
        "preamble and epilogue": b"preamble\r\n\r\n" + _multi() + b"\r\nepilogue\r\n",
        "preamble without empty line": b"preamble\r\n" + _multi(),
        "no close": b"--b\r\n" + part + b"one\r\n--b\r\n" + part + b"two\r\n",
        "nothing behind the close": b"--b\r\n" + part + b"one\r\n--b--",
        "close and more": _multi() + b"--b\r\n" + part + b"late\r\n--b--\r\n",
        "only close": b"--b--\r\n",
        "only open": b"--b\r\n",
        "empty body": b"",
        "no boundary line": b"text only\r\n",
        "empty part": b"--b\r\n--b--\r\n",
        "two empty parts": b"--b\r\n--b\r\n--b--\r\n",
        "part of one empty line": b"--b\r\n\r\n--b--\r\n",
        "part of two empty lines": b"--b\r\n\r\n\r\n--b--\r\n",
        "part of three empty lines": b"--b\r\n\r\n\r\n\r\n--b--\r\n",
        "part without header": b"--b\r\n\r\ntext\r\n--b--\r\n",
        "part without empty line": b"--b\r\nContent-Type: text/html\r\n--b--\r\n",
        "part without empty line and no colon": b"--b\r\njust text\r\n--b--\r\n",
        "spaces behind boundary": b"--b  \r\n" + part + b"one\r\n--b \t\r\n" + part + b"two\r\n--b-- \r\n",
        "text behind boundary": b"--b text\r\n" + part + b"one\r\n--b--\r\n",
        "boundary is a prefix": b"--bb\r\n" + part + b"one\r\n--b\r\n" + part + b"two\r\n--bbb\r\n" + part
        + b"three\r\n--b--\r\n",
        "close with text": b"--b\r\n" + part + b"one\r\n--b--text\r\n",
        "boundary in a line": b"--b\r\n" + part + b"x --b\r\n--b--\r\n",
        "single dash": b"-b\r\n" + part + b"one\r\n-b-\r\n",
        "three dashes": b"---b\r\n" + part + b"one\r\n--b--\r\n",
        "no line end before boundary": b"--b\r\n" + part + b"one--b\r\n--b--\r\n",
        "upper case boundary": b"--B\r\n" + part + b"one\r\n--B--\r\n",
        "long part": b"--b\r\n" + part + b"a line of text\r\n" * 3000 + b"--b--\r\n",
        "very long line": b"--b\r\n" + part + b"x" * 70000 + b"\r\n--b--\r\n",
        "many parts": b"".join(b"--b\r\n" + part + b"%d\r\n" % number for number in range(120)) + b"--b--\r\n",
        "nested": b"--b\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n" + _multi(b"i") + b"--b\r\n" + part
        + b"x\r\n--b--\r\n",
        "nested, inner unclosed": b"--b\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n" + part
        + b"1\r\n--b\r\n"
                                  + part + b"x\r\n--b--\r\n",
        "nested, outer closes only": b"--b\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n" + part
        + b"1\r\n--b--\r\n",
        "nested with the same boundary": b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + part
        + b"1\r\n--b--\r\n--b--\r\n",
        "nested, inner is a prefix": b"--b\r\nContent-Type: multipart/mixed; boundary=bx\r\n\r\n--bx\r\n" + part
        + b"1\r\n--bx--\r\n--b--\r\n",
        "nested, outer is a prefix": b"--b\r\nContent-Type: multipart/mixed; boundary=b2\r\n\r\n--b2\r\n" + part
        + b"1\r\n--b2--\r\n--b\r\n"
                                     + part + b"2\r\n--b--\r\n",
        "nested without boundary": b"--b\r\nContent-Type: multipart/mixed\r\n\r\n--i\r\n" + part
        + b"1\r\n--i--\r\n--b--\r\n",
        "nested empty": b"--b\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--b--\r\n",
        "boundary in a header": b"--b\r\nContent-Type: text/plain\r\n--b\r\n" + part + b"two\r\n--b--\r\n",
        "broken header in a part": b"--b\r\nno colon here\r\nContent-Type: text/html\r\n\r\nx\r\n--b--\r\n",
        "folded header in a part": b"--b\r\nContent-Type: text/html;\r\n charset=utf-8\r\n\r\nx\r\n--b--\r\n",
        "folded line first in a part": b"--b\r\n Content-Type: text/html\r\n\r\nx\r\n--b--\r\n",
    }
    for name, body in bodies.items():
        yield name, _multipart(body)
    for subtype in (b"alternative", b"related", b"digest", b"report; report-type=delivery-status", b"signed",
                    b"form-data", b"x-own"):
        yield f"multipart/{subtype.decode()}", _multipart(b"--b\r\n\r\nFrom: a@b\r\n\r\none\r\n--b--\r\n",
                                                          subtype=subtype)
    for boundary in (b'"b b"', b'"b\\"b"', b'"b;b"', b"b(b)", b"b;", b'"b "', b"'b'", b"b:b", b"=_b", b"x" * 70,
                     b"y" * 200, b"=?utf-8?q?b?="):
        literal = boundary.strip(b'"').replace(b"\\", b"").rstrip(b";")
        yield f"boundary {_brief(boundary)}", _multipart(_multi(literal), boundary)
    for depth in (5, 50, 99, 120):
        inner = b"".join(b"Content-Type: multipart/mixed; boundary=n%d\r\n\r\n--n%d\r\n" % (n, n) for n in range(depth))
        yield f"{depth} levels", BASE + b"MIME-Version: 1.0\r\n" + inner + b"\r\nin\r\n"


def _embedded() -> Iterator[tuple[str, bytes]]:
    inner = (b"From: in@example.org\r\nTo: to@example.org\r\nSubject: inner\r\nDate: Sun, 1 Nov 2026 10:00:00 +0000\r\n"
             b"\r\ninner text\r\n")
    html = b"Subject: html\r\nContent-Type: text/html\r\n\r\n<b>x</b>\r\n"
    multi = b"Subject: multi\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n" + _multi(b"i")
    rfc822 = b"Content-Type: message/rfc822\r\n\r\n"
    embedded: dict[str, bytes] = {
        "text": rfc822 + inner,
        "html": rfc822 + html,
        "multipart": rfc822 + multi,
        "two levels": rfc822 + b"Subject: middle\r\n" + rfc822 + inner,
        "empty": rfc822,
        "no body": rfc822 + b"Subject: only\r\n",
        "no header": rfc822 + b"\r\ntext\r\n",
        "only an empty line": rfc822 + b"\r\n",
        "no colon": rfc822 + b"this is not a header\r\n",
        "name": b'Content-Type: message/rfc822; name="a.eml"\r\n'
                b'Content-Disposition: attachment; filename="a.eml"\r\n\r\n' + inner,
        "base64": b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nRnJvbTogYUBiDQoNCng=\r\n",
        "quoted-printable": b"Content-Type: message/rfc822\r\n"
                            b"Content-Transfer-Encoding: quoted-printable\r\n\r\nFrom: a=40b\r\n\r\nx=3D\r\n",
        "7bit": b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" + inner,
        "partial": b"Content-Type: message/partial; id=x; number=1\r\n\r\n" + inner,
        "external-body": b"Content-Type: message/external-body; access-type=mail-server\r\n\r\n"
                         b"Content-Type: text/plain\r\n\r\n",
        "delivery-status": b"Content-Type: message/delivery-status\r\n\r\n"
                           b"Reporting-MTA: dns; a\r\n\r\nFinal-Recipient: rfc822; b@c\r\n",
        "global": b"Content-Type: message/global\r\n\r\nSubject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nx\r\n",
        "mbox line": rfc822 + b"From a@b Mon Nov  2 10:00:00 2026\r\n" + inner,
    }
    for name, part in embedded.items():
        yield f"{name}, alone", BASE + b"MIME-Version: 1.0\r\n" + part
        yield f"{name}, in a multipart", _multipart(b"--b\r\n\r\nsee below\r\n--b\r\n" + part + b"\r\n--b--\r\n")
    yield "digest", _multipart(b"--b\r\n\r\n" + inner + b"\r\n--b\r\n\r\n" + html
                               + b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
                               subtype=b"digest")
    yield "digest with empty parts", _multipart(b"--b\r\n\r\n--b\r\n--b--\r\n", subtype=b"digest")


def _encodings() -> Iterator[tuple[str, bytes]]:
    bodies = {"text": b"A text with =3D and =\r\nsoft\r\n", "base64": b"SGVsbG8gd29ybGQh\r\nSGVsbG8=\r\n",
              "broken base64": b"SGVs!!bG8\r\n=\r\nxx\r\n",
              "trailing blanks": b"a =20\r\nb  \r\n=\r\n=Z=\r\n", "empty": b""}
    for encoding in (b"7bit", b"8bit", b"binary", b"base64", b"quoted-printable", b"BASE64", b"Quoted-Printable",
                     b"x-uuencode", b"uuencode",
                     b"nonsense", b"", b'"base64"', b"base64 (comment)", b"(comment) base64", b"base64;",
                     b"base64; x=y", b"7 bit", b"7-bit"):
        for name, body in bodies.items():
            if name not in ("text", "base64") and encoding not in (b"base64", b"quoted-printable"):
                continue
            yield f"{encoding.decode()}: {name}", _text(
                BASE + b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: " + encoding
                + b"\r\n", body)
    yield "two fields", _text(BASE + b"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\n",
                              bodies["base64"])
    yield "of a multipart", _text(BASE + b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n"
                                         b"Content-Type: multipart/mixed; boundary=b\r\n", _multi())
    yield "base64 without line end", _multipart(
        b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n--b--\r\n")
    yield "base64 twice", _text(BASE + b"Content-Transfer-Encoding: base64\r\n", b"SGVsbG8=\r\n\r\nSGVsbG8=\r\n")


PART_FIELDS: tuple[bytes, ...] = (
    b"Content-ID: <1@example.org>", b"Content-ID: 1@example.org", b"Content-ID:", b"Content-ID: (c) <1@example.org>",
    b"Content-Description: words", b"Content-Description:", b"Content-Description: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
    b"Content-Description: a\r\n b",
    b"Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==", b"Content-MD5:", b"Content-Location: http://example.org/a\r\n /b",
    b"Content-Location:",
    b"Content-Language: en", b"Content-Language: en, de", b"Content-Language: en,de;q=0.5", b"Content-Language:",
    b"Content-Language: (c) en",
    b"Content-Language: en de", b"Content-Disposition: inline", b"Content-Disposition: attachment",
    b"Content-Disposition:",
    b"Content-Disposition: ATTACHMENT; FILENAME=A.TXT", b"Content-Disposition: attachment; filename=a b.txt",
    b'Content-Disposition: attachment; filename="a b.txt"',
    b"Content-Disposition: attachment; filename*=utf-8''%C3%BC.txt",
    b'Content-Disposition: attachment; filename*0="a"; filename*1="b"', b"Content-Disposition: attachment filename=x",
    b'Content-Disposition: attachment; filename="=?utf-8?q?=C3=BC?="', b"Content-Disposition: attachment; filename",
    b"Content-Disposition: ; filename=x", b"Content-Disposition: attachment; size=12; filename=x",
    b'Content-Disposition: "attachment"',
    b"Content-Disposition: (c) attachment (d); filename=x", b'Content-Disposition: attachment; filename="x',
    b"Content-Disposition: form-data; name=a",
    "Content-Disposition: attachment; filename=ü.txt".encode(), 'Content-Description: ü "x" \\'.encode("latin-1"),
    (b"Content-Type: text/plain\r\nContent-Disposition: inline\r\nContent-ID: <a@b>\r\n"
     b"Content-Language: en\r\nContent-Location: x\r\nContent-MD5: y"),
)


def _part_fields() -> Iterator[tuple[str, bytes]]:
    for field in PART_FIELDS:
        yield _brief(field), _multipart(b"--b\r\n" + field + b"\r\n\r\ntext\r\n--b--\r\n")
    for field in PART_FIELDS[::3]:
        yield f"top: {_brief(field)}", _text(BASE + field + b"\r\n")


def _headers() -> Iterator[tuple[str, bytes]]:
    cases: dict[str, bytes] = {
        "no header": b"\r\ntext\r\n", "no body": b"Subject: x\r\n", "header and empty line": b"Subject: x\r\n\r\n",
        "only an empty line": b"\r\n",
        "no colon": b"no header at all\r\nin two lines\r\n",
        "no colon in the middle": BASE + b"no colon\r\nSubject: behind\r\n\r\ntext\r\n",
        "folded line first": b" folded\r\nSubject: x\r\n\r\ntext\r\n",
        "empty name": b": x\r\nSubject: y\r\n\r\ntext\r\n",
        "only names": b"Subject:\r\nFrom:\r\nTo:\r\nDate:\r\nMessage-ID:\r\n\r\ntext\r\n",
        "name with spaces": b"Two Words: x\r\nSubject: y\r\n\r\ntext\r\n",
        "mbox line first": b"From joe@example.org Mon Nov  2 10:00:00 2026\r\nSubject: x\r\n\r\ntext\r\n",
        "quoted mbox line first": b">From joe@example.org Mon Nov  2 10:00:00 2026\r\nSubject: x\r\n\r\ntext\r\n",
        "8-bit name": b"S\xfcbject: x\r\nSubject: y\r\n\r\ntext\r\n",
        "control in name": b"Sub\x01ject: x\r\nSubject: y\r\n\r\ntext\r\n",
        "two subjects": b"Subject: one\r\nSubject: two\r\n\r\ntext\r\n",
        "two message-ids": b"Message-ID: <1@x>\r\nMessage-ID: <2@x>\r\n\r\ntext\r\n",
        "two in-reply-to": b"In-Reply-To: <1@x>\r\nIn-Reply-To: <2@x>\r\n\r\ntext\r\n",
        "long field": b"X-Long: " + b"z" * 60000 + b"\r\nSubject: x\r\n\r\ntext\r\n",
        "long folded field": b"To: " + b",\r\n ".join(b"u%d@example.org" % n for n in range(1500))
        + b"\r\nSubject: x\r\n\r\ntext\r\n",
        "long name": b"X" * 900 + b": y\r\nSubject: x\r\n\r\ntext\r\n",
        "many fields": b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(2000)) + b"\r\ntext\r\n",
        "blank line of spaces": b"Subject: x\r\n  \r\nFrom: behind@example.org\r\n\r\ntext\r\n",
        "tab line": b"Subject: x\r\n\t\r\n\r\ntext\r\n",
        "folded at every word": b"Subject: a\r\n b\r\n c\r\n d\r\n\r\ntext\r\n",
        "message-id of words": b"Message-ID: not an id\r\n\r\ntext\r\n",
        "message-id with comment": b"Message-ID: (c) <1@x> (d)\r\n\r\ntext\r\n",
        "in-reply-to folded": b"In-Reply-To: <1@x>\r\n <2@x>\r\n\r\ntext\r\n",
        "8-bit everywhere": "Subject: ü\r\nFrom: ü <ü@ü>\r\n"
                            "Message-ID: <ü@x>\r\nIn-Reply-To: <ü@x>\r\nDate: ü\r\n\r\nü\r\n".encode("latin-1"),
        "quotes and backslashes": b'Subject: "\\\r\nMessage-ID: <"\\"@x>\r\nIn-Reply-To: "\\\r\n\r\ntext\r\n',
        "empty body lines": b"Subject: x\r\n\r\n\r\n\r\n",
        "long body line": b"Subject: x\r\n\r\n" + b"y" * 100000 + b"\r\n",
        "no line end at the end": b"Subject: x\r\n\r\ntext", "header without line end": b"Subject: x",
        "controls in the body": b"Subject: x\r\n\r\n\x01\x02\x7f\x1b\r\n",
    }
    yield from cases.items()


def _charsets() -> Iterator[tuple[str, bytes]]:
    text = "Grüße aus Köln"
    for charset, octets in (("utf-8", text.encode()), ("iso-8859-1", text.encode("latin-1")),
                            ("windows-1252", text.encode("cp1252")),
                            ("us-ascii", text.encode()), ("x-unknown", text.encode("latin-1")),
                            ("utf-7", text.encode("utf-7")),
                            ("utf-8", text.encode("latin-1")), ("", text.encode()),
                            ("iso-2022-jp", "日本語".encode("iso-2022-jp")),
                            ("shift_jis", "日本語".encode("shift_jis")), ("gb18030", "中文".encode("gb18030")),
                            ("big5", "中文".encode("big5")),
                            ("koi8-r", "Привет".encode("koi8-r")), ("euc-kr", "한국".encode("euc-kr")),
                            ("utf-16", text.encode("utf-16-le")[:0] + b"abc")):
        for kind in ("plain", "html"):
            parameter = f"; charset={charset}" if charset else ""
            field = f"Content-Type: text/{kind}{parameter}\r\nContent-Transfer-Encoding: 8bit\r\n".encode()
            body = octets if kind == "plain" else b"<p>" + octets.replace(b" ", b"&nbsp;") + b"</p>"
            yield f"{charset or 'none'} {kind} {octets[:6].hex()}", _text(
                BASE + b"Subject: charset\r\nMIME-Version: 1.0\r\n" + field, body + b"\r\n")
