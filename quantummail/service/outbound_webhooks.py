"""What tells webhooks, put together from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantummail.fetch.client import WebClient
from quantummail.queue.webhook_requests import WebhookRequests, WebhookSettings

if TYPE_CHECKING:
    from quantummail.config import Config
    from quantummail.dns.resolver import Resolver
    from quantummail.store.sealed import Seal
    from quantummail.store.store import Store


def webhook_requests(config: Config, store: Store, reactor: Any, resolver: Resolver, seal: Seal) -> WebhookRequests:
    """The one that makes the requests."""
    section = config.webhooks
    client = WebClient(
        reactor, resolver, allowed=section.private_networks, ports=section.ports, plain=section.plain_http)
    return WebhookRequests(reactor, store.webhooks, client, seal, WebhookSettings(
        section.timeout, section.retries, section.first_retry, section.longest_wait, section.at_once,
        section.keep_history))
