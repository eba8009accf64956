"""MTA-STS as text: the record that says there is a policy, and the policy (RFC 8461). No network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Mode = Literal["enforce", "testing", "none"]

# RFC 8461 3.1:
#   sts-text-record = sts-version 1*(sts-field-delim sts-field) [sts-field-delim]
#   sts-field       = sts-id / sts-extension
#   sts-field-delim = *WSP ";" *WSP
#   sts-version     = %s"v=STSv1"
#   sts-id          = %s"id=" 1*32(ALPHA / DIGIT)
_VERSION = re.compile(r"v=STSv1[ \t]*(?:;|\Z)")
_DELIMITER = re.compile(r"[ \t]*;[ \t]*")
_ID = re.compile(r"id=([A-Za-z0-9]{1,32})")
# RFC 8461 3.2:
#   sts-policy-max-age-value = 1*10(DIGIT)
#   sts-policy-ext-name      = (ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".")
_MAX_AGE = re.compile(r"[0-9]{1,10}", re.ASCII)
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(.*?)[ \t]*", re.DOTALL)
# sts-policy-mx-value = ["*."] Domain
_MX = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
# RFC 8461 3.2: about a year
LONGEST = 31_557_600
_MOST_HOSTS = 1000


class BadPolicy(ValueError):
    """A policy that cannot be understood. The text says why."""


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """What a domain wants of those who send to it."""

    mode: Mode
    hosts: tuple[str, ...]
    """Names of mail hosts, lower case; ``*.example.com`` stands for any one label below."""
    max_age: int
    """Seconds for which the policy holds."""
    text: str = ""
    """As it was published, for reports."""

    def covers(self, host: str) -> bool:
        """Whether a mail host is one of the domain's (RFC 8461 4.1)."""
        name = host.rstrip(".").lower()
        return any(
            name.partition(".")[2] == pattern[2:] if pattern.startswith("*.") else name == pattern
            for pattern in self.hosts
        )


def policy_id(records: Sequence[bytes]) -> str | None:
    """The id that the TXT records at ``_mta-sts`` tell; None: there is no policy (RFC 8461 3.1)."""
    texts = [record.decode("ascii", "replace") for record in records]
    candidates = [text for text in texts if _VERSION.match(text)]
    if len(candidates) != 1:
        # none, or several: then all of them count for nothing
        return None
    fields = _DELIMITER.split(candidates[0].rstrip(" \t"))[1:]
    ids = [found[1] for field in fields if (found := _ID.fullmatch(field))]
    return ids[0] if ids else None


def parse_policy(octets: bytes) -> StsPolicy:
    """Read a policy. `BadPolicy` says what is wrong with it."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise BadPolicy("it is not UTF-8") from None
    fields: dict[str, str] = {}
    hosts: list[str] = []
    for line in re.split(r"\r?\n", text):
        if not line.strip(" \t"):
            continue
        found = _FIELD.fullmatch(line)
        if found is None or not found[2]:
            raise BadPolicy(f"{line[:80]!r} is no field")
        name, value = found[1], found[2]
        if name == "mx":
            hosts.append(_host(value))
        else:
            # RFC 8461 3.2: of fields that are there twice the first counts
            fields.setdefault(name, value)
    if len(hosts) > _MOST_HOSTS:
        raise BadPolicy(f"it names more than {_MOST_HOSTS} hosts")
    if fields.get("version") != "STSv1":
        raise BadPolicy("its version is not STSv1")
    return StsPolicy(_mode(fields.get("mode", ""), hosts), tuple(hosts), _max_age(fields.get("max_age", "")), text)


def _host(value: str) -> str:
    name = value.lower().rstrip(".")
    if not _MX.fullmatch(name) or len(name) > 255:
        raise BadPolicy(f"{value[:80]!r} is not the name of a mail host")
    return name


def _mode(value: str, hosts: Sequence[str]) -> Mode:
    if value == "none":
        return "none"
    if not hosts:
        raise BadPolicy("it names no mail host")
    if value == "enforce":
        return "enforce"
    if value == "testing":
        return "testing"
    raise BadPolicy(f"its mode {value[:40]!r} is unknown")


def _max_age(value: str) -> int:
    if not _MAX_AGE.fullmatch(value):
        raise BadPolicy("it has no max_age")
    return min(int(value), LONGEST)
