"""Sockets: opened by us or by systemd, and given to the reactor when the store is ready."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from quantummail.service.unix_port import AdoptedUnixPort
from quantummail.wire.prompt import PromptServer

if TYPE_CHECKING:
    from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorSocket

    from quantummail.config import Endpoint, ListenerSection

# What waits in the kernel while we are busy; it takes at most net.core.somaxconn
_BACKLOG = 1024


class CannotListen(Exception):
    """An address cannot be listened on. The text says which, and why."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One open socket, and the name of the section that it belongs to."""

    name: str
    endpoint: Endpoint
    socket: socket.socket
    address: str
    """Where it listens, for readers."""

    @property
    def inherited(self) -> str:
        """The name under which systemd gave it to us; empty if we opened it."""
        return (self.endpoint.name or self.name) if self.endpoint.kind == "fd" else ""

    def start(self, reactor: IReactorSocket, factory: IProtocolFactory) -> IListeningPort:
        """Begin to accept; who connected meanwhile has waited. The reactor has a descriptor of its own then."""
        try:
            if self.socket.family == socket.AF_UNIX:
                port = AdoptedUnixPort(self.socket, factory, reactor)
                port.startListening()
                return cast("IListeningPort", port)
            # Twisted's annotation asks for its own base class; what it uses is IProtocolFactory
            adopted: Any = reactor.adoptStreamPort(self.socket.fileno(), self.socket.family, cast("Any", factory))
            adopted.transport = PromptServer
            return cast("IListeningPort", adopted)
        finally:
            self.socket.close()


def open_all(
    sections: dict[str, ListenerSection], inherited: dict[str, list[socket.socket]],
) -> list[Listener]:
    """Open every socket of the configuration. Raises CannotListen, and leaves none open then."""
    opened: list[Listener] = []
    try:
        for name, section in sections.items():
            for endpoint in section.listen:
                for opened_socket in _open(name, endpoint, section.socket_mode, inherited):
                    # A blocking one would stop the whole server at the second accept
                    opened_socket.setblocking(False)
                    opened.append(Listener(name, endpoint, opened_socket, _address(opened_socket)))
    except CannotListen:
        for listener in opened:
            listener.socket.close()
        raise
    return opened


def _open(
    name: str, endpoint: Endpoint, mode: int, inherited: dict[str, list[socket.socket]],
) -> list[socket.socket]:
    try:
        if endpoint.kind == "tcp":
            return [_open_tcp(endpoint)]
        if endpoint.kind == "unix":
            return [open_unix(endpoint.path, mode)]
    except OSError as error:
        raise CannotListen(f"[{name}] cannot listen on {endpoint}: {_reason(error)}") from error
    wanted = endpoint.name or name
    sockets = inherited.get(wanted, [])
    if not sockets:
        raise CannotListen(f"[{name}] systemd gave us no socket named {wanted!r} (FileDescriptorName=)")
    return sockets


def _address(opened: socket.socket) -> str:
    bound = opened.getsockname()
    if opened.family == socket.AF_UNIX:
        return f"unix:{bound}"
    return f"[{bound[0]}]:{bound[1]}" if opened.family == socket.AF_INET6 else f"{bound[0]}:{bound[1]}"


def _reason(error: OSError) -> str:
    if error.errno == errno.EACCES:
        return "permission denied; ports below 1024 need socket activation or CAP_NET_BIND_SERVICE"
    if error.errno == errno.EADDRINUSE:
        return "another program listens there"
    return error.strerror or str(error)


def _open_tcp(endpoint: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((endpoint.host, endpoint.port))
        opened.listen(_BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened


def open_unix(path: str, mode: int) -> socket.socket:
    """Listen on a unix socket; one that a killed server has left behind is replaced. OSError when it cannot be."""
    _remove_stale(path)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Nobody may connect before the permissions are set
        before = os.umask(0o177)
        try:
            opened.bind(path)
        finally:
            os.umask(before)
        Path(path).chmod(mode)
        opened.listen(_BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened


def _remove_stale(path: str) -> None:
    """Remove a socket that a server left behind when it was killed; one that answers stays."""
    if not Path(path).is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink(missing_ok=True)
