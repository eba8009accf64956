"""Delivery to other servers: find out where, connect, hand over, and say what was answered for each recipient."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from twisted.logger import Logger

from quantummail.delivery.connections import Connections
from quantummail.delivery.hosts import Candidate, Demand, NoWay
from quantummail.delivery.operators import Operators, operator_of
from quantummail.delivery.outcome import Delivered, Fate, Result
from quantummail.message.address import Address
from quantummail.message.envelope import Recipient, Sender
from quantummail.smtp.client import ConnectionFailed, SMTPClient
from quantummail.smtp.client_session import NEEDS_REQUIRETLS, Answer, OutgoingMail, Patience, Refused
from quantummail.smtp.remote import RemoteReply
from quantummail.store.outgoing_records import Attempt
from quantummail.tls.outbound import Mode, Protection

if TYPE_CHECKING:
    from quantummail.delivery.hosts import Hosts
    from quantummail.delivery.route import Route
    from quantummail.smtp.client import Content
    from quantummail.store.outgoing_records import Claimed, OutgoingRecipient

# RFC 5321 4.5.3.1.8: as many as every server has to take
_RECIPIENTS = 100
# Addresses of one destination that are tried in one go
_TRIES = 5
_SLOWED = frozenset((421, 450, 451, 452))


@dataclass(frozen=True, slots=True)
class Source:
    """Where we come from: local addresses, and the name that we say there."""

    name: str
    ipv4: str = ""
    ipv6: str = ""

    def bind(self, address: str) -> str | None:
        """The local address for going to `address`; None for what the system chooses."""
        return (self.ipv6 if ":" in address else self.ipv4) or None

    def reachable(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Those that can be reached from here: who has addresses of his own does not come from others, if he can."""
        if not self.ipv4 and not self.ipv6:
            return candidates
        return [one for one in candidates if self.bind(one.address) is not None] or candidates


class Sources(Protocol):
    """Chooses where a message comes from."""

    def choose(self, sender: str, recipient: str, domain: str) -> Awaitable[Source]:
        """The source for a message."""


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """How other servers are dealt with."""

    connections_per_operator: int = 20
    messages_per_connection: int = 100
    idle: float = 5.0
    patience: Patience = field(default_factory=Patience)
    port: int = 25
    authorities: Any = None
    """A PEM file (Path) to trust instead of the system's."""


Connect = Callable[..., Awaitable[SMTPClient]]


class RemoteDelivery:
    """Delivers over SMTP and LMTP."""

    log = Logger(namespace="quantummail.delivery")

    def __init__(
        self, reactor: Any, hosts: Hosts, sources: Sources, settings: RemoteSettings,
        connect: Connect = SMTPClient.connect,
    ) -> None:
        self._reactor = reactor
        self._hosts = hosts
        self._sources = sources
        self._settings = settings
        self._connect = connect
        self._connections = Connections(
            reactor, idle=settings.idle, most_messages=settings.messages_per_connection)
        self._operators = Operators(settings.connections_per_operator)

    async def stop(self) -> None:
        """End idle connections."""
        await self._connections.close()

    async def deliver(self, route: Route, claimed: Claimed, content: Content) -> Delivered:
        """Try once, for all recipients; never raises for what another server does."""
        message = claimed.message
        # behind a unix socket is this machine: nobody can listen there, and nobody offers TLS
        demand = Demand.of(message) if not route.host.startswith("/") else Demand.USUAL
        trying = _Trying(claimed, int(time.time()), time.monotonic(), demand)
        source = await self._sources.choose(message.sender, claimed.recipients[0].address, route.name)
        place = (route.name, source, demand)
        client = self._connections.take(place)
        if client is not None:
            trying.connected(client)
            if await self._hand_over(trying, client, content) or trying.maybe_sent:
                return self._done(trying, place, client)
            # the other server has ended the connection while it was idle: that is no attempt
            trying.forget()
        try:
            candidates = await self._hosts.candidates(route, demand)
        except NoWay as error:
            # what one sender demands is no reason to leave the destination alone
            return trying.end(error.reply, error.fate, reached=error.fate is Fate.FAILED or demand is Demand.REQUIRED)
        return await self._deliver_to(trying, route, source.reachable(candidates), source, place, content)

    async def _deliver_to(
        self, trying: _Trying, route: Route, candidates: Sequence[Candidate], source: Source, place: tuple[Any, ...],
        content: Content,
    ) -> Delivered:
        operator = operator_of(candidates[0].hostname)
        await self._operators.enter(operator)
        done: Delivered | None = None
        try:
            for candidate in candidates[:_TRIES]:
                trying.candidate = candidate
                client = await self._connected(trying, route, candidate, source)
                if client is None:
                    continue
                trying.connected(client)
                await self._hand_over(trying, client, content)
                done = self._done(trying, place, client)
                break
            else:
                done = trying.end(trying.failure, trying.fate, reached=trying.demand is Demand.REQUIRED)
        finally:
            self._operators.leave(operator, good=done is not None and done.reached,
                                  slowed=done is not None and done.slowed)
        return done

    async def _connected(
        self, trying: _Trying, route: Route, candidate: Candidate, source: Source
    ) -> SMTPClient | None:
        """A connection to one address, or None with the reason in `trying`."""
        protections = [candidate.protection]
        if candidate.protection.mode is Mode.OPPORTUNISTIC:
            # RFC 7435: rather without TLS than not at all, where nobody asked for more
            protections.append(Protection(Mode.NONE))
        bind = source.bind(candidate.address)
        for protection in protections:
            try:
                client = await self._connect(
                    self._reactor, self._reactor, candidate.address, candidate.port, hostname=candidate.hostname,
                    name=source.name, bind=bind, protection=protection, login=route.login,
                    lmtp=route.lmtp, wrapped=route.wrapped, patience=self._settings.patience,
                    authorities=self._settings.authorities)
            except Refused as refused:
                trying.failed(refused.reply, refused.to, bind or "")
                return None
            except ConnectionFailed as failed:
                trying.failed(RemoteReply(400, "4.7.5" if failed.tls else "4.4.1", str(failed)), failed.to,
                              bind or "")
                if failed.tls:
                    self._hosts.tls_failed(candidate, bind, failed.result, str(failed))
                if not failed.tls or route.wrapped:
                    return None
            else:
                if protection is candidate.protection:
                    # else it was told already that TLS has failed
                    self._hosts.tls_connected(candidate, bind, client.tls)
                if trying.demand is Demand.REQUIRED and "REQUIRETLS" not in client.offer:
                    # RFC 8689 4.2.1: another host may know it
                    trying.failed(NEEDS_REQUIRETLS, "EHLO", bind or "")
                    await client.quit()
                    return None
                return client
        return None

    async def _hand_over(self, trying: _Trying, client: SMTPClient, content: Content) -> bool:
        """Send the message for all recipients; False if the connection turned out to be dead."""
        while trying.pending and client.usable:
            batch = trying.pending[: client.offer.most_recipients or _RECIPIENTS]
            reused = client.transactions > 0
            answers = await client.send(_mail(trying, batch), content)
            trying.maybe_sent = client.maybe_sent
            if reused and not trying.results and all(_is_dead(answer) for answer in answers) and not client.maybe_sent:
                return False
            trying.answered(batch, answers, client)
        if trying.pending:
            trying.end(RemoteReply(400, "4.4.2", "the connection ended before it was this recipient's turn"),
                       Fate.DEFERRED)
        return True

    def _done(self, trying: _Trying, place: tuple[Any, ...], client: SMTPClient) -> Delivered:
        self._connections.give(place, client)
        return trying.delivered()


class _Trying:
    """One try while it goes on."""

    def __init__(self, claimed: Claimed, at: int, began: float, demand: Demand) -> None:
        self.claimed = claimed
        self.demand = demand
        self.pending = list(claimed.recipients)
        self.results: list[Result] = []
        self.candidate: Candidate | None = None
        self.failure = RemoteReply(400, "4.4.1", "no mail host could be reached")
        self._others = False
        self.maybe_sent = False
        self._step = ""
        self._tls = ""
        self._source = ""
        self._at = at
        self._began = began
        self._slowed = False

    def failed(self, reply: RemoteReply, step: str, source: str) -> None:
        """An address did not do; `source`: where we came from, if that was not left to the system."""
        # final only where every host was reached, and none knows REQUIRETLS
        self._others = self._others or reply is not NEEDS_REQUIRETLS
        self.failure, self._step, self._source = reply, step, source
        self._slowed = self._slowed or reply.code in _SLOWED

    @property
    def fate(self) -> Fate:
        """What becomes of it when no host takes it."""
        return Fate.FAILED if self.failure is NEEDS_REQUIRETLS and not self._others else Fate.DEFERRED

    def connected(self, client: SMTPClient) -> None:
        """An address did."""
        self._tls = str(client.tls or "")
        self._source = client.source
        if self.candidate is None:
            self.candidate = Candidate(client.offer.name, "", 0, Protection())

    def forget(self) -> None:
        """As if nothing had been tried."""
        self.candidate, self._tls, self._source = None, "", ""

    def answered(
        self, batch: Sequence[OutgoingRecipient], answers: Sequence[Answer], client: SMTPClient
    ) -> None:
        """What was said about some recipients. Those who were too many for one transaction wait for the next."""
        progress = any(answer.reply.positive for answer in answers)
        left = [
            one for one, answer in zip(batch, answers, strict=True)
            # RFC 5321 4.5.3.1.10: 452 for too many recipients
            if progress and answer.reply.code == 452 and answer.to == "RCPT TO"
            and answer.reply.status in ("", "4.5.3") and client.usable
        ]
        for one, answer in zip(batch, answers, strict=True):
            if one in left:
                continue
            self._slowed = self._slowed or answer.reply.code in _SLOWED
            relayed = answer.reply.positive and "DSN" not in client.offer
            self.results.append(self._result(one, answer.reply, answer.to, _fate(answer.reply), relayed=relayed))
        self.pending = left + self.pending[len(batch):]

    def end(self, reply: RemoteReply, fate: Fate, *, reached: bool = True) -> Delivered:
        """The same for all that are left."""
        self.results += [self._result(one, reply, self._step, fate) for one in self.pending]
        self.pending = []
        return self.delivered(reached=reached)

    def delivered(self, *, reached: bool = True) -> Delivered:
        """What came of it."""
        return Delivered(tuple(self.results), reached, self._slowed)

    def _result(
        self, one: OutgoingRecipient, reply: RemoteReply, step: str, fate: Fate, *, relayed: bool = False
    ) -> Result:
        where = self.candidate
        attempt = Attempt(
            self._at, int((time.monotonic() - self._began) * 1000), where.hostname if where is not None else "",
            where.address if where is not None else "", self._source, self._tls, step, reply.code, reply.status,
            reply.text,
            self.maybe_sent and fate is Fate.DEFERRED,
        )
        return Result(one, fate, attempt, relayed)


def _mail(trying: _Trying, batch: Sequence[OutgoingRecipient]) -> OutgoingMail:
    message = trying.claimed.message
    sender = Address.parse(message.sender) if message.sender else None
    return OutgoingMail(
        Sender(sender, message.size, message.body, message.smtputf8, message.ret, message.envid),
        tuple(Recipient(Address.parse(one.address), one.notify, one.orcpt) for one in batch),
        trying.demand is Demand.REQUIRED)


def _fate(reply: RemoteReply) -> Fate:
    if reply.positive:
        return Fate.DELIVERED
    return Fate.FAILED if reply.permanent else Fate.DEFERRED


def _is_dead(answer: Answer) -> bool:
    # 421 to the first command: the server closes idle connections in its own way
    return answer.reply.code in (400, 421)
