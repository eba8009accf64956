"""Where mail goes out from, put together from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from twisted.logger import Logger

from quantummail.config import ConfigError, Problem
from quantummail.delivery.remote import Source, Sources
from quantummail.delivery.sources import AskedSources, AskingSettings, BadSource, RuledSources, doubts, parse_source
from quantummail.fetch.addresses import networks
from quantummail.fetch.client import WebClient

if TYPE_CHECKING:
    from quantummail.config import Config
    from quantummail.dns.resolver import Resolver

_log = Logger(namespace="quantummail.service")
# The administrator has named it: it may be beside us
_HERE = ("127.0.0.0/8", "::1/128")


def read_sources(config: Config) -> RuledSources:
    """The rules of `[sending] sources`. Raises ConfigError with everything that is wrong with them."""
    sending = config.sending
    rules, problems = [], []
    for text in sending.sources:
        try:
            rules.append(parse_source(text))
        except BadSource as error:
            problems.append(Problem("", "sending", "sources", text, str(error)))
    for name, version in (("ipv4", ":"), ("ipv6", ".")):
        if version in getattr(sending, name):
            problems.append(Problem("", "sending", name, getattr(sending, name), "this is one of the other family"))
    if problems:
        raise ConfigError(problems)
    return RuledSources(rules, Source(config.server.hostname, sending.ipv4, sending.ipv6))


def sources(config: Config, reactor: Any, resolver: Resolver) -> Sources:
    """What chooses them."""
    sending, rules = config.sending, read_sources(config)
    if not sending.source_url:
        return rules
    parts = urlsplit(sending.source_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    client = WebClient(
        reactor, resolver, allowed=(*sending.private_networks, *networks(_HERE)), ports=(port,), plain=True)
    return AskedSources(reactor, client, AskingSettings(
        sending.source_url, sending.source_timeout, sending.source_retries, sending.source_remembered_for), rules)


async def all_doubts(config: Config, resolver: Resolver) -> list[str]:
    """What other servers may hold against the addresses that are configured."""
    rules = read_sources(config)
    found = []
    for source in dict.fromkeys((rules.usual, *(rule.source for rule in rules.rules))):
        found += await doubts(resolver, source)
    return found


async def warn_of_doubts(config: Config, resolver: Resolver) -> None:
    """Tell the log, at the start."""
    try:
        for doubt in await all_doubts(config, resolver):
            _log.warn("[sending] {doubt}", doubt=doubt)
    except Exception:  # noqa: BLE001  # the edge of a background task, and only advice
        _log.failure("the addresses that mail goes out from could not be checked")
