"""Everything that sends mail: resolver, routes, queue, worker; put together from the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.defer import Deferred

from quantummail.config import ConfigError, Problem
from quantummail.delivery.forwarding import Forwarding
from quantummail.delivery.hosts import Hosts
from quantummail.delivery.local_names import AliasFile, LocalNames
from quantummail.delivery.queued import QueuedDelivery
from quantummail.delivery.remote import RemoteDelivery, RemoteSettings
from quantummail.delivery.route import BadRoute, Routes, Rule, parse_credentials, parse_rule
from quantummail.delivery.signing import Signing
from quantummail.dns.resolver import Resolver
from quantummail.dns.servers import system_servers
from quantummail.message.srs import Rewriting
from quantummail.queue.bounces import Bounces
from quantummail.queue.queue import Queue, QueueDeliveries
from quantummail.queue.schedule import Schedule
from quantummail.queue.worker import QueueSettings, Worker
from quantummail.service.outbound_sources import sources, warn_of_doubts
from quantummail.service.outbound_tls import OutboundTls
from quantummail.service.outbound_webhooks import webhook_requests
from quantummail.store.sealed import Seal, secret_key

if TYPE_CHECKING:
    from pathlib import Path

    from quantummail.config import Config
    from quantummail.dns.exchange import Family
    from quantummail.smtp.client_session import Login
    from quantummail.store.store import Store


class Outbound:
    """The parts that send. `queue` is what the ways in hand mail to."""

    def __init__(self, config: Config, store: Store, reactor: Any) -> None:
        """Raises ConfigError for routes that cannot be understood."""
        sending, hostname = config.sending, config.server.hostname
        routes = Routes(read_rules(config))
        self.resolver = resolver_of(config, reactor)
        keys = config.server.data_dir / "keys"
        seal = Seal(secret_key(keys / "secrets"))
        signing = Signing(store.dkim_keys, seal, reactor)
        self.names = LocalNames(store.directory, config.local.domain or hostname, AliasFile(config.local.aliases))
        self.queue = Queue(store.outgoing, routes, self.names, signing)
        self.forwarding = Forwarding(
            hostname, Rewriting(secret_key(keys / "srs")), store.bodies,
            self.queue.destination, self.queue.enqueue, store.journey)
        self._tls = OutboundTls(config, store, reactor, self.resolver, self.queue)
        hosts = Hosts(
            self.resolver, self._tls.policies, port=sending.port, family=cast("Family", sending.family),
            literals=sending.address_literals, ours=_ourselves(hostname))
        self._remote = RemoteDelivery(
            reactor, hosts, sources(config, reactor, self.resolver), RemoteSettings(
                connections_per_operator=sending.connections_per_operator,
                messages_per_connection=sending.messages_per_connection, idle=sending.idle))
        schedule = _schedule(config)
        deliveries = QueueDeliveries(
            self.queue, store.outgoing, routes, QueuedDelivery(store, self.forwarding, self.names), self._remote)
        bounces = Bounces(hostname, store.outgoing, schedule, lambda address: self.queue.destination("", address))
        self.worker = Worker(reactor, store.outgoing, deliveries, bounces, schedule, _queue_settings(config))
        self._config = config
        self._webhooks = webhook_requests(config, store, reactor, self.resolver, seal)
        self._patience = config.server.stop_after

    async def start(self) -> None:
        """Begin to send. The store is started."""
        # before anything happens that somebody is to be told of
        await self._webhooks.start()
        # nobody waits for what is only advice
        Deferred.fromCoroutine(warn_of_doubts(self._config, self.resolver))
        self.worker.start()
        self.queue.worker = self.worker
        self._tls.start()

    async def stop(self) -> None:
        """Finish what is being sent."""
        self.queue.worker = None
        await self.worker.stop(self._patience)
        await self._remote.stop()
        await self._tls.stop()
        await self._webhooks.stop()


def resolver_of(config: Config, reactor: Any) -> Resolver:
    """The resolver that the configuration describes."""
    servers = [(one.host, one.port) for one in config.dns.servers] or system_servers()
    validating = {"auto": None, "yes": True, "no": False}[config.dns.validating]
    return Resolver.on(reactor, servers, timeout=config.dns.timeout, validating=validating)


def read_rules(config: Config) -> list[Rule]:
    """The rules of `[sending] routes`. Raises ConfigError with everything that is wrong with them."""
    path = config.sending.credentials
    try:
        logins = _logins(path) if path is not None else {}
    except BadRoute as error:
        raise ConfigError([Problem("", "sending", "credentials", str(path), str(error))]) from None
    rules, problems = [], []
    for rule in config.sending.routes:
        try:
            rules.append(parse_rule(rule, logins))
        except BadRoute as error:
            problems.append(Problem("", "sending", "routes", rule, str(error)))
    if problems:
        raise ConfigError(problems)
    return rules


def _logins(path: Path) -> dict[str, Login]:
    try:
        if path.stat().st_mode & 0o077:
            raise BadRoute("others can read it: `chmod 600` it")
        return parse_credentials(path.read_text("utf-8"))
    except OSError as error:
        raise BadRoute(error.strerror or str(error)) from error
    except UnicodeDecodeError:
        raise BadRoute("it is not UTF-8") from None


def _ourselves(hostname: str) -> Any:
    def ours(name: str, _addresses: Sequence[str]) -> bool:
        return name == hostname

    return ours


def _schedule(config: Config) -> Schedule:
    queue = config.queue
    return Schedule(
        first=queue.first_retry, longest=queue.longest_wait, lifetime=queue.lifetime,
        warn_after=0 if queue.warn == "never" else queue.warn_after)


def _queue_settings(config: Config) -> QueueSettings:
    queue = config.queue
    return QueueSettings(
        deliveries=queue.deliveries, deliveries_per_destination=queue.deliveries_per_destination,
        in_memory=queue.in_memory, keep_history=queue.keep_history, warn_always=queue.warn == "always")
