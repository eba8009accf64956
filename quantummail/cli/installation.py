"""Commands that make a server and keep it current: init, migrate, check-config."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from quantummail.cli import capabilities
from quantummail.cli.command import EX_DATAERR, EX_OK, EX_USAGE, Command, CommandFailed, warn, with_store
from quantummail.cli.owner import become_owner
from quantummail.cli.versions import say
from quantummail.config import ConfigError, Problem, template, values
from quantummail.config.values import Pair

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from quantummail.config import Config
    from quantummail.store.store import Store


class CheckConfig(Command):
    """Tell everything that is wrong with the configuration, or that nothing is.

    With --network also what other servers may hold against the addresses that mail goes out from.
    """

    synopsis = "[--network]"
    optFlags = [["network", None, "Ask DNS for the names of the addresses that mail goes out from."]]

    def run(self) -> int:
        """Read it; errors are raised with all of them."""
        config = self.configuration()
        _check_routes(config)
        for warning in [*config.warnings, *_check_certificates(config), *capabilities.doubts(config)]:
            warn(warning)
        if self["network"]:
            from quantummail.cli.network import sources_doubts

            for warning in sources_doubts(config):
                warn(f"[sending] {warning}")
        for name, section in config.listeners().items():
            say(f"{name}: {', '.join(map(str, section.listen))}")
        say(f"{self.config_path} is in order")
        return EX_OK


def _check_routes(config: Config) -> None:
    """Raises ConfigError for what `serve` would refuse."""
    sending = config.sending
    if sending.routes or sending.credentials is not None:
        from quantummail.service.outbound import read_rules  # loads everything that sends

        read_rules(config)
    if sending.sources or sending.ipv4 or sending.ipv6:
        from quantummail.service.outbound_sources import read_sources

        read_sources(config)


def _check_certificates(config: Config) -> list[str]:
    """Warnings about certificates. Raises ConfigError with all that `serve` would refuse."""
    from quantummail.tls import contexts  # loads OpenSSL, which other commands do not need

    tls = config.tls
    pairs = [("certificate", "private_key", Pair(tls.certificate, tls.private_key)),
             *(("additional_pairs", "additional_pairs", pair) for pair in tls.additional_pairs)]
    problems, warnings = [], []
    for certificate_key, private_key_key, pair in pairs:
        try:
            found = contexts.doubts(pair.certificate, pair.private_key)
        except contexts.CertificateError as error:
            key = private_key_key if error.path == pair.private_key else certificate_key
            hint = "" if error.path.exists() or key == "additional_pairs" else "; `quantummail init` makes one"
            problems.append(Problem("", "tls", key, str(error.path), error.text + hint))
        else:
            warnings += [f"[tls] {certificate_key} = {pair.certificate}: {doubt}" for doubt in found]
    if tls.client_ca is not None:
        try:
            contexts.check_authorities(tls.client_ca)
        except contexts.CertificateError as error:
            problems.append(Problem("", "tls", "client_ca", str(error.path), error.text))
    if problems:
        raise ConfigError(problems)
    return warnings


class Migrate(Command):
    """Bring the database to the revision that this program needs. Stop the server, and make a backup, before."""

    def run(self) -> int:
        """Migrate."""
        from quantummail.store import migrations  # loads SQLAlchemy, which check-config does not need

        config = self.configuration()
        become_owner(config.server.data_dir)
        before, after = migrations.upgrade(config.database.url)
        if before == after:
            say(f"the database has revision {after} already")
        else:
            say(f"the database has revision {after} now, it had {before or 'none'}")
        return EX_OK


class Init(Command):
    """Make everything a server needs: configuration, directories, certificate, database, domain, administrator.

    What is there is kept, so it can be run again at any time.
    """

    synopsis = "--domain DOMAIN [--hostname NAME] [--user NAME] [--systemd | --local]"
    optFlags = [
        ["local", None, ("For trying: listen on 127.0.0.1 with ports that need no rights, keep all data beside the "
                         "configuration file, and tell how to send and read the first mail.")],
        ["systemd", None, "Take the ports from systemd (`quantummail-*.socket`)."],
    ]
    optParameters = [
        ["domain", "d", None, "The domain whose mail the server takes."],
        ["hostname", None, None, "The name of the server [default: mail.DOMAIN; with --local: localhost]."],
        ["user", "u", None, "Make an account with this name too, with a generated password."],
    ]

    def run(self) -> int:
        """Make what is missing."""
        from quantummail.store.names import normal_address, normal_domain

        if self["domain"] is None:
            raise CommandFailed(EX_USAGE, "give the domain whose mail the server takes: --domain DOMAIN")
        domain = normal_domain(self["domain"])
        names = ["postmaster", *([self["user"]] if self["user"] else [])]
        addresses = [normal_address(f"{name}@{domain}") for name in names]
        self._write_configuration(domain)
        config = self.configuration()
        become_owner(config.server.data_dir)
        _make_directories(config)
        _make_certificate(config)
        _make_database(config)
        passwords = with_store(config, lambda store: _make_accounts(store, config, domain, addresses))
        if self["local"]:
            _tell_first_mail(config, self.config_path, addresses[-1], passwords[-1])
        return EX_OK

    def _write_configuration(self, domain: str) -> None:
        path = self.config_path
        if path.exists():
            say(f"kept {path}")
            return
        hostname = self["hostname"] or ("localhost" if self["local"] else f"mail.{domain}")
        try:
            settings = {("server", "hostname"): values.HOSTNAME.parse(hostname)}
        except ValueError:
            raise CommandFailed(EX_DATAERR, f"hostname {hostname!r}: {values.HOSTNAME.accepts}") from None
        listeners = template.production_listeners()
        if self["systemd"]:
            listeners = dict.fromkeys(listeners, "systemd")
            # the unit has made that directory, which is open to all
            settings["local", "socket"] = "/run/quantummail/local.sock"
        if self["local"]:
            settings["server", "data_dir"] = "."
            listeners = template.local_listeners()
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_new(path, template.example(settings, listeners))
        say(f"made {path}")


def _write_new(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o640)
        file.write(text)


def _make_directories(config: Config) -> None:
    for directory in (config.server.data_dir, config.server.data_dir / "spool", config.storage.mail_root):
        if not directory.is_dir():
            directory.mkdir(mode=0o700, parents=True)
            say(f"made {directory}/")
    config.server.data_dir.chmod(0o700)


def _make_certificate(config: Config) -> None:
    from quantummail.tls import selfsigned  # loads cryptography, which other commands do not need

    certificate, private_key = config.tls.certificate, config.tls.private_key
    if certificate.exists() and private_key.exists():
        say(f"kept {certificate}")
        return
    try:
        selfsigned.make(config.server.hostname, certificate, private_key)
    except FileExistsError as error:
        raise CommandFailed(EX_DATAERR, str(error)) from None
    names = " and ".join(dict.fromkeys((config.server.hostname, "localhost")))
    say(f"made {certificate}, self-signed for {names}")


def _make_database(config: Config) -> None:
    from quantummail.store import migrations

    before, after = migrations.upgrade(config.database.url)
    say(f"kept the database at revision {after}" if before == after else f"made the database, revision {after}")


async def _make_accounts(store: Store, config: Config, domain: str, addresses: Sequence[str]) -> list[str]:
    """Make the domain and the accounts that are missing. Their new passwords; empty for those that were there."""
    if any(present.name == domain for present in await store.domains.list()):
        say(f"kept domain {domain}")
    else:
        await store.domains.add(domain)
        say(f"made domain {domain}")
    return [await _make_account(store, config, address, admin=index == 0)
            for index, address in enumerate(addresses)]


async def _make_account(store: Store, config: Config, address: str, *, admin: bool) -> str:
    from quantummail.auth import passwords, scram

    if await store.users.find(address) is not None:
        say(f"kept {address}")
        return ""
    password = passwords.generate()
    storage, login = config.storage, config.login
    keys = None if login.scram == "no" else scram.derive(password, login.scram_iterations)
    await store.users.create(address, passwords.Passwords().hash(password), admin=admin, scram=keys,
                             quota_bytes=storage.quota, quota_messages=storage.quota_messages)
    say(f"made {'administrator' if admin else 'user'} {address}, password (shown only now): {password}")
    return password


def _tell_first_mail(config: Config, path: Path, address: str, password: str) -> None:
    ports = {name: section.listen[0].port for name, section in config.listeners().items()}
    secret = password or "PASSWORD"
    login = address.replace("@", "%40")
    say("")
    if not password:
        say("PASSWORD is the one that was shown when the account was made. To set another one:")
        program = sys.argv[0] if sys.argv[0].endswith("quantummail") else "quantummail"
        say(f"  {program} --config {path} user passwd {address} --generate")
    say("Send a mail, as another server would, and as a user does (in another terminal):")
    say(f"  swaks --server 127.0.0.1:{ports['smtp']} --tls --from friend@example.net --to {address}")
    say(f"  swaks --server 127.0.0.1:{ports['submission']} --tls --auth-user {address} "
        f"--auth-password {secret} --from {address} --to {address}")
    say("Read it:")
    say(f"  neomutt -f 'imaps://{login}:{secret}@127.0.0.1:{ports['imaps']}/INBOX'")
    say(f"  curl -k --user {address}:{secret} 'imaps://127.0.0.1:{ports['imaps']}/INBOX;UID=1'")
    say(f"  openssl s_client -quiet -crlf -connect 127.0.0.1:{ports['pop3s']}")
    say("")
