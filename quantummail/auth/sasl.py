"""What all SASL mechanisms share, and the messages of the simple ones: their text, without users and transport.

PLAIN (RFC 4616), EXTERNAL (RFC 4422), OAUTHBEARER (RFC 7628), XOAUTH2. Whatever a peer sends ends in a value or a
`SaslError`. What is done with the values is in `quantummail.auth.exchanges`.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

# RFC 4954 4: lines of an exchange, the end of the line included
MAX_LINE = 12288
MAX_FIELD = 1024


class SaslError(ValueError):
    """The exchange cannot go on. The text is fit for the client; the login has failed."""


class SaslCancelled(SaslError):
    """The client sent ``*``: it does not want to go on."""


class SaslNotAuthorized(SaslError):
    """The client asked to act for somebody else."""


@dataclass(frozen=True, slots=True)
class Login:
    """A name and a password."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Login(username={self.username!r})"


@dataclass(frozen=True, slots=True)
class Bearer:
    """A name, which may be empty, and a token of OAuth 2."""

    username: str
    token: str

    def __repr__(self) -> str:
        return f"Bearer(username={self.username!r})"


def plain(response: bytes) -> Login:
    """RFC 4616 2: ``[authzid] NUL authcid NUL passwd``."""
    fields = response.split(b"\0")
    if len(fields) != 3:
        raise SaslError("PLAIN takes three fields")
    authzid, username, password = (text(field) for field in fields)
    if not username or not password:
        raise SaslError("user name and password must not be empty")
    # RFC 4616 2: acting as another user is for the server to allow; we never do
    if authzid and authzid.lower() != username.lower():
        raise SaslNotAuthorized("acting as another user is not allowed")
    return Login(username, password)


def one_field(response: bytes) -> str:
    """A message that is one name or password, as LOGIN has them."""
    field = text(response)
    if not field or "\0" in field:
        raise SaslError("user name and password must not be empty")
    return field


# RFC 7628 3.1: gs2-header kvsep *kvpair kvsep; channel binding is not possible with a token that is no proof
_GS2 = re.compile(r"[ny],(?:a=([^,\x00\x01]*))?,")
# RFC 6750 2.1: b64token
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)


def oauthbearer(response: bytes) -> Bearer:
    """RFC 7628 3.1: ``n,a=user,^Ahost=...^Aport=...^Aauth=Bearer token^A^A``."""
    header, *pairs = _separated(response)
    found = _GS2.fullmatch(header)
    if found is None:
        raise SaslError("OAUTHBEARER begins with a header of GS2")
    # RFC 5801 4: a saslname
    username = (found[1] or "").replace("=2C", ",").replace("=3D", "=")
    return Bearer(username, _token(pairs))


def xoauth2(response: bytes) -> Bearer:
    """Google's form: ``user=name^Aauth=Bearer token^A^A``."""
    header, *pairs = _separated(response)
    name, equals, username = header.partition("=")
    if name != "user" or not equals or not username:
        raise SaslError("XOAUTH2 begins with the user")
    return Bearer(username, _token(pairs))


def _separated(response: bytes) -> list[str]:
    if len(response) > MAX_LINE:
        raise SaslError("message too long")
    if not response.endswith(b"\1\1"):
        raise SaslError("the message must end with two separators")
    try:
        return response[:-2].decode("utf-8").split("\1")
    except UnicodeDecodeError:
        raise SaslError("messages must be UTF-8") from None


def _token(pairs: list[str]) -> str:
    values = [pair.partition("=")[2] for pair in pairs if pair.partition("=")[0].lower() == "auth"]
    found = _BEARER.fullmatch(values[0]) if len(values) == 1 else None
    if found is None:
        raise SaslError("one bearer token expected")
    return found[1]


def decode(line: bytes) -> bytes:
    """The octets of a response line, with or without its end. ``*`` raises `SaslCancelled`, ``=`` is empty.

    Strict: only the base64 alphabet, right padding, at most `MAX_LINE` octets.
    """
    if len(line) > MAX_LINE:
        raise SaslError("response too long")
    encoded = line.rstrip(b"\r\n")
    if encoded == b"*":  # RFC 4954 4, RFC 3501 6.2.2, RFC 5034 4
        raise SaslCancelled("authentication cancelled")
    if encoded == b"=":  # RFC 4954 4: an initial response that is present and empty
        return b""
    try:
        return binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error:
        raise SaslError("not base64") from None


def encode(challenge: bytes) -> bytes:
    """A challenge in base64, without prefix and line end."""
    return binascii.b2a_base64(challenge, newline=False)


def text(field: bytes) -> str:
    """A name or password."""
    if len(field) > MAX_FIELD:
        raise SaslError("user name or password too long")
    try:
        return field.decode("utf-8")
    except UnicodeDecodeError:
        raise SaslError("user name and password must be UTF-8") from None
