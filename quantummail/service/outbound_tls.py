"""What decides about TLS on the way out, and tells others how it went; put together from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantummail.delivery.operators import operator_of
from quantummail.delivery.sts import StsDiscovery
from quantummail.delivery.tls_counts import TlsCounts
from quantummail.delivery.tls_policies import PolicySettings, TlsPolicies
from quantummail.fetch.client import WebClient
from quantummail.queue.tls_reports import ReportSettings, TlsReports

if TYPE_CHECKING:
    from quantummail.config import Config
    from quantummail.dns.resolver import Resolver
    from quantummail.queue.queue import Queue
    from quantummail.store.store import Store


class OutboundTls:
    """The policies, and the counts and reports about them."""

    def __init__(self, config: Config, store: Store, reactor: Any, resolver: Resolver, queue: Queue) -> None:
        sending = config.sending
        web = WebClient(reactor, resolver, allowed=sending.private_networks, ports=(443, sending.https_port))
        self._sts = StsDiscovery(resolver, web, store.sts_policies, port=sending.https_port)
        self._counts = TlsCounts(reactor, resolver, store.tls_results) if sending.tls_reports else None
        self._reports = TlsReports(
            reactor, store.tls_results, resolver, web, queue, store.bodies, report_settings(config),
        ) if sending.tls_reports else None
        settings = PolicySettings(sending.tls, sending.dane, sending.mta_sts)
        if self._counts is not None:
            self.policies = TlsPolicies(resolver, self._sts, settings, self._counts.count)
        else:
            self.policies = TlsPolicies(resolver, self._sts, settings)

    def start(self) -> None:
        """Begin to report."""
        if self._reports is not None:
            self._reports.start()

    async def stop(self) -> None:
        """Write what was counted."""
        if self._reports is not None:
            await self._reports.stop()
        await self._sts.stop()
        if self._counts is not None:
            await self._counts.stop()


def report_settings(config: Config) -> ReportSettings:
    """Who reports: what the configuration says, or the registered domain of the server's name."""
    sending, hostname = config.sending, config.server.hostname
    domain = operator_of(hostname)
    return ReportSettings(
        sending.report_organization or domain, sending.report_contact or f"postmaster@{domain}", hostname,
        sending.keep_tls_results)
