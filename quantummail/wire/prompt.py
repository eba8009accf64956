"""A TCP transport that sends at once what it is given, instead of asking the reactor to do so in its next turn.

An answer then costs one system call; the detour costs two changes of the epoll set and a turn of the reactor besides,
an eighth of what a message takes altogether. Only when the kernel does not take everything is it the reactor's turn.
The same holds for the end of a connection, if it comes in answer to what the peer has sent and nothing waits.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.main import CONNECTION_DONE
from twisted.internet.tcp import Server


class PromptServer(Server):
    """The server side of an accepted connection. Set it as `transport` of a listening `twisted.internet.tcp.Port`."""

    _waiting_for_epoll = False
    _reading = False
    _ended = False

    def doRead(self) -> Any:  # noqa: N802  # Twisted calls it
        """Called when the peer has sent something."""
        self._reading = True
        why = super().doRead()
        self._reading = False
        # the reactor closes the connection for it, as it does when the peer has ended it
        return CONNECTION_DONE if self._ended else why

    def loseConnection(self) -> None:
        """Called to end the connection behind everything that waits."""
        if self._reading and self.connected and not self.disconnecting and not self.TLS and not self._waits():
            self.disconnecting = self._ended = True
        else:
            super().loseConnection()

    def _waits(self) -> bool:
        """Whether something is still to be done before the end."""
        return bool(self._tempDataLen or self.dataBuffer or self.producer is not None or self._writeDisconnected)

    def startWriting(self) -> None:
        """Called for octets that were just buffered, and to end the connection behind them."""
        if self._waiting_for_epoll:
            return
        # Older octets that wait, or nothing to send (the end of the connection): as usual
        if self._tempDataLen and not self.dataBuffer and not self.disconnecting and self.doWrite() is None \
                and not self._tempDataLen and not self.dataBuffer:
            return
        self._waiting_for_epoll = True
        super().startWriting()

    def stopWriting(self) -> None:
        """Called when everything is sent."""
        if self._waiting_for_epoll:
            self._waiting_for_epoll = False
            super().stopWriting()
