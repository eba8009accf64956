"""Connections that are kept open for the next message to the same place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, DeferredList

if TYPE_CHECKING:
    from collections.abc import Hashable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from quantummail.smtp.client import SMTPClient


class Connections:
    """Idle connections by where they go to. They are not kept for long: other servers have limits too."""

    def __init__(self, clock: IReactorTime, *, idle: float = 5.0, most_messages: int = 100) -> None:
        """
        :param idle: seconds for which a connection is kept.
        :param most_messages: how many messages go over one connection, where the other server says nothing.
        """
        self._clock = clock
        self._idle = idle
        self._most = most_messages
        self._kept: dict[Hashable, list[tuple[SMTPClient, IDelayedCall]]] = {}

    def take(self, place: Hashable) -> SMTPClient | None:
        """A connection to that place, if one is there: the youngest, so that others can end."""
        kept = self._kept.get(place, [])
        while kept:
            client, timer = kept.pop()
            timer.cancel()
            if not kept:
                del self._kept[place]
            if client.usable:
                return client
        return None

    def give(self, place: Hashable, client: SMTPClient) -> None:
        """Keep a connection, or end it if it has served enough."""
        if not client.usable or client.transactions >= (client.offer.most_mails or self._most):
            self._end(client)
            return
        timer = self._clock.callLater(self._idle, self._expired, place, client)
        self._kept.setdefault(place, []).append((client, timer))

    async def close(self) -> None:
        """End all of them."""
        ending = []
        for kept in self._kept.values():
            for client, timer in kept:
                timer.cancel()
                ending.append(Deferred.fromCoroutine(client.quit()))
        self._kept.clear()
        await DeferredList(ending, consumeErrors=True)

    def _expired(self, place: Hashable, client: SMTPClient) -> None:
        kept = [(one, timer) for one, timer in self._kept.pop(place, []) if one is not client]
        if kept:
            self._kept[place] = kept
        self._end(client)

    def _end(self, client: SMTPClient) -> None:
        # what becomes of a QUIT interests nobody
        Deferred.fromCoroutine(client.quit()).addErrback(lambda _failure: None)
