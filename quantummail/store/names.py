"""Names of domains and accounts in the one form that the tables hold: lower case, domains as A-labels."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import idna

from quantummail.message.address import Address
from quantummail.store.errors import InvalidName


def normal_domain(name: str) -> str:
    """The domain in lower case, as A-labels (RFC 5890). `InvalidName` says what is wrong."""
    name = name.strip().rstrip(".").lower()
    try:
        domain = lookup_domain(name)
        Address.parse(f"postmaster@{domain}")
    except ValueError as error:
        raise InvalidName(f"{name!r} is not a domain name") from error
    return domain


def lookup_domain(name: str) -> str:
    """The A-label form for looking a domain up; ValueError if it has none."""
    if name.isascii():
        return name
    return idna.encode(name, uts46=True).decode("ascii")


@lru_cache(4096)
def normal_address(text: str) -> str:
    """`local@domain` of an account, in lower case and NFC. `InvalidName` says what is wrong."""
    try:
        address = Address.parse(text.strip())
    except ValueError as error:
        raise InvalidName(str(error)) from error
    if str(address).startswith('"'):
        # what people could not type into their mail programs, and no directory is named after
        raise InvalidName("an address that needs quotes cannot be used here")
    if address.domain.startswith("["):
        raise InvalidName("an account needs a domain name, not an address literal")
    return lookup_address(address.local_part, normal_domain(address.domain))


def lookup_address(local_part: str, domain: str) -> str:
    """The key of an address in the tables: local parts are the same in any case. Never raises."""
    return f"{unicodedata.normalize('NFC', local_part).lower()}@{domain}"
