"""Which address mail goes out from: by rule, or as a web service says, for each sender and domain."""

from __future__ import annotations

import json
import re
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from quantummail.delivery.remote import Source
from quantummail.dns.errors import DnsError, NoRecords, NoSuchName
from quantummail.dns.exchange import host_addresses
from quantummail.fetch.client import FetchFailed, WebAnswer

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from quantummail.dns.resolver import Resolver

_RULE = re.compile(r"(?:(to)\s+)?(\S+)\s+(\S+)\s+(\S+)(?:\s+(\S+))?", re.IGNORECASE)
_MOST_REMEMBERED = 10_000
# A service that does not answer is not waited for by every message
_LEFT_ALONE = 30.0
_PAUSE = 0.2
_ANSWER = 16 * 1024


class BadSource(ValueError):
    """A rule cannot be understood. The text says why."""


@dataclass(frozen=True, slots=True)
class SourceRule:
    """One line of the configuration: whose mail comes from where."""

    pattern: str
    """``*``, a domain, ``.domain`` for all below it, or an address."""
    of_recipient: bool
    source: Source

    def applies(self, sender: str, recipient: str) -> bool:
        """Whether it is for this mail."""
        address = (recipient if self.of_recipient else sender).lower()
        if self.pattern in ("*", address):
            return True
        domain = address.rpartition("@")[2]
        return domain.endswith(self.pattern) if self.pattern.startswith(".") else domain == self.pattern


def parse_source(text: str) -> SourceRule:
    """Read ``[to] pattern name address [address]``. `BadSource` says what is wrong."""
    found = _RULE.fullmatch(text.strip())
    if found is None:
        raise BadSource(f"{text.strip()!r} is not `pattern name address` or `to pattern name address`")
    return SourceRule(found[2].lower().removeprefix("@"), bool(found[1]),
                      make_source(found[3], [word for word in found.groups()[3:] if word]))


def make_source(name: str, addresses: Sequence[str]) -> Source:
    """A source with one address of each family at most."""
    by_family: dict[int, str] = {}
    for word in addresses:
        try:
            address = ip_address(word)
        except ValueError:
            raise BadSource(f"{word!r} is not an IP address") from None
        if address.version in by_family:
            raise BadSource(f"{word}: there is an address of IPv{address.version} already")
        by_family[address.version] = str(address)
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,253}", name):
        raise BadSource(f"{name!r} is not the name of a host")
    return Source(name.lower(), by_family.get(4, ""), by_family.get(6, ""))


def is_ours(address: str) -> bool:
    """Whether this machine has the address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


class RuledSources:
    """The first rule that applies counts; without one it is the usual source."""

    def __init__(self, rules: Sequence[SourceRule], usual: Source) -> None:
        self.rules = tuple(rules)
        self.usual = usual

    async def choose(self, sender: str, recipient: str, _domain: str) -> Source:
        """The source for a message."""
        return next((rule.source for rule in self.rules if rule.applies(sender, recipient)), self.usual)


class Requests(Protocol):
    """Makes a request."""

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None,
        seconds: float = 60.0, most_octets: int = 64 * 1024,
    ) -> Awaitable[WebAnswer]:
        """See `fetch.client.WebClient`."""


@dataclass(frozen=True, slots=True)
class AskingSettings:
    """How the service is asked; times in seconds."""

    url: str
    timeout: float = 5.0
    retries: int = 3
    remembered_for: float = 300.0


class AskedSources:
    """A web service chooses; where it does not answer, or names an address that is not ours, the rules do.

    It gets POST with ``{"sender": ..., "recipient": ..., "domain": ...}`` and answers ``{"ipv4": ..., "ipv6": ...,
    "name": ...}``, or ``{"ip": ...}``; the name may be left out.
    """

    log = Logger(namespace="quantummail.delivery")

    def __init__(
        self, clock: IReactorTime, requests: Requests, settings: AskingSettings, rules: RuledSources,
        ours: Callable[[str], bool] = is_ours,
    ) -> None:
        self._clock = clock
        self._requests = requests
        self._settings = settings
        self._rules = rules
        self._ours = ours
        self._names = {
            address: source.name for source in (rules.usual, *(rule.source for rule in rules.rules))
            for address in (source.ipv4, source.ipv6) if address
        }
        self._remembered: OrderedDict[tuple[str, str], tuple[float, Source]] = OrderedDict()
        self._asking: dict[tuple[str, str], list[Deferred[None]]] = {}

    async def choose(self, sender: str, recipient: str, domain: str) -> Source:
        """The source for a message. Who asks the same at the same time waits for the one answer."""
        key = (sender.lower(), domain)
        while True:
            remembered = self._remembered.get(key)
            if remembered is not None and remembered[0] > self._clock.seconds():
                return remembered[1]
            if key not in self._asking:
                break
            waiting: Deferred[None] = Deferred()
            self._asking[key].append(waiting)
            await waiting
        self._asking[key] = []
        try:
            source, lasts = await self._chosen(sender, recipient, domain)
            self._remembered[key] = (self._clock.seconds() + lasts, source)
            self._remembered.move_to_end(key)
            if len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)
        finally:
            for other in self._asking.pop(key):
                other.callback(None)
        return source

    async def _chosen(self, sender: str, recipient: str, domain: str) -> tuple[Source, float]:
        body = json.dumps({"sender": sender, "recipient": recipient, "domain": domain}).encode("utf-8")
        reason = ""
        for number in range(self._settings.retries + 1):
            if number:
                await deferLater(self._clock, _PAUSE * 2.0 ** (number - 1))
            try:
                return await self._asked(body), self._settings.remembered_for
            except FetchFailed as error:
                reason = str(error)
            except BadSource as error:
                # asking again would not make it better
                reason = str(error)
                break
        fallback = await self._rules.choose(sender, recipient, domain)
        self.log.warn("{url} does not say where mail from <{sender}> to {domain} comes from, so it is {source}: "
                      "{reason}", url=self._settings.url, sender=sender, domain=domain, reason=reason,
                      source=fallback.ipv4 or fallback.ipv6 or "what the system chooses")
        return fallback, min(_LEFT_ALONE, self._settings.remembered_for)

    async def _asked(self, body: bytes) -> Source:
        answer = await self._requests.request(
            "POST", self._settings.url, headers={"Content-Type": "application/json"}, body=body,
            seconds=self._settings.timeout, most_octets=_ANSWER)
        if answer.status != 200:
            raise FetchFailed(f"it answers with status {answer.status}")
        try:
            words: Any = json.loads(answer.body)
        except ValueError:
            raise BadSource("its answer is not JSON") from None
        return self._read(words)

    def _read(self, words: Any) -> Source:
        if not isinstance(words, dict):
            raise BadSource("its answer is no object")
        given = [words[name] for name in ("ip", "ipv4", "ipv6") if words.get(name)]
        name = words.get("name") or ""
        if not given or not all(isinstance(one, str) for one in [*given, name]):
            raise BadSource("its answer names no address")
        source = make_source(name or self._name_for(given), given)
        for address in (source.ipv4, source.ipv6):
            if address and not self._ours(address):
                raise BadSource(f"it names {address}, which this machine has not")
        return source

    def _name_for(self, addresses: Sequence[str]) -> str:
        return next((self._names[one] for one in addresses if one in self._names), self._rules.usual.name)


async def doubts(resolver: Resolver, source: Source, ours: Callable[[str], bool] = is_ours) -> list[str]:
    """What other servers may hold against a source, in words: names and addresses that do not fit (RFC 1912 2.1)."""
    found = []
    for address in (source.ipv4, source.ipv6):
        if not address:
            continue
        if not ours(address):
            found.append(f"{address} is no address of this machine: mail cannot go out from it")
        found += await _doubts_of(resolver, source.name, address)
    return found


async def _doubts_of(resolver: Resolver, name: str, address: str) -> list[str]:
    found = []
    reverse = ip_address(address).reverse_pointer
    try:
        names = [str(one) for one in (await resolver.query(reverse, "PTR")).records]
        if name not in names:
            found.append(f"the PTR record of {address} says {', '.join(names)}, but we say {name}")
    except (NoSuchName, NoRecords):
        found.append(f"{address} has no PTR record: it should say {name}")
    except DnsError as error:
        found.append(f"the PTR record of {address} cannot be looked up: {error}")
    try:
        if address not in await host_addresses(resolver, name):
            found.append(f"{name} does not have the address {address}, from which we say that we are {name}")
    except (NoSuchName, NoRecords):
        found.append(f"{name}, which we say at {address}, has no address")
    except (DnsError, ValueError) as error:
        found.append(f"{name} cannot be looked up: {error}")
    return found
