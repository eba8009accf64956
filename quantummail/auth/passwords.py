"""Passwords: hashes in Dovecot's ``{SCHEME}hash`` syntax, rules for new ones, and good ones made up."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Callable

from passlib.context import CryptContext

MIN_LENGTH = 8
MAX_LENGTH = 1024
BCRYPT_OCTETS = 72

# What people find in manuals and scripts and leave there
PLACEHOLDERS = frozenset({
    "12345678", "123456789", "1234567890", "11111111", "00000000", "abcd1234", "abc12345", "admin123",
    "admin1234", "administrator", "changeit", "changeme", "change-me", "change_me", "changeme123",
    "default1", "iloveyou", "letmein1", "mailserver", "pass1234", "passw0rd", "password", "password1",
    "password12", "password123", "password1234", "postmaster", "qwerty12", "qwerty123", "qwertyui",
    "qwertyuiop", "secret123", "secretsecret", "test1234", "testtest", "user1234", "welcome1",
    "welcome123", "yourpassword", "your-password", "xxxxxxxx",
})

# Crockford's base 32: 5 bits a character, none mistaken for another
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

_TAGGED = re.compile(r"\{([A-Z0-9.-]{1,24})\}(.+)", re.DOTALL)
_CRYPT = ("ARGON2ID", "ARGON2I", "BLF-CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "CRYPT")
_PREFIXES = {
    "ARGON2ID": ("$argon2id$",), "ARGON2I": ("$argon2i$",), "BLF-CRYPT": ("$2a$", "$2b$", "$2y$"),
    "SHA512-CRYPT": ("$6$",), "SHA256-CRYPT": ("$5$",),
    "CRYPT": ("$argon2id$", "$argon2i$", "$2a$", "$2b$", "$2y$", "$6$", "$5$"),
}
_SALTED = {"SSHA": "sha1", "SSHA256": "sha256", "SSHA512": "sha512"}


class PasswordRefused(ValueError):
    """A new password is too weak. The text says what is wanted."""


class Passwords:
    """Makes and checks hashes. Slow on purpose (16 ms): call it in `quantummail.auth.hashing.Hashing`.

    New hashes are argon2id with t=2, m=19 MiB, p=1. Dovecot's ``{ARGON2ID} {ARGON2I} {BLF-CRYPT}
    {SHA512-CRYPT} {SHA256-CRYPT} {CRYPT} {SSHA512} {SSHA256} {SSHA} {PBKDF2} {PLAIN}`` are accepted, and
    replaced at login.
    """

    def __init__(self, *, time_cost: int = 2, memory_cost: int = 19 * 1024) -> None:
        self._context = CryptContext(
            schemes=["argon2", "bcrypt", "sha512_crypt", "sha256_crypt",
                     "ldap_salted_sha512", "ldap_salted_sha256", "ldap_salted_sha1"],
            default="argon2", deprecated=["auto"], argon2__type="ID",
            argon2__time_cost=time_cost, argon2__memory_cost=memory_cost, argon2__parallelism=1,
        )
        # An account that nobody has: its check costs what a real one costs
        self._nobody = self._context.hash(secrets.token_urlsafe(16))

    def hash(self, password: str) -> str:
        """A hash of a new password, fit for the store and for Dovecot."""
        return "{ARGON2ID}" + str(self._context.hash(_prepared(password)))

    def verify(self, password: str, stored: str) -> tuple[bool, str | None]:
        """Whether the password fits, and a better hash to store in place of this one when there is one.

        Takes the time of our own scheme at least, also when `stored` cannot be read.
        """
        text = _prepared(password)
        # No password has NUL, and HMAC (in PBKDF2) does not see it at the end
        scheme, value = _scheme(stored) if "\0" not in password else ("", "")
        if scheme in ("ARGON2ID", "CRYPT") and value.startswith("$argon2id$"):
            right, outdated = self._crypt(text, value)
        else:
            right, outdated = self._foreign(text, scheme, value)
            if not right:
                # A wrong guess at an imported hash must not be told by its speed from one at no account
                self.dummy(password)
        if not right or not outdated:
            return right, None
        return True, self.hash(password)

    def dummy(self, password: str) -> None:
        """Take the time of a check."""
        self._crypt(_prepared(password), self._nobody)

    def accepts(self, stored: str) -> bool:
        """Whether this is a hash that `verify` can read: to be asked before one is imported."""
        scheme, value = _scheme(stored)
        if scheme == "PLAIN":
            return bool(value)
        if scheme == "PBKDF2":
            return _PBKDF2.fullmatch(value) is not None
        text = stored if scheme in _SALTED else value
        name = self._context.identify(text) if scheme else None
        if name is None:
            return False
        try:
            return self._context.handler(name).from_string(text).checksum is not None
        except (ValueError, TypeError):
            return False

    def _foreign(self, password: str, scheme: str, value: str) -> tuple[bool, bool]:
        own: Callable[[str, str], bool] | None = {"PLAIN": _same, "PBKDF2": _pbkdf2}.get(scheme)
        if own is not None:
            return own(password, value), True
        if scheme in _SALTED:
            value = f"{{{scheme}}}{value}"
        elif scheme not in _CRYPT:
            return False, False
        right, _ = self._crypt(password, value)
        return right, True

    def _crypt(self, password: str, value: str) -> tuple[bool, bool]:
        secret: str | bytes = password
        if value.startswith("$2"):
            # crypt(3) looks at 72 octets; the library refuses more
            secret = password.encode()[:BCRYPT_OCTETS]
        try:
            right = bool(self._context.verify(secret, value))
        except (ValueError, TypeError):  # unreadable hash, or a password that its scheme cannot have (NUL)
            return False, False
        return right, right and bool(self._context.needs_update(value))


def check_new(password: str, address: str = "") -> None:
    """Raise `PasswordRefused` unless the password may be set for this account."""
    if len(password) < MIN_LENGTH:
        raise PasswordRefused(f"a password needs at least {MIN_LENGTH} characters")
    if len(password.encode("utf-8", "replace")) > MAX_LENGTH:
        raise PasswordRefused(f"a password has at most {MAX_LENGTH} octets")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        raise PasswordRefused("a password has no control characters")
    lowered = password.lower().strip()
    if is_placeholder(password):
        raise PasswordRefused("this password is in every list of guesses")
    if address and lowered in (address.lower(), address.lower().rpartition("@")[0]):
        raise PasswordRefused("a password must not be the address")
    if len(set(lowered)) < 3:
        raise PasswordRefused("a password needs more than two different characters")


def is_placeholder(secret: str) -> bool:
    """Whether this is a value that stands in manuals for a secret to come."""
    return secret.strip().lower() in PLACEHOLDERS


def generate() -> str:
    """A new password of 80 random bits: four groups of four letters and digits."""
    letters = [secrets.choice(_ALPHABET) for _ in range(16)]
    return "-".join("".join(letters[start : start + 4]) for start in range(0, 16, 4))


def _prepared(password: str) -> str:
    # RFC 8265 4.2: a password is compared in normal form C, however the keyboard composed it
    return password if password.isascii() else unicodedata.normalize("NFC", password)


def _scheme(stored: str) -> tuple[str, str]:
    """Name and value of a hash; ("", "") when it is in no scheme we know."""
    tagged = _TAGGED.fullmatch(stored)
    if tagged is None:
        scheme, value = "CRYPT", stored
    else:
        scheme, value = tagged[1], tagged[2]
    if scheme in _CRYPT:
        return (scheme, value) if value.startswith(_PREFIXES[scheme]) else ("", "")
    return (scheme, value) if scheme in ("PLAIN", "PBKDF2") or scheme in _SALTED else ("", "")


def _same(password: str, value: str) -> bool:
    return hmac.compare_digest(password.encode(), value.encode())


# Dovecot's own form: $1$salt$rounds$hex, PBKDF2 with HMAC-SHA-1
_PBKDF2 = re.compile(r"\$1\$([^$]{1,64})\$([0-9]{1,7})\$([0-9a-f]{40})")


def _pbkdf2(password: str, value: str) -> bool:
    found = _PBKDF2.fullmatch(value)
    if found is None or int(found[2]) == 0:
        return False
    digest = hashlib.pbkdf2_hmac("sha1", password.encode(), found[1].encode(), int(found[2]))
    return hmac.compare_digest(digest.hex(), found[3])
