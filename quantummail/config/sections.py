"""Every setting there is, with kind, default and meaning: the parser and the manual are made from this.

A class is a section, a field is a key; a docstring is what the manual says about the section. In defaults and
values ``{data_dir}`` stands for the data directory.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

from quantummail.config import values
from quantummail.config.values import Certified, Endpoint, Kind, Network, Pair

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Key:
    """What is known about one key. The default is written as it would be in the file."""

    kind: Kind[Any]
    default: str
    meaning: str


def key(kind: Kind[T], default: str, meaning: str) -> T:
    """Declare a key of a section."""
    return cast("T", field(metadata={"key": Key(kind, default, meaning)}))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSection:
    """What the server is called, where it keeps its data, and what it says about its work."""

    hostname: str = key(values.HOSTNAME, "localhost", (
        "The name in greetings and in `Received`: the one that the MX record and the PTR record of the "
        "address say."))
    data_dir: Path = key(values.PATH, "/var/lib/quantummail", "The directory of the database and the spool.")
    plaintext_login: str = key(values.one_of("never", "loopback"), "never", (
        "Whether passwords are taken without TLS: never, or from clients on this machine (127.0.0.0/8, "
        "::1)."))
    log: str = key(values.one_of("auto", "text", "json"), "auto", (
        "How the log is written: lines to read, JSON (one object a line), or auto: text on a terminal, "
        "otherwise JSON."))
    log_level: str = key(values.one_of("debug", "info", "warn", "error"), "info", (
        "The least important events that are logged."))
    stop_after: float = key(values.DURATION, "10s", (
        "How long running commands may take to finish when the server stops."))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSection:
    """Where accounts, mailboxes and the index of messages are."""

    url: str = key(values.DATABASE, "sqlite:///{data_dir}/quantummail.sqlite", "The database.")
    readers: int = key(values.THREADS, "4", "Threads that read from the database.")


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSection:
    """Where messages are, and how much each account may keep."""

    mail_root: Path = key(values.PATH, "{data_dir}/mail", (
        "The directory of the Maildirs, `<mail_root>/<domain>/<user>/`."))
    quota: int = key(values.SIZE, "0", "The quota in octets that new accounts get; 0 means none.")
    quota_messages: int = key(values.COUNT, "0", (
        "The quota in messages that new accounts get; 0 means none."))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySection:
    """What holds for every message, whichever way it comes."""

    recipient_delimiter: str = key(values.DELIMITER, "+", (
        "Mail to `user+anything@domain` goes to `user@domain`; empty switches this off."))
    max_hops: int = key(values.POSITIVE, "50", (
        "A message with more `Received` fields than this is in a loop, and refused."))
    tarpit_after: int = key(values.COUNT, "3", (
        "Refused recipients of one connection that are answered at once."))
    tarpit_delay: float = key(values.DURATION, "1s", (
        "How long the answer to each further one is held back: guessing addresses takes time."))


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSection:
    """Whom we ask for names. Mail is best served by a resolver on the same machine that validates (unbound)."""

    servers: tuple[Endpoint, ...] = key(values.SERVERS, "", (
        "Recursive resolvers, the best first; empty: those of /etc/resolv.conf."))
    timeout: float = key(values.DURATION, "5s", "How long one resolver may take for one answer; each is asked twice.")
    validating: str = key(values.one_of("auto", "yes", "no"), "auto", (
        "Whether the resolvers check DNSSEC and nobody can change their answers on the way: only then DANE is "
        "used. auto: if all of them are on this machine."))


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingSection:
    """How mail goes to other servers."""

    routes: tuple[str, ...] = key(values.RULES, "", (
        "Where mail goes that is not delivered here or by MX; the first rule that applies counts. A pattern is a "
        "domain, `.domain` for everything below it, an address, or `*`; with `from` it is about the sender. A "
        "target is `mx`, `smtp://host:port`, `submission://user@host`, `submissions://user@host`, "
        "`lmtp://host:port` or `lmtp:/path/of/socket`, with `?tls=` none, opportunistic, encrypt or verify. A "
        "smarthost for everything is `* submission://user@relay.example`."))
    credentials: Path | None = key(values.OPTIONAL_PATH, "", (
        "A file with `user@host password` in each line, for the targets of `routes`; readable by us alone."))
    ipv4: str = key(values.ADDRESS, "", (
        "The local address that mail goes out from, if nothing else is said; empty: what the system chooses."))
    ipv6: str = key(values.ADDRESS, "", "The same for IPv6.")
    sources: tuple[str, ...] = key(values.SOURCES, "", (
        "Other local addresses, and whose mail goes out from them: `pattern name address`, with a second address for "
        "the other family; the first that applies counts. A pattern is a domain, `.domain` for everything below it, an "
        "address, or `*`, and is about the sender, with `to` in front about the recipient. The name is what is said "
        "there (EHLO): the PTR record of the address should say the same."))
    source_url: str = key(values.URL, "", (
        "A web service that is asked where a message goes out from, with sender, recipient and domain; "
        "docs/operations.rst tells how. Where it does not answer, or names an address that this machine has not, it is "
        "as if it were not there."))
    source_timeout: float = key(values.DURATION, "5s", "How long it may take.")
    source_retries: int = key(values.COUNT, "3", "How often it is asked again.")
    source_remembered_for: float = key(values.DURATION, "5m", (
        "How long its answer holds for mail from the same sender to the same domain."))
    family: str = key(values.one_of("any", "ipv4", "ipv6"), "any", (
        "Which addresses of mail hosts are tried: any begins with IPv6."))
    port: int = key(values.PORT, "25", "The port of other servers; another one than 25 is for test networks.")
    address_literals: bool = key(values.YES_NO, "no", "Whether mail may go to `user@[192.0.2.1]`.")
    connections_per_operator: int = key(values.POSITIVE, "20", (
        "Connections at once to the mail hosts of one operator, whatever domains it serves."))
    messages_per_connection: int = key(values.POSITIVE, "100", "Messages in one connection.")
    idle: float = key(values.DURATION, "5s", "How long a connection is kept open for the next message.")
    tls: tuple[tuple[str, str], ...] = key(values.TLS_LEVELS, "", (
        "How much protection mail to some domains needs: `domain level`, `.domain level` for everything below it, or "
        "`* level`; the first that applies counts. none: no TLS. opportunistic: TLS if it can be had, whatever the "
        "domain asks for. encrypt: TLS with any certificate, or later. verify: TLS with a certificate that proves "
        "the host, or later. dane-only: TLS as TLSA records say, or later. With encrypt and verify, what the domain "
        "asks for (DANE, MTA-STS) still counts."))
    dane: bool = key(values.YES_NO, "yes", (
        "Whether hosts are held to their TLSA records; needs resolvers that are trusted with DNSSEC: `[dns] "
        "validating`."))
    mta_sts: bool = key(values.YES_NO, "yes", "Whether domains are held to their MTA-STS policies.")
    https_port: int = key(values.PORT, "443", (
        "The port of web servers that have policies and take reports; another one than 443 is for test networks."))
    private_networks: tuple[Network, ...] = key(values.NETWORKS, "", (
        "Networks with private addresses where such web servers may be. Without this only public addresses are "
        "connected to: others say where we are to go."))
    tls_reports: bool = key(values.YES_NO, "yes", (
        "Whether domains that ask for it are told once a day how TLS went on connections to them."))
    report_organization: str = key(values.TEXT, "", (
        "Who tells them; empty: the registered domain of `[server] hostname`."))
    report_contact: str = key(values.MAIL_ADDRESS, "", (
        "The address that such reports come from; its domain should have keys for DKIM. Empty: postmaster at the "
        "registered domain of `[server] hostname`."))
    keep_tls_results: int = key(values.DAYS, "30", "For how many days the counts for such reports are kept.")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhooksSection:
    """How web servers are told what becomes of mail; `quantummail webhook add` says which."""

    timeout: float = key(values.DURATION, "10s", "How long one request may take.")
    retries: int = key(values.COUNT, "3", "How often a request that failed is made again.")
    first_retry: float = key(values.DURATION, "5s", (
        "The wait before the first of them; each further one is ten times as long."))
    longest_wait: float = key(values.DURATION, "1h", "No wait is longer.")
    at_once: int = key(values.POSITIVE, "10", "Web servers that are told at the same time.")
    ports: tuple[int, ...] = key(values.PORTS, "443", "Ports that webhooks may have.")
    plain_http: bool = key(values.YES_NO, "no", "Whether webhooks may be `http://`: everybody on the way reads it.")
    private_networks: tuple[Network, ...] = key(values.NETWORKS, "", (
        "Networks with private addresses where webhooks may be. Without this only public addresses are "
        "connected to: who may add a webhook must not reach what only this machine reaches."))
    keep_history: float = key(values.DURATION, "7d", (
        "How long events are kept, told or not, with every attempt."))


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSection:
    """Mail from programs of this machine: cron, monitoring, scripts (`sendmail`). No passwords: the kernel says who."""

    socket: Path | None = key(values.OPTIONAL_PATH, "{data_dir}/local.sock", (
        "Where the command `sendmail` finds the server; empty: nowhere. The data directory is closed to all but root "
        "and the server: for all users of the machine take `/run/quantummail/local.sock`."))
    socket_mode: int = key(values.MODE, "0666", (
        "Permissions of the socket: whoever may write to it may send, in his own name."))
    drop_directory: Path | None = key(values.OPTIONAL_PATH, "{data_dir}/drop", (
        "Where `sendmail` leaves messages while the server is down; empty: nowhere. Root may do so, and the members "
        "of its group if they can reach it."))
    domain: str = key(values.OPTIONAL_HOSTNAME, "", (
        "What stands behind the @ of local names: root is `root@domain`. Empty: `[server] hostname`."))
    aliases: Path | None = key(values.OPTIONAL_PATH, "/etc/aliases", (
        "Whom mail to local names is for, as sendmail has it; no programs, files or lists. A name that is not there "
        "goes to our administrators, if it is a user of the machine."))
    users: tuple[str, ...] = key(values.WORDS, "*", "Users of the machine who may send; `*`: all.")
    senders: tuple[str, ...] = key(values.GRANTS, "root *", (
        "Who may write as somebody else than `user@domain`, in From and as sender: `user address`, `user @domain` or "
        "`user *`."))
    max_message_size: int = key(values.SIZE, "50M", "The biggest message.")
    max_recipients: int = key(values.POSITIVE, "1000", "Recipients of one message.")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSection:
    """Mail that was accepted and is not delivered yet."""

    first_retry: float = key(values.DURATION, "4m", (
        "The wait before the second attempt; each further one is twice as long."))
    longest_wait: float = key(values.DURATION, "4h", "No wait between attempts is longer.")
    lifetime: float = key(values.DURATION, "5d", (
        "How long delivery is tried before the sender gets a bounce; RFC 5321 asks for 4 to 5 days."))
    warn_after: float = key(values.DURATION, "4h", "When the sender is warned that it takes long.")
    warn: str = key(values.one_of("always", "asked", "never"), "always", (
        "Who is warned: every sender, those who asked for it (NOTIFY=DELAY), or nobody."))
    deliveries: int = key(values.POSITIVE, "100", "Messages that are tried at the same time.")
    deliveries_per_destination: int = key(values.POSITIVE, "20", "How many of them for one destination.")
    in_memory: int = key(values.POSITIVE, "10000", (
        "Recipients that wait in memory; more wait in the database."))
    keep_history: float = key(values.DURATION, "30d", (
        "How long it is kept what became of messages, attempt by attempt."))


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneySection:
    """What is kept of what happened to each message, for `quantummail why`."""

    record: bool = key(values.YES_NO, "yes", "Whether it is kept at all.")
    keep: float = key(values.DURATION, "30d", "For how long.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSection:
    """How much users may send, and to whom not. A stolen password is worth less, and our addresses stay welcome."""

    mails_per_minute_per_sender: int = key(values.COUNT, "50", (
        "Mails that one sender address may send in a minute; then 450 until there is room again. 0 means no limit."))
    mails_per_minute: int = key(values.COUNT, "100", (
        "Mails that one account may send in a minute, whatever addresses it writes under; 0 means no limit."))
    recipients_per_day: int = key(values.COUNT, "10000", (
        "Recipients elsewhere that one account may write to in a day; then 452. Outlives a restart. 0 means no limit."))
    suppress_for: float = key(values.DURATION, "90d", (
        "How long nobody may write to an address whose server has said that it does not exist; see `quantummail "
        "suppression`. 0 means that only addresses count that an administrator has added."))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSection:
    """How fast passwords may be guessed. These limits hold for all protocols together."""

    threads: int = key(values.THREADS, "2", (
        "Threads that compute password hashes. Each takes 19 MB and one processor while it does."))
    free_failures: int = key(values.COUNT, "3", (
        "Failed logins after which each further one makes the next answer a second later."))
    max_delay: float = key(values.DURATION, "10s", "The longest such delay.")
    client_failures: int = key(values.COUNT, "30", "Failed logins at once from one address; 0: no limit.")
    client_failures_per_hour: int = key(values.POSITIVE, "60", "How many more an hour.")
    network_failures: int = key(values.COUNT, "120", (
        "Failed logins at once from one network (/24 of IPv4, /48 of IPv6); 0: no limit."))
    network_failures_per_hour: int = key(values.POSITIVE, "600", "How many more an hour.")
    account_failures: int = key(values.COUNT, "60", (
        "Failed logins at once for one account, from addresses it was not used from; 0: no limit."))
    account_failures_per_hour: int = key(values.POSITIVE, "60", "How many more an hour.")
    known_failures: int = key(values.COUNT, "60", (
        "Failed logins at once for one account, from addresses that it was used from; 0: no limit."))
    known_failures_per_hour: int = key(values.POSITIVE, "240", "How many more an hour.")
    known_for: float = key(values.DURATION, "30d", (
        "How long an address is known to be the account's after a login."))
    scram: str = key(values.one_of("auto", "yes", "no"), "auto", (
        "Whether SCRAM-SHA-256 is offered, by which a password is proved and not sent: auto does so as soon as "
        "every account has the keys for it. Passwords that are set bring them; an account from before gets them "
        "at its next login with a password. With yes, programs that prefer SCRAM cannot log in to accounts "
        "without keys."))
    scram_iterations: int = key(values.ITERATIONS, "65536", (
        "What SCRAM costs whoever guesses, and a client at each login. 65536 takes our processor 16 ms, and is "
        "the most that Cyrus SASL takes as a client."))
    certificates: tuple[Certified, ...] = key(values.CERTIFIED, "", (
        "Which account a client certificate lets in (EXTERNAL), where that is not the e-mail address in it. "
        "Needs `[tls] client_ca`."))


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthSection:
    """Logins with tokens (OAUTHBEARER, XOAUTH2), which an authorization server is asked about (RFC 7662)."""

    introspection_url: str = key(values.URL, "", (
        "Where tokens are asked about; empty: no logins with tokens."))
    client_id: str = key(values.TEXT, "", "Who we are there.")
    client_secret: str = key(values.TEXT, "", (
        "Our secret there. `QUANTUMMAIL_OAUTH_CLIENT_SECRET` in the environment keeps it out of this file."))
    username_claims: tuple[str, ...] = key(values.WORDS, "username, email", (
        "What in the answer names the account; the first that is an address counts. `email` does not count "
        "where `email_verified` says no."))
    scopes: tuple[str, ...] = key(values.WORDS, "", "Scopes that a token must have, all of them.")
    audience: str = key(values.TEXT, "", "What a token must be meant for (`aud`); empty: anything.")
    timeout: float = key(values.DURATION, "10s", "How long we wait for the answer.")
    remembered_for: float = key(values.DURATION, "60s", (
        "How long an answer counts: a token that was revoked works for so long."))
    openid_configuration: str = key(values.URL, "", (
        "Where programs learn how to get tokens; told to those that come with a bad one."))


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSSection:
    """Certificates. SIGHUP reads them again; if the new ones are broken, the old ones stay in use."""

    certificate: Path = key(values.PATH, "{data_dir}/tls/certificate.pem", (
        "The certificate and its chain. Clients without SNI, or with a name that no certificate has, get "
        "this one."))
    private_key: Path = key(values.PATH, "{data_dir}/tls/private_key.pem", (
        "Its private key, readable by us alone."))
    additional_pairs: tuple[Pair, ...] = key(values.PAIRS, "", (
        "More certificates; each serves the names that are in it."))
    minimum_version: str = key(values.one_of("1.2", "1.3"), "1.2", (
        "The oldest version of TLS that clients may use."))
    client_ca: Path | None = key(values.OPTIONAL_PATH, "", (
        "Certificates (PEM) of authorities that vouch for our users: with one of theirs, whose e-mail address is "
        "an account's, a client logs in without password (EXTERNAL). Where logins are possible, clients are then "
        "asked for certificates, but need not have any, and TLS sessions are not resumed."))
    session_tickets: bool = key(values.YES_NO, "yes", (
        "Whether clients may resume a TLS session with a ticket."))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSection:
    """What all listeners have."""

    listen: tuple[Endpoint, ...] = key(values.ENDPOINTS, "", (
        "Where to listen; empty: this listener is off. `[::]` takes IPv6 only, so write `0.0.0.0:25, "
        "[::]:25` for both. `systemd` takes the sockets that a unit with `FileDescriptorName=` the name of "
        "this section has opened, `fd:NAME` those of another name."))
    socket_mode: int = key(values.MODE, "0660", "Permissions of unix sockets.")
    max_connections: int = key(values.COUNT, "1000", "Connections at once; 0 means no limit.")
    max_connections_per_client: int = key(values.COUNT, "50", (
        "Connections at once from one address (one /64 network of IPv6); 0 means no limit."))
    max_connections_per_minute: int = key(values.COUNT, "0", (
        "New connections a minute from one address; 0 means no limit."))


@dataclass(frozen=True, slots=True, kw_only=True)
class MailListenerSection(ListenerSection):
    """What all listeners have that take mail."""

    max_message_size: int = key(values.SIZE, "50M", "The biggest message; 0 means no limit.")
    max_recipients: int = key(values.POSITIVE, "1000", "Recipients of one message.")
    max_messages: int = key(values.POSITIVE, "10000", "Messages in one connection.")
    max_errors: int = key(values.POSITIVE, "20", "Refused commands after which the connection is closed.")
    max_junk_commands: int = key(values.POSITIVE, "100", (
        "Commands without mail (NOOP, RSET, VRFY ...) after which the connection is closed."))
    binarymime: bool = key(values.YES_NO, "no", (
        "Whether BINARYMIME (RFC 3030) is offered: only for programs that cope with NUL and bare line ends."))
    idle_timeout: float = key(values.DURATION, "5m", "How long we wait for the next command.")
    data_timeout: float = key(values.DURATION, "10m", "How long we wait for more of a message.")
    disabled_capabilities: tuple[str, ...] = key(values.NAMES, "", (
        "Extensions that are neither offered nor taken, in the words of EHLO: `CHUNKING, DSN`; mechanisms as "
        "`AUTH=LOGIN`."))
    bare_newlines: str = key(values.one_of("refuse", "normalize"), "refuse", (
        "A CR or LF alone inside a message (and on port 25 a LF alone behind a command): refuse it and close, or "
        "make it CRLF (for trusted networks with old programs only: others use it to smuggle mail)."))


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSection(MailListenerSection):
    """Mail from other servers (port 25). No logins, no relaying: recipients must be known here."""

    require_tls: bool = key(values.YES_NO, "no", (
        "Whether a client must begin TLS before it may send. A server that the whole Internet writes to "
        "does not."))


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionSection(MailListenerSection):
    """Mail from our users (submission: STARTTLS, port 587; submissions: TLS from the start, port 465)."""

    max_login_attempts: int = key(values.POSITIVE, "5", (
        "Failed logins after which the connection is closed."))


@dataclass(frozen=True, slots=True, kw_only=True)
class LmtpSection(MailListenerSection):
    """Mail from another mail server of ours (lmtp: STARTTLS; lmtps: TLS from the start).

    Whoever connects may deliver to every mailbox: listen on a unix socket, on loopback or in a closed net.
    """

    require_tls: bool = key(values.YES_NO, "no", "Whether a client must begin TLS before it may deliver.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImapSection(ListenerSection):
    """Mailboxes by IMAP (imap: STARTTLS, port 143; imaps: TLS from the start, port 993)."""

    max_message_size: int = key(values.SIZE, "50M", "The biggest message that APPEND takes.")
    max_connections_per_user: int = key(values.COUNT, "20", (
        "Connections at once of one user; 0 means no limit."))
    max_login_attempts: int = key(values.POSITIVE, "3", (
        "Failed logins after which the connection is closed."))
    idle_timeout: float = key(values.DURATION, "31m", (
        "How long a logged-in client may be silent; RFC 3501 5.4 wants at least 30 minutes."))
    login_timeout: float = key(values.DURATION, "3m", "How long a client may take to log in.")
    login_delay: float = key(values.DURATION, "1s", "How long the answer to a failed login is held back.")
    search_timeout: float = key(values.DURATION, "30s", (
        "How long one SEARCH may read messages; what cannot be found in the index is looked for in them."))
    max_messages_per_command: int = key(values.COUNT, "0", (
        "How many messages one FETCH, STORE, COPY or MOVE may be about; clients are told as MESSAGELIMIT. "
        "0 means no limit."))
    max_annotation_size: int = key(values.ANNOTATION_SIZE, "32768", (
        "Octets of one annotation (METADATA); clients may count on 1024."))
    max_annotations: int = key(values.ANNOTATIONS, "100", (
        "Annotations that one user may give one mailbox or the server, for himself and for all; clients may "
        "count on 10."))
    contact: str = key(values.URI, "", (
        "How users reach whoever runs this server, such as `mailto:postmaster@example.org`; shown to their "
        "programs as /shared/admin."))
    disabled_capabilities: tuple[str, ...] = key(values.NAMES, "", (
        "Extensions that are neither offered nor taken, in the words of CAPABILITY: `MOVE, LITERAL+, AUTH=LOGIN`."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pop3Section(ListenerSection):
    """Mailboxes by POP3 (pop3: STLS, port 110; pop3s: TLS from the start, port 995)."""

    max_connections_per_minute: int = key(values.COUNT, "10", (
        "New connections a minute from one address; 0 means no limit."))
    max_messages: int = key(values.POSITIVE, "10000", (
        "Messages that one session sees; the oldest come first."))
    max_login_attempts: int = key(values.POSITIVE, "3", (
        "Failed logins after which the connection is closed."))
    idle_timeout: float = key(values.DURATION, "10m", (
        "How long a client may be silent; RFC 1939 3 wants at least 10 minutes."))
    login_timeout: float = key(values.DURATION, "3m", "How long a client may take to log in.")
    max_errors: int = key(values.POSITIVE, "20", "Wrong commands after which the connection is closed.")
    disabled_capabilities: tuple[str, ...] = key(values.NAMES, "", (
        "Capabilities that are neither offered nor taken, in the words of CAPA: `TOP, UTF8`; mechanisms as "
        "`AUTH=LOGIN`."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file. Each field is a section."""

    server: ServerSection
    database: DatabaseSection
    storage: StorageSection
    delivery: DeliverySection
    dns: DnsSection
    sending: SendingSection
    webhooks: WebhooksSection
    local: LocalSection
    queue: QueueSection
    journey: JourneySection
    limits: LimitsSection
    login: LoginSection
    oauth: OAuthSection
    tls: TLSSection
    smtp: SmtpSection
    submission: SubmissionSection
    submissions: SubmissionSection
    lmtp: LmtpSection
    lmtps: LmtpSection
    imap: ImapSection
    imaps: ImapSection
    pop3: Pop3Section
    pop3s: Pop3Section
    warnings: tuple[str, ...] = ()
    """What is probably not as it was meant, but no error."""

    def listeners(self) -> dict[str, ListenerSection]:
        """The listeners that are on, by the names of their sections."""
        sections = {name: getattr(self, name) for name in SECTIONS}
        return {name: section for name, section in sections.items()
                if isinstance(section, ListenerSection) and section.listen}


SECTIONS: dict[str, type] = {
    "server": ServerSection, "database": DatabaseSection, "storage": StorageSection,
    "delivery": DeliverySection, "dns": DnsSection, "sending": SendingSection,
    "webhooks": WebhooksSection, "local": LocalSection, "queue": QueueSection,
    "journey": JourneySection,
    "limits": LimitsSection,
    "login": LoginSection, "oauth": OAuthSection, "tls": TLSSection, "smtp": SmtpSection,
    "submission": SubmissionSection, "submissions": SubmissionSection,
    "lmtp": LmtpSection, "lmtps": LmtpSection, "imap": ImapSection, "imaps": ImapSection,
    "pop3": Pop3Section, "pop3s": Pop3Section,
}


def keys(section: str) -> dict[str, Key]:
    """The keys of a section, in the order of the manual."""
    return {declared.name: declared.metadata["key"] for declared in fields(SECTIONS[section])}
