"""Hashes, rules for new passwords, and generated ones."""

from __future__ import annotations

import re

from passlib.context import CryptContext
from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth import passwords
from quantummail.auth.passwords import PasswordRefused, Passwords, check_new, generate, is_placeholder
from tests.auth.accounts import PASSWORDS

# As Dovecot writes them, with few rounds
_OTHERS = CryptContext(["sha512_crypt", "sha256_crypt", "bcrypt", "ldap_salted_sha1", "ldap_salted_sha256",
                        "ldap_salted_sha512"], sha512_crypt__rounds=1000, sha256_crypt__rounds=1000,
                       bcrypt__rounds=4)


def other(scheme: str, password: str = "secret-x") -> str:
    """A hash in one of the library's other schemes."""
    return str(_OTHERS.handler(scheme).hash(password))


IMPORTED = {
    "SHA512-CRYPT": "{SHA512-CRYPT}" + other("sha512_crypt"),
    "SHA256-CRYPT": "{SHA256-CRYPT}" + other("sha256_crypt"),
    "BLF-CRYPT": "{BLF-CRYPT}" + other("bcrypt").replace("$2b$", "$2y$"),
    "CRYPT": "{CRYPT}" + other("sha512_crypt"),
    "untagged crypt": other("sha512_crypt"),
    "SSHA": other("ldap_salted_sha1"),
    "SSHA256": other("ldap_salted_sha256"),
    "SSHA512": other("ldap_salted_sha512"),
    "PBKDF2": "{PBKDF2}$1$saltsalt$1000$3682be7863243e3c70a5da718a6a43625fa59b95",
    "PLAIN": "{PLAIN}secret-x",
    "ARGON2ID, other costs": "{ARGON2ID}" + str(CryptContext(["argon2"], argon2__memory_cost=64,
                                                            argon2__time_cost=3).hash("secret-x")),
}


class HashTests(SynchronousTestCase):
    """Making and checking hashes."""

    def test_right(self) -> None:
        """A password fits its own hash, which is as good as it can be."""
        self.assertEqual(PASSWORDS.verify("secret-x", PASSWORDS.hash("secret-x")), (True, None))

    def test_wrong(self) -> None:
        """Another password does not fit."""
        self.assertEqual(PASSWORDS.verify("secret-y", PASSWORDS.hash("secret-x")), (False, None))

    def test_costs(self) -> None:
        """New hashes are argon2id with t=2, m=19 MiB, p=1, in Dovecot's syntax."""
        self.assertTrue(Passwords().hash("secret-x").startswith("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$"))

    def test_imported(self) -> None:
        """Each scheme of Dovecot's is verified, and replaced by ours."""
        for name, stored in IMPORTED.items():
            right, better = PASSWORDS.verify("secret-x", stored)
            self.assertTrue(right, name)
            self.assertEqual(PASSWORDS.verify("secret-x", better or ""), (True, None), name)

    def test_imported_wrong(self) -> None:
        """A wrong password fits none of them, and replaces nothing."""
        for name, stored in IMPORTED.items():
            self.assertEqual(PASSWORDS.verify("secret-y", stored), (False, None), name)

    def test_pbkdf2(self) -> None:
        """Dovecot's PBKDF2 is HMAC-SHA-1 with the salt as it is written (RFC 6070's vector, 4096 rounds)."""
        stored = "{PBKDF2}$1$salt$4096$4b007901b765489abead49d926f721d065a429c1"
        self.assertTrue(PASSWORDS.verify("password", stored)[0])

    def test_accepts(self) -> None:
        """All of them may be imported."""
        for name, stored in IMPORTED.items():
            self.assertTrue(PASSWORDS.accepts(stored), name)

    def test_not_accepted(self) -> None:
        """What could never be verified may not."""
        for stored in ("", "secret", "{PLAIN}", "{MD5}abc", "{CRYPT}rl8.SX4P9zDq6", "{SHA512-CRYPT}$5$a$b",
                       "{ARGON2ID}$argon2id$", "{SSHA}!", "{PBKDF2}$1$salt$0x10$00", "{CRYPT}$6$"):
            self.assertFalse(PASSWORDS.accepts(stored), stored)

    def test_unreadable(self) -> None:
        """A broken hash fits no password, and raises nothing."""
        for stored in ("", "secret", "{PLAIN}", "{MD5}abc", "{ARGON2ID}$argon2id$v=19$broken", "{SSHA}!",
                       "{BLF-CRYPT}$2y$99$x", "{PBKDF2}$1$salt$0$" + "0" * 40, "{SHA512-CRYPT}$6$rounds=x$y$z"):
            self.assertEqual(PASSWORDS.verify("secret-x", stored), (False, None), stored)

    def test_impossible_passwords(self) -> None:
        """Passwords with NUL, or beyond all lengths, fit no hash, and raise nothing."""
        for password in ("secret-x\0", "x" * 10_000, ""):
            for name, stored in IMPORTED.items():
                self.assertEqual(PASSWORDS.verify(password, stored), (False, None), name)

    def test_bcrypt_length(self) -> None:
        """bcrypt looks at 72 octets, as crypt(3) does; the rest is no error."""
        stored = "{BLF-CRYPT}" + other("bcrypt", "x" * 72)
        self.assertTrue(PASSWORDS.verify("x" * 80, stored)[0])

    def test_normal_form(self) -> None:
        """How a keyboard composes an accent makes no difference (RFC 8265)."""
        self.assertTrue(PASSWORDS.verify("ka\u0308se-brot", PASSWORDS.hash("k\u00e4se-brot"))[0])

    def test_spaces(self) -> None:
        """Blanks at the ends belong to the password."""
        self.assertFalse(PASSWORDS.verify("secret-x ", PASSWORDS.hash("secret-x"))[0])


class CountedPasswords(Passwords):
    """Counts argon2 calculations."""

    count = 0

    def _crypt(self, password: str, value: str) -> tuple[bool, bool]:
        self.count += value.startswith("$argon2id$")
        return super()._crypt(password, value)


class TimingTests(SynchronousTestCase):
    """A wrong guess costs one calculation of ours at least (faults.md P2)."""

    def test_all_alike(self) -> None:
        """Our hash, a fast foreign one, an unreadable one and no account: one argon2 each."""
        for stored in (PASSWORDS.hash("secret-x"), IMPORTED["SSHA"], IMPORTED["PLAIN"], "broken"):
            counted = CountedPasswords(time_cost=1, memory_cost=8)
            counted.verify("secret-y", stored)
            self.assertEqual(counted.count, 1, stored)
        counted = CountedPasswords(time_cost=1, memory_cost=8)
        counted.dummy("secret-y")
        self.assertEqual(counted.count, 1)


class NewPasswordTests(SynchronousTestCase):
    """Rules for passwords that are set."""

    def test_refused(self) -> None:
        """Short, known, simple, identical to the address, or with control characters: refused."""
        for password in ("", "short", "changeme", "ChangeMe", "admin123", "password", "alice.miller@example.test",
                         "Alice.Miller", "aaaaaaaaaa", "abababab", "secret\nsecret", "secret\0secret", "abc" * 342):
            with self.assertRaises(PasswordRefused, msg=password):
                check_new(password, "alice.miller@example.test")

    def test_taken(self) -> None:
        """Anything else is taken: length is what counts."""
        for password in ("correct horse", "k\u00e4sebrot mit gurke", "Tr0ub4dor&3", "12ab34cd"):
            check_new(password, "alice@example.test")

    def test_placeholders(self) -> None:
        """Values from manuals are recognised in any case, also of other secrets."""
        self.assertTrue(is_placeholder(" CHANGEME "))
        self.assertFalse(is_placeholder(generate()))

    def test_generated(self) -> None:
        """A generated password has 16 letters of 5 bits, is readable, and is never the same."""
        made = {generate() for _ in range(100)}
        self.assertEqual(len(made), 100)
        for password in made:
            self.assertTrue(re.fullmatch(r"([0-9a-hjkmnp-tv-z]{4}-){3}[0-9a-hjkmnp-tv-z]{4}", password))
            check_new(password, "alice@example.test")

    def test_alphabet(self) -> None:
        """The alphabet has 32 letters: 16 of them are 80 bits."""
        self.assertEqual(len(set(passwords._ALPHABET)), 32)
