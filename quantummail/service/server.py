"""The whole server as one Twisted service."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from quantummail.config import ConfigError
from quantummail.service.listeners import CannotListen, Listener, open_all
from quantummail.service.lock import DataLock, Locked
from quantummail.service.outbound import read_rules
from quantummail.service.outbound_sources import read_sources
from quantummail.service.parts import Parts
from quantummail.service.refusal import EX_CONFIG, EX_TEMPFAIL, StartRefused
from quantummail.service.systemd import Notifier, inherited_sockets
from quantummail.store import migrations
from quantummail.store.errors import StoreError
from quantummail.tls.contexts import CertificateError, ServerTLS

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from twisted.internet.interfaces import IListeningPort

    from quantummail.config import Config
    from quantummail.wire.factory import ConnectionFactory

# A thread that computes gives way to the reactor after this, not after 5 ms: see docs/benchmarks.rst
_SWITCH_INTERVAL = 0.0005
# Seconds after the start
_SETTLED = 2.0


class QuantumMailService(MultiService):
    """Starts in this order: lock, keys, sockets, revision of the database, store, listeners. Stops in the reverse one.

    Nothing runs in a thread before `startService`: twistd forks between making and starting a service.
    """

    log: ClassVar[Logger] = Logger(namespace="quantummail.service")

    def __init__(
        self, config: Config, reactor: Any, environ: MutableMapping[str, str] = os.environ,
    ) -> None:
        super().__init__()
        self.setName("quantummail")
        self.config = config
        self.reactor = reactor
        self.exit_code = 0
        """What the process should end with. Not 0 when starting failed after `startService` had returned."""
        self.on_reload: Callable[[], object] = lambda: None
        """Called at SIGHUP, before certificates are read (the log file is opened again here)."""
        self._notifier = Notifier(environ)
        self._environ = environ
        self._privileged = False
        self._lock = DataLock(config.server.data_dir / "lock")
        self._tls: ServerTLS | None = None
        self._login_tls: ServerTLS | None = None
        self._parts: Parts | None = None
        self._listeners: list[Listener] = []
        self._factories: dict[str, ConnectionFactory] = {}
        self._ports: list[tuple[Listener, IListeningPort]] = []
        self._starting: Deferred[None] | None = None
        self._watchdog: LoopingCall | None = None

    # Starting.

    def privilegedStartService(self) -> None:
        """What may need rights that are given up then: lock, keys, ports. Raises StartRefused."""
        super().privilegedStartService()
        self._privileged = True
        self.log.info("{hostname} is starting", hostname=self.config.server.hostname)
        config = self.config
        for warning in config.warnings:
            self.log.warn("configuration: {warning}", warning=warning)
        if not config.server.data_dir.is_dir():
            raise StartRefused(EX_CONFIG, f"{config.server.data_dir} does not exist: run `quantummail init`")
        try:
            self._lock.acquire()
        except Locked as locked:
            raise StartRefused(EX_TEMPFAIL, (
                f"another server works in {config.server.data_dir} (process {locked})")) from None
        except OSError as error:
            raise StartRefused(EX_CONFIG, f"{config.server.data_dir}: {error.strerror}") from error
        try:
            pairs = [(pair.certificate, pair.private_key) for pair in config.tls.additional_pairs]
            pairs = [(config.tls.certificate, config.tls.private_key), *pairs]
            self._tls = ServerTLS(pairs, config.tls.minimum_version, config.tls.session_tickets)
            if config.tls.client_ca is not None:
                self._login_tls = ServerTLS(pairs, config.tls.minimum_version, client_ca=config.tls.client_ca)
            inherited = inherited_sockets(self._environ)
            self._listeners = open_all(config.listeners(), inherited)
        except CertificateError as error:
            raise self._refused(EX_CONFIG, f"[tls] {error}") from None
        except CannotListen as error:
            raise self._refused(EX_TEMPFAIL, str(error)) from None
        for name in sorted(inherited.keys() - {listener.inherited for listener in self._listeners}):
            self.log.warn("systemd listens for us as {name}, but no `listen` takes that", name=name)

    def startService(self) -> None:
        """Begin; what can be seen at once to be wrong raises StartRefused."""
        if not self._privileged:
            self.privilegedStartService()
        super().startService()
        sys.setswitchinterval(_SWITCH_INTERVAL)
        _raise_file_limit()
        self._check_routes()
        self._check_revision()
        self.reactor.callWhenRunning(self._take_signals)
        self._starting = Deferred.fromCoroutine(self._start())

    def _check_routes(self) -> None:
        # passwords for relays are read as who we are from now on
        try:
            read_rules(self.config)
            read_sources(self.config)
        except ConfigError as error:
            raise self._refused(EX_CONFIG, str(error)) from None

    def _check_revision(self) -> None:
        try:
            migrations.check(self.config.database.url)
        except migrations.NotReady as error:
            raise self._refused(EX_CONFIG, str(error)) from None
        except StoreError as error:
            raise self._refused(EX_TEMPFAIL, str(error)) from None

    def _refused(self, code: int, text: str) -> StartRefused:
        self._lock.release()
        return StartRefused(code, text)

    async def _start(self) -> None:
        assert self._tls is not None
        try:
            self._parts = Parts(self.config, self.reactor, self._tls, self._login_tls)
            await self._parts.start()
            self._listen(self._parts)
        except Exception:  # noqa: BLE001  # the edge of the start: without it nobody would stop the reactor
            self.log.failure("the server could not be started")
            self.exit_code = EX_TEMPFAIL
            self.reactor.callWhenRunning(self.reactor.stop)
            return
        # not before the first client is greeted
        self.reactor.callLater(_SETTLED, _keep_what_is_loaded)
        self.log.info("{hostname} is ready", hostname=self.config.server.hostname)
        self._notifier.ready("serving")
        if self._notifier.watchdog:
            self._watchdog = LoopingCall(self._notifier.alive)
            self._watchdog.clock = self.reactor
            self._watchdog.start(self._notifier.watchdog / 3)

    def _listen(self, parts: Parts) -> None:
        for listener in self._listeners:
            name = listener.name
            if name not in self._factories:
                self._factories[name] = parts.factory(name)
            factory = parts.on_the_wire(name, self._factories[name])
            self._ports.append((listener, listener.start(self.reactor, factory)))
            self.log.info("{listener} listens on {address}", listener=name, address=listener.address)

    # Signals.

    def _take_signals(self) -> None:
        """Our own handlers: Twisted's would end the process by the signal, and not with exit code 0."""
        def taken(number: int, _frame: object) -> None:
            self.reactor.callFromThread(self._signalled, signal.Signals(number))

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, taken)

    def _signalled(self, number: signal.Signals) -> None:
        if number == signal.SIGHUP:
            self.reload()
        elif self.running:
            self.log.info("{signal}: finishing what is running", signal=number.name)
            self.reactor.stop()

    def reload(self) -> None:
        """Read the certificates again. Connections stay."""
        self._notifier.reloading()
        self.on_reload()
        for tls in (self._tls, self._login_tls):
            if tls is not None:
                tls.reload()
        self._notifier.ready("serving")

    # Stopping.

    def stopService(self) -> Deferred[None]:
        """Finish what is running; fires when all is closed."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._notifier.stopping()
        if self._starting is not None:
            await self._starting
        await DeferredList([maybeDeferred(port.stopListening) for _, port in self._ports])
        patience = self.config.server.stop_after
        await DeferredList([factory.drain(patience) for factory in self._factories.values()])
        if self._watchdog is not None and self._watchdog.running:
            self._watchdog.stop()
        try:
            if self._parts is not None:
                await self._parts.stop()
        except Exception:  # noqa: BLE001  # the edge of the end: the process must end whatever happens
            self.log.failure("the store could not be closed in order")
            self.exit_code = EX_TEMPFAIL
        self._let_go()
        self.log.info("stopped")

    def _let_go(self) -> None:
        for listener, _ in self._ports:
            if listener.endpoint.kind == "unix":
                # root may have made it before it became another user
                with contextlib.suppress(OSError):
                    Path(listener.endpoint.path).unlink()
        self._lock.release()


def _keep_what_is_loaded() -> None:
    """What is loaded now stays: not to look at it again saves each collection 50 ms, in which nobody is served."""
    gc.collect()
    gc.freeze()
    gc.enable()


def _raise_file_limit() -> None:
    """A connection is a descriptor, and 1024 of them, the usual soft limit, are too few for a mail server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # A sandbox may forbid it
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
