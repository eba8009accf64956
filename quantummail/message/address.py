"""An address as SMTP knows it, strictly parsed. Every decision about mail uses this parser."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

# RFC 5321 4.5.3.1.1 allows 64 octets, but variable envelope senders of large services are longer, and the
# same section asks for no limits where that is possible. 4.5.3.1.2: 255 octets of domain.
MAX_LOCAL_PART = 255
MAX_DOMAIN = 255

# RFC 5322 3.2.3, RFC 6532 3.2:  atext =/ UTF8-non-ascii
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\x80-\U0010ffff]"
# RFC 5321 4.1.2:  Dot-string = Atom *("."  Atom)
# Python before 3.11.5 forgets to go back when a repeated group with a quantifier of its own fails half-way
# (gh-106052): "a." matched. So what is repeated possessively here fails before its quantifier, or not at all.
_DOT_STRING = rf"{_ATEXT}++(?:\.{_ATEXT}{_ATEXT}*+)*+"
# RFC 5321 4.1.2, RFC 6531 3.3:
#   Quoted-string  = DQUOTE *QcontentSMTP DQUOTE
#   QcontentSMTP   = <qtextSMTP> / <quoted-pairSMTP>
#   quoted-pairSMTP  = %d92 %d32-126
#   qtextSMTP      = %d32-33 / %d35-91 / %d93-126 / UTF8-non-ascii
_QUOTED_STRING = r'"(?:[ !#-\[\]-~\x80-\U0010ffff]|\\[ -~])*+"'
# RFC 5321 4.1.2, RFC 6531 3.3 (we take the underscore too: hosts named so send mail, and DNS finds them):
#   Domain         = sub-domain *("." sub-domain)
#   sub-domain     = Let-dig [Ldh-str] / U-label
#   Ldh-str        = *( ALPHA / DIGIT / "-" ) Let-dig
_SUB_DOMAIN = r"(?!-)[A-Za-z0-9_\-\x80-\U0010ffff]{1,63}+(?<!-)"
_DOMAIN = rf"{_SUB_DOMAIN}(?:\.{_SUB_DOMAIN}){{0,126}}"
# RFC 5321 4.1.3:
#   address-literal  = "[" ( IPv4-address-literal / IPv6-address-literal / General-address-literal ) "]"
# No tag but IPv6 was ever registered for General-address-literal, so there is none that we could deliver to.
_ADDRESS_LITERAL = r"\[(?:[Ii][Pp][Vv]6:[0-9A-Fa-f:.]{2,45}+|[0-9.]{7,15}+)\]"

# RFC 5321 4.1.2:  Mailbox = Local-part "@" ( Domain / address-literal )
_MAILBOX = (
    rf"(?:(?P<dots>{_DOT_STRING})|(?P<quoted>{_QUOTED_STRING}))"
    rf"@(?:(?P<domain>{_DOMAIN})|(?P<literal>{_ADDRESS_LITERAL}))"
)
# RFC 5321 4.1.2:
#   Path           = "<" [ A-d-l ":" ] Mailbox ">"
#   A-d-l          = At-domain *( "," At-domain )
#   Forward-path of RCPT: "<Postmaster>" without a domain; Reverse-path of MAIL: "<>"
_AT_DOMAIN = rf"@(?:{_DOMAIN}|{_ADDRESS_LITERAL})"
_mailbox = re.compile(_MAILBOX)
_path = re.compile(
    rf"<(?:(?:{_AT_DOMAIN}(?:,{_AT_DOMAIN})*:)?{_MAILBOX}|"
    r"(?P<postmaster>[Pp][Oo][Ss][Tt][Mm][Aa][Ss][Tt][Ee][Rr])|)>"
)
_dot_string = re.compile(_DOT_STRING)
_quoted_pair = re.compile(r"\\(.)")
_to_be_quoted = re.compile(r'[\\"]')

# IDNA 2003 took these for dots (RFC 3490 3.1); whoever still does would read another domain than we do
_FOREIGN_DOTS = frozenset("\u3002\uff0e\uff61\u2024\ufe52")
# Letters of several scripts need the joiners (RFC 5892 A.1, A.2); everything else unprintable is refused
_JOINERS = str.maketrans("", "", "\u200c\u200d")


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox. `local_part` has no quotes; `domain` is lower case, empty only for bare ``<postmaster>``.

    An address literal is kept as the domain ``[192.0.2.1]`` or ``[IPv6:2001:db8::1]``. ``%``, ``!`` and ``@``
    in a local part mean nothing to us. No address can be made that holds a control character: ValueError.
    """

    local_part: str
    domain: str

    def __post_init__(self) -> None:
        if not (self.local_part.isprintable() and self.domain.isprintable()):
            _require_printable(self.local_part)
            _require_printable(self.domain)

    def __str__(self) -> str:
        local_part = self.local_part
        if not _dot_string.fullmatch(local_part):
            local_part = '"' + _to_be_quoted.sub(r"\\\g<0>", local_part) + '"'
        return f"{local_part}@{self.domain}" if self.domain else local_part

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `text` as a Mailbox (RFC 5321 4.1.2, RFC 6531 3.3); ValueError says what is wrong."""
        match = _mailbox.fullmatch(text)
        if match is None:
            raise ValueError(_complaint(text))
        return _from_match(match)


@lru_cache(1024)
def parse_path(text: str) -> tuple[Address | None, str]:
    """Read the path ``<...>`` that `text` begins with; what follows it comes second. ``<>`` gives None.

    A source route is dropped (RFC 5321 4.1.1.3, Appendix C). ValueError says what is wrong.
    """
    match = _path.match(text)
    if match is None:
        raise ValueError("a path in angle brackets is wanted" if text[:1] != "<" else _complaint(text[1:]))
    rest = text[match.end():]
    if match["postmaster"]:
        # RFC 5321 4.1.1.3: the only address without a domain
        return Address("postmaster", ""), rest
    if match["domain"] is None and match["literal"] is None:
        return None, rest
    return _from_match(match), rest


def _from_match(match: re.Match[str]) -> Address:
    local_part, quoted, domain, literal = match.group("dots", "quoted", "domain", "literal")
    if local_part is None:
        # RFC 5321 4.1.2: the quotes are no part of the name, "alice"@example.org is alice@example.org
        local_part = _quoted_pair.sub(r"\1", quoted[1:-1])
    if domain is not None:
        domain = domain.lower()
        if not domain.isascii():
            domain = _u_label_domain(domain)
    else:
        domain = _address_literal(literal)
    if len(local_part) > MAX_LOCAL_PART // 4 and len(local_part.encode("utf-8", "replace")) > MAX_LOCAL_PART:
        raise ValueError(f"the local part is longer than {MAX_LOCAL_PART} octets")
    if len(domain) > MAX_DOMAIN // 4 and len(domain.encode("utf-8", "replace")) > MAX_DOMAIN:
        raise ValueError(f"the domain is longer than {MAX_DOMAIN} octets")
    return Address(local_part, domain)


def _u_label_domain(domain: str) -> str:
    # RFC 5890 2.3.2.1: a U-label is in NFC
    domain = unicodedata.normalize("NFC", domain)
    if not _FOREIGN_DOTS.isdisjoint(domain):
        raise ValueError("the domain contains a character that looks like a dot and is none")
    return domain


def _address_literal(literal: str) -> str:
    inner = literal[1:-1]
    try:
        if inner[:5].lower() == "ipv6:":
            return f"[IPv6:{IPv6Address(inner[5:])}]"
        return f"[{IPv4Address(inner)}]"
    except ValueError:
        raise ValueError(f"{literal} is not the literal of an IP address") from None


def _require_printable(text: str) -> None:
    for character in text.translate(_JOINERS):
        if not character.isprintable():
            raise ValueError(f"an address cannot contain the character U+{ord(character):04X}")


def _complaint(text: str) -> str:
    if not text.translate(_JOINERS).isprintable():
        return "an address cannot contain control characters"
    if "@" not in text:
        return "an address is written local-part@domain"
    shown = text if len(text) <= 80 else text[:77] + "..."
    return f"{shown!r} is not an address of the form local-part@domain"
