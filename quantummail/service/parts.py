"""What the server is made of: store, logins, receivers, and one factory for each listener."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, cast

from twisted.protocols.tls import TLSMemoryBIOFactory

from quantummail.auth.hashing import Hashing
from quantummail.auth.login import Authenticator, LoginLimits
from quantummail.auth.secret import server_secret
from quantummail.imap.server import IMAPFactory, UserSessions
from quantummail.imap.settings import ImapSettings
from quantummail.pop3.maildrops import Maildrops
from quantummail.pop3.server import POP3Factory, Pop3Settings
from quantummail.service.local_mail import LocalMail
from quantummail.service.logins import introspection, methods
from quantummail.service.outbound import Outbound
from quantummail.service.receivers import Receivers
from quantummail.smtp.server import SMTPFactory
from quantummail.smtp.settings import SmtpSettings
from quantummail.store.store import Store
from quantummail.wire.admission import ConnectionLimits
from quantummail.wire.recorder import Recorder
from quantummail.wire.recordings import Recordings

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocolFactory

    from quantummail.config import Config, ImapSection, LmtpSection, Pop3Section, SmtpSection, SubmissionSection
    from quantummail.tls.contexts import ServerTLS
    from quantummail.wire.factory import ConnectionFactory

    MailSection = SmtpSection | SubmissionSection | LmtpSection
    Mode = Literal["mx", "submission", "lmtp"]

# TLS from the start of the connection (RFC 8314 3.3)
IMPLICIT_TLS = frozenset({"submissions", "lmtps", "imaps", "pop3s"})
_MODES: dict[str, Mode] = {
    "smtp": "mx", "submission": "submission", "submissions": "submission", "lmtp": "lmtp", "lmtps": "lmtp",
}


class Parts:
    """Makes the parts and holds those that all listeners share. `reactor` is what Twisted's interfaces ask for."""

    def __init__(self, config: Config, reactor: Any, tls: ServerTLS, login_tls: ServerTLS | None = None) -> None:
        """:param login_tls: for listeners where somebody logs in, if it differs."""
        self._config = config
        self._reactor = reactor
        self._tls = tls
        self._login_tls = login_tls or tls
        self._store = Store.open(
            reactor, config.database.url, config.storage.mail_root, config.server.data_dir / "spool",
            readers=config.database.readers, delimiter=config.delivery.recipient_delimiter)
        self._hashing = Hashing(reactor, threads=config.login.threads)
        self._authenticator = Authenticator(
            self._store.users, self._hashing, reactor, _login_limits(config), methods(config),
            introspection(config, reactor))
        self._outbound = Outbound(config, self._store, reactor)
        self._receivers = Receivers(config, self._store, self._authenticator, self._outbound, reactor)
        local = config.local
        self._local_mail = LocalMail(
            reactor, self._receivers.local(), self._store.bodies, socket_path=local.socket,
            socket_mode=local.socket_mode, drop_directory=local.drop_directory)
        self._sessions = UserSessions()
        self._maildrops = Maildrops(self._store)
        self._factories: list[ConnectionFactory] = []
        self._recorder = Recorder(
            Recordings(config.server.data_dir / "recordings"), reactor,
            lambda: chain.from_iterable(factory.connections for factory in self._factories))

    async def start(self) -> None:
        """Start what has threads, and recover what a crash left behind."""
        self._hashing.start()
        await self._store.start(serving=True)
        self._store.suppressions.keep = self._config.limits.suppress_for
        if self._config.journey.record:
            self._store.journey.begin(self._config.journey.keep)
        await self._outbound.start()
        self._authenticator.methods.secret = server_secret(self._config.server.data_dir / "secret")
        await self._authenticator.methods.look()
        self._recorder.start()
        self._local_mail.start()

    async def stop(self) -> None:
        """Finish, and close the store."""
        self._recorder.stop()
        await self._local_mail.stop()
        await self._outbound.stop()
        self._hashing.stop()
        await self._store.stop()

    def factory(self, name: str) -> ConnectionFactory:
        """The factory of the listener with this section."""
        factory = self._made(name)
        if _MODES.get(name) not in ("mx", "lmtp"):
            factory.recorder = self._recorder
            self._factories.append(factory)
        return factory

    def _made(self, name: str) -> ConnectionFactory:
        section = getattr(self._config, name)
        limits = ConnectionLimits(
            section.max_connections, section.max_connections_per_client, section.max_connections_per_minute)
        if name in _MODES:
            return self._smtp(name, limits, section)
        if name in ("imap", "imaps"):
            return self._imap(name, limits, section)
        return self._pop3(name, limits, section)

    def on_the_wire(self, name: str, factory: ConnectionFactory) -> IProtocolFactory:
        """The factory as the reactor gets it: behind TLS, where the connection begins with it."""
        if name in IMPLICIT_TLS:
            return cast("IProtocolFactory", TLSMemoryBIOFactory(self._tls_of(name), False, factory, self._reactor))
        return cast("IProtocolFactory", factory)

    def _tls_of(self, name: str) -> ServerTLS:
        # only where a certificate could be used are clients asked for one: some programs then ask their users
        return self._tls if _MODES.get(name) in ("mx", "lmtp") else self._login_tls

    def _smtp(self, name: str, limits: ConnectionLimits, section: MailSection) -> ConnectionFactory:
        settings = SmtpSettings(
            hostname=self._config.server.hostname, mode=_MODES[name], implicit_tls=name in IMPLICIT_TLS,
            plaintext_login=self._plaintext_login, require_tls=getattr(section, "require_tls", False),
            binarymime=section.binarymime, normalize_line_ends=section.bare_newlines == "normalize",
            disabled=frozenset(section.disabled_capabilities),
            max_size=section.max_message_size, max_recipients=section.max_recipients,
            max_messages=section.max_messages, max_errors=section.max_errors, max_junk=section.max_junk_commands,
            max_logins=getattr(section, "max_login_attempts", 0), command_timeout=section.idle_timeout,
            data_timeout=section.data_timeout)
        return SMTPFactory(name, self._reactor, limits, settings, self._receivers.maker(name), self._tls_of(name))

    def _imap(self, name: str, limits: ConnectionLimits, section: ImapSection) -> ConnectionFactory:
        settings = ImapSettings(
            hostname=self._config.server.hostname, implicit_tls=name in IMPLICIT_TLS,
            plaintext_login=self._plaintext_login, message_limit=section.max_message_size,
            idle_timeout=section.idle_timeout, login_timeout=section.login_timeout,
            login_attempts=section.max_login_attempts, login_delay=section.login_delay,
            search_timeout=section.search_timeout,
            messages_per_command=section.max_messages_per_command, annotation_size=section.max_annotation_size,
            annotations=section.max_annotations, contact=section.contact,
            connections_per_user=section.max_connections_per_user,
            disabled=frozenset(section.disabled_capabilities))
        return IMAPFactory(
            name, self._reactor, limits, settings, self._store, self._authenticator, self._login_tls, self._sessions)

    def _pop3(self, name: str, limits: ConnectionLimits, section: Pop3Section) -> ConnectionFactory:
        settings = Pop3Settings(
            hostname=self._config.server.hostname, implicit_tls=name in IMPLICIT_TLS,
            plaintext_login=self._plaintext_login, max_messages=section.max_messages,
            max_failed_logins=section.max_login_attempts, max_errors=section.max_errors,
            login_timeout=section.login_timeout, idle_timeout=section.idle_timeout,
            disabled=frozenset(section.disabled_capabilities))
        return POP3Factory(
            name, self._reactor, limits, settings, self._maildrops, self._authenticator, self._login_tls)

    @property
    def _plaintext_login(self) -> bool:
        return self._config.server.plaintext_login == "loopback"


def _login_limits(config: Config) -> LoginLimits:
    login = config.login
    return LoginLimits(
        free=login.free_failures, max_delay=login.max_delay,
        client=login.client_failures, client_per_hour=login.client_failures_per_hour,
        network=login.network_failures, network_per_hour=login.network_failures_per_hour,
        account=login.account_failures, account_per_hour=login.account_failures_per_hour,
        known=login.known_failures, known_per_hour=login.known_failures_per_hour, known_for=login.known_for)
