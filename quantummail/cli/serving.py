"""Running the server: by ourselves, or by twistd."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService, MultiService
from twisted.logger import ILogObserver, globalLogBeginner
from twisted.python.components import Componentized

from quantummail import logs
from quantummail.cli.command import EX_CONFIG, EX_USAGE
from quantummail.cli.options import Options
from quantummail.cli.owner import become_owner
from quantummail.config import Config, ConfigError, config_path, load

if TYPE_CHECKING:
    from quantummail.service import QuantumMailService, StartRefused

# What systemd says, before twisted.internet.endpoints is imported: that takes LISTEN_PID and LISTEN_FDS for itself
_ENVIRON = dict(os.environ)


def main(arguments: list[str] | None = None) -> int:
    """The program ``quantummail``: run a command. Ends by SystemExit, except when there was none to run."""
    options = Options()
    options.parseOptions(sys.argv[1:] if arguments is None else arguments)
    print(options)  # noqa: T201  # without a command: which there are
    return EX_USAGE


def serve(config: Config) -> int:
    """Run the server until it is stopped. Returns the exit code."""
    # What is loaded during the start stays: to collect it again and again only takes time (service/server.py goes on)
    gc.disable()
    # The reactor is installed here, for a server, and not when commands are parsed
    from twisted.internet import reactor

    observer = logs.observer(config.server.log, config.server.log_level)
    globalLogBeginner.beginLoggingTo([observer])
    service = _service(config, reactor)
    try:
        service.privilegedStartService()
        become_owner(config.server.data_dir)
        service.startService()
    except _refusal() as refused:
        return _say_why(refused)
    core: Any = reactor
    core.addSystemEventTrigger("before", "shutdown", service.stopService)
    _gather(observer, core)
    core.run()
    return service.exit_code


def makeService(options: Options) -> IService:
    """The service for twistd (twisted.application.service.IServiceMaker)."""
    from twisted.internet import reactor

    try:
        config = load(config_path(options["config"]))
    except ConfigError as error:
        for problem in error.problems:
            print(f"quantummail: {problem}", file=sys.stderr)  # noqa: T201  # twistd has no log yet
        raise SystemExit(EX_CONFIG) from None
    service = _service(config, reactor)
    atexit.register(_exit_as, service)
    return TwistdService(service, _twistd_observer(config, options.parent))


class TwistdService(MultiService):
    """The server under twistd: its log looks like ours, and a refusal to start has its exit code."""

    def __init__(self, service: QuantumMailService, observer: logs.LogFile | None) -> None:
        super().__init__()
        self._observer = observer
        service.setServiceParent(self)

    def setServiceParent(self, parent: Any) -> None:
        """Called with twistd's Application, whose log observer we become."""
        if self._observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """Begin to start, or end the program with the reason."""
        try:
            super().privilegedStartService()
        except _refusal() as refused:
            raise SystemExit(_say_why(refused)) from None

    def startService(self) -> None:
        """Start, or end the program with the reason."""
        try:
            super().startService()
        except _refusal() as refused:
            raise SystemExit(_say_why(refused)) from None
        if self._observer is not None:
            # after the fork: the thread that serves
            from twisted.internet import reactor

            _gather(self._observer, reactor)


def _gather(observer: logs.LogFile, reactor: Any) -> None:
    """Log in batches while the reactor runs, and lose nothing at the end."""
    observer.gather(lambda flush: reactor.callLater(0, flush))
    atexit.register(observer.flush)


def _service(config: Config, reactor: Any) -> QuantumMailService:
    # Loads everything: commands do without
    from quantummail.service import QuantumMailService

    return QuantumMailService(config, reactor, _ENVIRON)


def _refusal() -> type[StartRefused]:
    from quantummail.service import StartRefused

    return StartRefused


def _say_why(refused: StartRefused) -> int:
    # Twisted's log has taken sys.stderr
    print(f"quantummail: {refused}", file=sys.__stderr__)  # the reason must be seen at once
    return refused.code


def _twistd_observer(config: Config, twistd: Any) -> logs.LogFile | None:
    """Our observer for what twistd was asked for; None where it was asked for a log of its own."""
    if twistd["logger"] or twistd.get("syslog"):
        return None
    name = twistd["logfile"] or ("-" if twistd["nodaemon"] else "twistd.log")
    if name == "-":
        return logs.observer(config.server.log, config.server.log_level)
    # a descriptor that lives as long as the process
    stream = open(name, "a", encoding="utf-8")  # noqa: SIM115  # see above
    return logs.observer(config.server.log, config.server.log_level, stream)


def _exit_as(service: QuantumMailService) -> None:
    """End with the server's exit code: twistd has no way to ask for another one than 0 after the reactor."""
    if service.exit_code:
        sys.stdout.flush()
        os._exit(service.exit_code)
