"""A unix socket that somebody else has opened, given to the reactor as it is."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import tcp, unix
from twisted.python.failure import Failure


class AdoptedUnixPort(unix.Port):
    """Twisted's own makes an adopted socket writable to the world, shuts it down for everybody, and removes its file.

    That is wrong for LMTP, where who may connect may deliver to everybody, and for a socket of systemd's, which is to
    be there when we come back.
    """

    def __init__(self, opened: socket.socket, factory: Any, reactor: Any) -> None:
        super().__init__(opened.getsockname(), factory, reactor=reactor)
        # a descriptor of its own: the caller closes the one it has
        self._opened = opened.dup()

    def startListening(self) -> None:  # noqa: N802  # Twisted calls it
        """Begin to accept, and change nothing."""
        # a descriptor for saying no when there are no others left; all ports share it
        tcp._reservedFD.reserve()
        assert self.factory is not None
        self.factory.doStart()
        self._shouldShutdown = False
        self.connected = True
        self.socket = self._opened
        self.fileno = self.socket.fileno  # type: ignore[method-assign]  # as Twisted's ports do
        self.numberAccepts = 100
        self.startReading()

    def connectionLost(self, reason: Failure) -> None:
        """Stop, and leave the file to whoever made it."""
        tcp.Port.connectionLost(self, reason)
