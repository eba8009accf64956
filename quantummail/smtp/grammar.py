"""The command lines of SMTP and LMTP: text in, values out, or a `Refusal` that knows its reply."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from quantummail.message.address import Address, parse_path
from quantummail.message.envelope import Recipient, Sender
from quantummail.smtp.reply import Refusal

# RFC 5321 4.5.3.1.4: 512 octets and what the extensions add; long paths and ORCPT need more
MAX_COMMAND_LINE = 4096
# RFC 4954 4
MAX_AUTH_LINE = 12288
# RFC 5321 4.5.3.1.2
MAX_HELO = 255
# RFC 3461 4.4 and 4.2
MAX_ENVID = 100
MAX_ORCPT = 500

_control = re.compile(r"[\x00-\x1f\x7f]")
# What a name in EHLO may consist of so that Received can carry it: Domain or address-literal, RFC 5321 4.1.2,
# and the underscore of many Windows machines
_not_in_helo = re.compile(r"[^A-Za-z0-9._:\[\]-]")

# RFC 5321 4.1.2:
#   esmtp-param    = esmtp-keyword ["=" esmtp-value]
#   esmtp-keyword  = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
#   esmtp-value    = 1*(%d33-60 / %d62-126)
# RFC 6531 3.3 adds UTF8-non-ascii. We take "=" within values too: base64 in AUTH= and ENVID= is seen in the wild.
_parameter = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*+)(?:=([^\x00-\x20\x7f]++))?")
# RFC 1870 4: size-value ::= 1*20DIGIT
_size_value = re.compile(r"[0-9]{1,20}")
# RFC 3030 2: bdat-cmd ::= "BDAT" SP chunk-size [ SP end-marker ] CR LF;  chunk-size ::= 1*DIGIT
_bdat = re.compile(r"([0-9]{1,20})(?: +(LAST))?", re.IGNORECASE)
# RFC 4954 4: "AUTH" SP mechanism [SP initial-response];  RFC 4422 3.1: sasl-mech = 1*20mech-char
_auth = re.compile(r"([A-Za-z0-9_-]{1,20})(?: +([A-Za-z0-9+/]*+={0,2}))?")
# RFC 3461 4:  xtext = *( xchar / hexchar );  hexchar = ASCII "+" followed by two upper case hexadecimal digits
# two classes, not one with {2}: message/address.py says why
_xtext = re.compile(r"(?:[!-*,-<>-~\x80-\U0010ffff]|\+[0-9A-Fa-f][0-9A-Fa-f])*+")
_hexchar = re.compile(r"\+([0-9A-Fa-f]{2})")
# RFC 6533 3: EmbeddedUnicodeChar = "\x{" HEXPOINT "}"
_embedded_unicode = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
# RFC 3461 4.2: original-recipient-address = addr-type ";" xtext;  addr-type = atom
_orcpt = re.compile(r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++);(.*+)")


@dataclass(frozen=True, slots=True)
class Chunk:
    """BDAT: so many octets follow the line."""

    octets: int
    last: bool


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH: the mechanism in upper case, and the initial response in base64 (``=`` is an empty one)."""

    mechanism: str
    initial: str | None


def split(line: bytes) -> tuple[str, str]:
    """A command line with its end -> the verb in upper case and its argument, without blanks around it."""
    try:
        # RFC 5321 4.1.1: tolerate trailing white space. RFC 6531 3.3: the rest is UTF-8
        text = str(line, "utf-8").rstrip(" \t\r\n")
    except UnicodeDecodeError:
        raise Refusal(500, "5.5.2", "The command line is not UTF-8") from None
    if not text.isprintable() and _control.search(text):
        raise Refusal(500, "5.5.2", "Control characters in the command line")
    verb, _, argument = text.partition(" ")
    if not verb:
        raise Refusal(500, "5.5.2", "Empty command line")
    return verb.upper(), argument.lstrip(" ")


def hello(verb: str, argument: str) -> str:
    """The name in HELO, EHLO, LHLO. Whatever clients call themselves is taken, made fit for a header field."""
    # RFC 5321 4.1.1.1: ehlo = "EHLO" SP ( Domain / address-literal ) CRLF
    if not argument:
        raise Refusal(501, "5.5.4", f"Syntax: {verb} hostname")
    return _not_in_helo.sub("?", argument[:MAX_HELO])


def mail(argument: str) -> Sender:
    """MAIL FROM:<reverse-path> [parameters] (RFC 5321 4.1.1.2)."""
    address, rest = _path(argument, "FROM:", "MAIL FROM:<address>", "5.1.7", "sender")
    if address is not None and not address.domain:
        raise Refusal(501, "5.1.7", "Bad sender address: a domain is wanted")
    sender = Sender(address, **_parameters(rest, _MAIL_PARAMETERS)) if rest else Sender(address)  # type: ignore[arg-type]  # each reader of a parameter gives what its field takes
    if not sender.smtputf8 and not argument.isascii():
        raise _needs_smtputf8("sender")
    return sender


def rcpt(argument: str, *, smtputf8: bool) -> Recipient:
    """RCPT TO:<forward-path> [parameters] (RFC 5321 4.1.1.3); `smtputf8` as it was given with MAIL."""
    address, rest = _path(argument, "TO:", "RCPT TO:<address>", "5.1.3", "recipient")
    if address is None:
        raise Refusal(501, "5.1.3", "Bad recipient address: it is empty")
    if not smtputf8 and not argument.isascii():
        raise _needs_smtputf8("recipient")
    if not rest:
        return Recipient(address)
    return Recipient(address, **_parameters(rest, _RCPT_PARAMETERS))  # type: ignore[arg-type]  # as in mail()


def bdat(argument: str) -> Chunk:
    """BDAT octets [LAST] (RFC 3030 2)."""
    match = _bdat.fullmatch(argument)
    if match is None:
        raise Refusal(501, "5.5.4", "Syntax: BDAT octets [LAST]")
    return Chunk(int(match[1]), match[2] is not None)


def auth(argument: str) -> Auth:
    """AUTH mechanism [initial-response] (RFC 4954 4)."""
    match = _auth.fullmatch(argument)
    if match is None:
        raise Refusal(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
    return Auth(match[1].upper(), match[2])


def sasl_octets(text: str) -> bytes:
    """A response of an AUTH exchange, decoded from base64; ``=`` is empty."""
    if text == "=":  # RFC 4954 4: an initial response that is there and empty
        return b""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise Refusal(501, "5.5.2", "Not base64") from None


def no_argument(verb: str, argument: str) -> None:
    """Refuse an argument where none belongs (RFC 5321 4.1.1)."""
    if argument:
        raise Refusal(501, "5.5.4", f"Syntax: {verb}, without argument")


def _needs_smtputf8(whose: str) -> Refusal:
    # RFC 6531 3.4, 3.5
    return Refusal(553, "5.6.7", f"The {whose} is not ASCII, and MAIL was given without SMTPUTF8")


def _path(argument: str, prefix: str, syntax: str, status: str, whose: str) -> tuple[Address | None, str]:
    if argument[: len(prefix)].upper() != prefix:
        raise Refusal(501, "5.5.4", f"Syntax: {syntax}")
    # RFC 5321 3.3 forbids blanks behind the colon; old clients send them, and they harm nobody
    path = argument[len(prefix):].lstrip(" ")
    if path[:1] != "<":
        raise Refusal(501, "5.5.4", f"Syntax: {syntax}, the address in angle brackets")
    try:
        address, rest = parse_path(path)
    except ValueError as error:
        raise Refusal(501, status, f"Bad {whose} address: {error}") from None
    if rest and rest[0] != " ":
        raise Refusal(501, "5.5.4", f"Syntax: {syntax}, then a blank before each parameter")
    return address, rest


# Parameters. Each reader takes the value (None: there was no "=") and gives what the field of the envelope holds.

_Readers = Mapping[str, tuple[str, Callable[[str | None], object]]]


def _parameters(rest: str, readers: _Readers) -> dict[str, object]:
    fields: dict[str, object] = {}
    seen = set()
    for word in rest.split(" "):
        if not word:
            continue
        match = _parameter.fullmatch(word)
        if match is None:
            raise Refusal(501, "5.5.4", "Syntax: parameters are written KEYWORD=value")
        keyword = match[1].upper()
        if keyword not in readers:
            # RFC 5321 4.1.1.11
            raise Refusal(555, "5.5.4", f"Parameter {keyword[:40]} is not recognized")
        if keyword in seen:
            raise Refusal(501, "5.5.4", f"Parameter {keyword} is given twice")
        seen.add(keyword)
        field, read = readers[keyword]
        fields[field] = read(match[2])
    fields.pop("", None)
    return fields


def _size(value: str | None) -> int:
    if value is None or not _size_value.fullmatch(value):
        raise Refusal(501, "5.5.4", "Syntax: SIZE=octets")
    return int(value)


def _body(value: str | None) -> str:
    # RFC 6152 2, RFC 3030 3
    body = (value or "").upper()
    if body not in ("7BIT", "8BITMIME", "BINARYMIME"):
        raise Refusal(501, "5.5.4", "Syntax: BODY=7BIT, BODY=8BITMIME or BODY=BINARYMIME")
    return body


def _smtputf8(value: str | None) -> bool:
    if value is not None:  # RFC 6531 3.4
        raise Refusal(501, "5.5.4", "Syntax: SMTPUTF8, without value")
    return True


def _requiretls(value: str | None) -> bool:
    if value is not None:  # RFC 8689 2
        raise Refusal(501, "5.5.4", "Syntax: REQUIRETLS, without value")
    return True


def _ret(value: str | None) -> str:
    # RFC 3461 4.3
    ret = (value or "").upper()
    if ret not in ("FULL", "HDRS"):
        raise Refusal(501, "5.5.4", "Syntax: RET=FULL or RET=HDRS")
    return ret


def _envid(value: str | None) -> str:
    # RFC 3461 4.4: at most 100 characters of xtext that stand for printable ones
    if value is None or len(value) > MAX_ENVID:
        raise Refusal(501, "5.5.4", f"Syntax: ENVID=xtext, at most {MAX_ENVID} characters")
    return _from_xtext(value, "ENVID")


def _auth_parameter(value: str | None) -> None:
    # RFC 4954 5: AUTH=<> or an xtext-encoded mailbox. Whom we trust we know ourselves: it is checked and left
    if value is None or (value != "<>" and not _xtext.fullmatch(value.replace("=", ""))):
        raise Refusal(501, "5.5.4", "Syntax: AUTH=xtext")


def _notify(value: str | None) -> frozenset[str]:
    # RFC 3461 4.1: NEVER stands alone
    wanted = frozenset((value or "").upper().split(","))
    if not wanted <= {"SUCCESS", "FAILURE", "DELAY"} and wanted != {"NEVER"}:
        raise Refusal(501, "5.5.4", "Syntax: NOTIFY=NEVER, or some of SUCCESS,FAILURE,DELAY")
    return wanted


def _orcpt_parameter(value: str | None) -> str:
    match = _orcpt.fullmatch(value or "")
    if match is None or len(value or "") > MAX_ORCPT:
        raise Refusal(501, "5.5.4", f"Syntax: ORCPT=type;xtext, at most {MAX_ORCPT} characters")
    kind = match[1].lower()
    address = _from_xtext(match[2], "ORCPT")
    if kind == "utf-8":
        address = _embedded_unicode.sub(_character, address)
        _require_printable(address, "ORCPT")
    return f"{kind};{address}"


def _character(match: re.Match[str]) -> str:
    point = int(match[1], 16)
    if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
        raise Refusal(501, "5.5.4", "ORCPT names a character that does not exist")
    return chr(point)


def _from_xtext(value: str, keyword: str) -> str:
    if not _xtext.fullmatch(value):
        raise Refusal(501, "5.5.4", f"{keyword} is not xtext")
    text = _hexchar.sub(lambda match: chr(int(match[1], 16)), value)
    _require_printable(text, keyword)
    return text


def _require_printable(text: str, keyword: str) -> None:
    # These texts end in the header fields of reports
    if not text.isprintable():
        raise Refusal(501, "5.5.4", f"{keyword} stands for characters that cannot be printed")


_MAIL_PARAMETERS: _Readers = {
    "SIZE": ("size", _size), "BODY": ("body", _body), "SMTPUTF8": ("smtputf8", _smtputf8),
    "RET": ("ret", _ret), "ENVID": ("envid", _envid), "AUTH": ("", _auth_parameter),
    "REQUIRETLS": ("require_tls", _requiretls),
}
_RCPT_PARAMETERS: _Readers = {"NOTIFY": ("notify", _notify), "ORCPT": ("orcpt", _orcpt_parameter)}
