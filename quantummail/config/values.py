"""The kinds of values a setting can have: how each is written, and what it means."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One kind of value. `parse` raises ValueError, whose text (if any) says more than `accepts`."""

    accepts: str
    parse: Callable[[str], T]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a listener listens: an address and port, a unix socket, or a socket that systemd opened."""

    kind: Literal["tcp", "unix", "fd"]
    host: str = ""
    port: int = 0
    path: str = ""
    name: str = ""
    """Of a systemd socket (FileDescriptorName=); empty: the one that is named like the section."""

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{self.path}"
        if self.kind == "fd":
            return f"fd:{self.name}" if self.name else "systemd"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Certified:
    """A client certificate, and whom it lets in."""

    fingerprint: str
    """SHA-256, 64 hex digits in lower case."""
    address: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate (with its chain) and its private key, as PEM files."""

    certificate: Path
    private_key: Path


_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
# Sums of sizes fit into the 63 bits of SQLite's integers, and a size into the 20 digits of RFC 1870 6
_MOST_OCTETS = 1024**6
_MOST_SECONDS = 3650 * 86400
_SIZE = re.compile(r"(\d{1,20})\s*([KMGT]?)(?:i?B)?", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)\s*([smhd]?)", re.IGNORECASE | re.ASCII)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
# RFC 3986 3.1: a scheme, and no characters that a URI cannot have
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-Z\[\]_a-z~]+")
_FD_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,255}")


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII):
        raise ValueError
    return int(text)


def whole_number(least: int, most: int) -> Kind[int]:
    """A kind that takes the numbers from `least` to `most`."""
    def parse(text: str) -> int:
        if not least <= (number := _count(text)) <= most:
            raise ValueError
        return number

    return Kind(f"a whole number from {least} to {most}", parse)


def _size(text: str) -> int:
    if (match := _SIZE.fullmatch(text)) is None:
        raise ValueError
    octets = int(match[1]) * _UNITS[match[2].lower()]
    if octets > _MOST_OCTETS:
        raise ValueError
    return octets


def _duration(text: str) -> float:
    if (match := _DURATION.fullmatch(text)) is None:
        raise ValueError
    seconds = float(match[1]) * _SECONDS[match[2].lower()]
    if not 0 < seconds <= _MOST_SECONDS:
        raise ValueError
    return seconds


def _yes_or_no(text: str) -> bool:
    if text.lower() in {"yes", "true", "on", "1"}:
        return True
    if text.lower() in {"no", "false", "off", "0"}:
        return False
    raise ValueError


def _hostname(text: str) -> str:
    name = text.rstrip(".").lower()
    if not name or len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError
    return name


def _optional_hostname(text: str) -> str:
    return _hostname(text) if text else ""


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError
    return Path(text).expanduser()


def _database_url(text: str) -> str:
    if not text.startswith("sqlite:////"):
        raise ValueError
    return text


def _delimiter(text: str) -> str:
    if text and not re.fullmatch(r"[!#$%&'*+=?^_`{|}~.-]", text):
        raise ValueError
    return text


def _uri(text: str) -> str:
    if text and not _URI.fullmatch(text):
        raise ValueError
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(word.upper() for word in re.split(r"[\s,]+", text) if word)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[\s,]+", text) if word)


def _optional_path(text: str) -> Path | None:
    return _path(text) if text else None


def _text(text: str) -> str:
    return text


def _url(text: str) -> str:
    """An https URL; http only where nobody can listen: a bearer token is as good as a password."""
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"{text!r} is no URL") from None
    if not host or not re.fullmatch(r"[!-~]+", text) or parts.username is not None or parts.fragment:
        raise ValueError
    if parts.scheme == "http" and not (host == "localhost" or _is_loopback(host)):
        raise ValueError("http is for this machine only")
    if parts.scheme not in ("http", "https"):
        raise ValueError
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _certified(text: str) -> tuple[Certified, ...]:
    found = []
    for item in text.split(","):
        words = item.split()
        if not words:
            continue
        fingerprint = words[0].replace(":", "").lower()
        if len(words) != 2 or not re.fullmatch(r"[0-9a-f]{64}", fingerprint) or "@" not in words[1]:
            raise ValueError
        found.append(Certified(fingerprint, words[1]))
    return tuple(found)


def _pairs(text: str) -> tuple[Pair, ...]:
    pairs = []
    for item in text.split(","):
        words = item.split()
        if len(words) not in (0, 2):
            raise ValueError
        if words:
            pairs.append(Pair(_path(words[0]), _path(words[1])))
    return tuple(pairs)


def endpoint(text: str) -> Endpoint:
    """One place to listen, as it is written in `listen`."""
    if text == "systemd":
        return Endpoint("fd")
    if text.startswith("fd:"):
        if not _FD_NAME.fullmatch(text[3:]):
            raise ValueError(f"{text!r} does not name a socket")
        return Endpoint("fd", name=text[3:])
    if text.startswith("unix:"):
        if not text.startswith("unix:/") or len(text) > 107 + len("unix:"):
            raise ValueError(f"{text!r}: a unix socket needs an absolute path of at most 107 characters")
        return Endpoint("unix", path=text[5:])
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > 65535:
        raise ValueError(f"{text!r} has no port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address is written in brackets")
    try:
        return Endpoint("tcp", str(ipaddress.ip_address(host)), int(port))
    except ValueError:
        if host == "localhost":
            return Endpoint("tcp", "127.0.0.1", int(port))
        raise ValueError(f"{text!r}: {host!r} is not an IP address") from None


def _endpoints(text: str) -> tuple[Endpoint, ...]:
    return tuple(endpoint(item.strip()) for item in text.split(",") if item.strip())


def _servers(text: str) -> tuple[Endpoint, ...]:
    """Resolvers: addresses, with port 53 where none is given."""
    found = []
    for item in re.split(r"[\s,]+", text.strip()):
        if not item:
            continue
        try:
            found.append(Endpoint("tcp", str(ipaddress.ip_address(item.strip("[]"))), 53))
        except ValueError:
            found.append(endpoint(item))
    if any(one.kind != "tcp" for one in found):
        raise ValueError
    return tuple(found)


def _rules(text: str) -> tuple[str, ...]:
    return tuple(" ".join(item.split()) for item in text.split(",") if item.strip())


def _grants(text: str) -> tuple[str, ...]:
    found = tuple(" ".join(item.split()) for item in text.split(",") if item.strip())
    for item in found:
        words = item.split()
        if len(words) != 2 or (words[1] != "*" and "@" not in words[1]):
            raise ValueError(f"{item!r} is neither `user address` nor `user *`")
    return found


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text)) if text else ""


def _mode(text: str) -> int:
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise ValueError
    return int(text, 8)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_PATTERN = re.compile(r"\*|\.?(?!\.)[a-z0-9.-]+(?<![.-])")
_LEVELS = ("none", "opportunistic", "encrypt", "verify", "dane-only")


def _tls_levels(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for item in text.lower().split(","):
        words = item.split()
        if not words:
            continue
        if len(words) != 2 or not _PATTERN.fullmatch(words[0]) or words[1] not in _LEVELS:
            raise ValueError(f"{item.strip()!r} is not `domain level`")
        found.append((words[0], words[1]))
    return tuple(found)


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(word) for word in _words(text))


def _ports(text: str) -> tuple[int, ...]:
    found = tuple(_count(word) for word in _words(text))
    if not found or not all(1 <= port <= 65535 for port in found):
        raise ValueError
    return found


def _mail_address(text: str) -> str:
    if text and not re.fullmatch(r"[!#-'*+/-9=?A-Z^-~.-]+@[A-Za-z0-9.-]+", text):
        raise ValueError
    return text


def one_of(*words: str) -> Kind[str]:
    """A kind that takes exactly these words."""
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError
        return text.lower()

    return Kind(" or ".join(f"`{word}`" for word in words), parse)


TLS_LEVELS = Kind(
    "`domain level`, separated by commas; a level is none, opportunistic, encrypt, verify or dane-only", _tls_levels)
NETWORKS = Kind("networks such as `10.1.0.0/16`, separated by commas or blanks, or empty", _networks)
PORTS = Kind("numbers of ports, separated by commas or blanks", _ports)
MAIL_ADDRESS = Kind("an e-mail address, or empty", _mail_address)
DAYS = whole_number(3, 3650)
COUNT = whole_number(0, 10**12 - 1)
POSITIVE = whole_number(1, 10**12 - 1)
THREADS = whole_number(1, 100)
# RFC 5464 4.1 has the lower limits; longer literals are not read (imap/framing)
ANNOTATION_SIZE = whole_number(1024, 100_000)
ANNOTATIONS = whole_number(10, 10_000)
URI = Kind("a URI such as `mailto:postmaster@example.org`, or empty", _uri)
SIZE = Kind("octets: a whole number, with K, M, G or T for powers of 1024, 1048576T at most", _size)
DURATION = Kind("a time: seconds, or a number with s, m, h or d, more than 0 and 3650d at most", _duration)
YES_NO = Kind("`yes` or `no`", _yes_or_no)
HOSTNAME = Kind("a host name of letters, digits, hyphens and dots", _hostname)
OPTIONAL_HOSTNAME = Kind("a host name of letters, digits, hyphens and dots, or empty", _optional_hostname)
PATH = Kind("a path; a relative one begins at the directory of the configuration file", _path)
DATABASE = Kind("the URL of an SQLite database, `sqlite:////absolute/path`", _database_url)
DELIMITER = Kind("one ASCII character that is neither letter nor digit, or empty", _delimiter)
NAMES = Kind("names, separated by commas or blanks", _names)
WORDS = Kind("words, separated by commas or blanks", _words)
TEXT = Kind("text", _text)
URL = Kind("a URL that begins with `https://` (`http://` for 127.0.0.1, ::1 and localhost), or empty", _url)
OPTIONAL_PATH = Kind(
    "a path, or empty; a relative one begins at the directory of the configuration file", _optional_path)
CERTIFIED = Kind("`fingerprint address` pairs, separated by commas; a fingerprint is SHA-256 in hex digits", _certified)
ITERATIONS = whole_number(4096, 10_000_000)
PAIRS = Kind("`certificate private_key` pairs of paths, separated by commas", _pairs)
ENDPOINTS = Kind(
    "`address:port`, `[IPv6 address]:port`, `unix:/path`, `systemd` or `fd:NAME`, separated by commas",
    _endpoints)
SERVERS = Kind("addresses of resolvers, `address` or `address:port`, separated by commas, or empty", _servers)
SOURCES = Kind("`pattern name address` or `to pattern name address`, separated by commas", _rules)
RULES = Kind("`pattern target` or `from pattern target`, separated by commas", _rules)
GRANTS = Kind("`user address`, `user @domain` or `user *`, separated by commas, or empty", _grants)
ADDRESS = Kind("an IP address, or empty", _address)
PORT = whole_number(1, 65535)
MODE = Kind("permissions in octal, such as 0660", _mode)
