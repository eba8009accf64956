"""The tables. Every row of mail carries its account's id, and no query on mail goes without it.

Times are seconds since the epoch. `alembic/versions` creates the same tables; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _in_mailbox() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["account_id", "mailbox_id"], ["mailboxes.account_id", "mailboxes.id"], ondelete="CASCADE"
    )


domains = Table(
    "domains",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("domain_id", Integer, ForeignKey("domains.id"), nullable=False, index=True),
    Column("address", String, nullable=False, unique=True),
    Column("password_hash", String, nullable=False),
    Column("admin", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("quota_bytes", BigInteger, nullable=False),
    Column("quota_messages", BigInteger, nullable=False),
    Column("used_bytes", BigInteger, nullable=False),
    Column("used_messages", BigInteger, nullable=False),
    # the highest UIDVALIDITY that any mailbox of the account ever had, also of those that were deleted
    Column("uidvalidity", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    # what its sessions do without, in the words of CAPABILITY, CAPA and EHLO, separated by blanks
    Column("disabled_capabilities", String, nullable=False, server_default=""),
    sqlite_autoincrement=True,
)

# RFC 5802 section 3: what SCRAM-SHA-256 is checked against; a password that is set anew brings new ones
scram_keys = Table(
    "scram_keys",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("iterations", Integer, nullable=False),
    Column("stored_key", LargeBinary, nullable=False),
    Column("server_key", LargeBinary, nullable=False),
)

aliases = Table(
    "aliases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("domain_id", Integer, ForeignKey("domains.id"), nullable=False, index=True),
    # `@domain` is the catch-all
    Column("address", String, nullable=False, unique=True),
)

alias_targets = Table(
    "alias_targets",
    metadata,
    Column("alias_id", Integer, ForeignKey("aliases.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("target", String, nullable=False),
    PrimaryKeyConstraint("alias_id", "position"),
)

mailboxes = Table(
    "mailboxes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    Column("special_use", String, nullable=False),
    # MAILBOXID of RFC 8474
    Column("object_id", String, nullable=False),
    # the Maildir, relative to the mail root
    Column("directory", String, nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uidnext", BigInteger, nullable=False),
    # UIDs below this one are promised by the Maildir's own file as well: see store/uidfile.py
    Column("uid_reserved", BigInteger, nullable=False),
    Column("highestmodseq", BigInteger, nullable=False),
    # UIDs from here on have not been announced as \Recent to any session
    Column("recent_from", BigInteger, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("unseen", Integer, nullable=False),
    Column("deleted", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    # how many tombstones there are, and the mod-sequence up to which they have been given up: see store/removals.py
    Column("tombstones", Integer, nullable=False),
    Column("forgotten_modseq", BigInteger, nullable=False),
    # modification times of new/ and cur/ at the last scan
    Column("scanned", String, nullable=False),
    UniqueConstraint("account_id", "name"),
    UniqueConstraint("account_id", "directory"),
    # what the tables below refer to, so that their keys begin with the account and serve the cascade too
    UniqueConstraint("account_id", "id"),
    # an id is never given to another mailbox
    sqlite_autoincrement=True,
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    PrimaryKeyConstraint("account_id", "name"),
)

keywords = Table(
    "keywords",
    metadata,
    Column("account_id", Integer, nullable=False),
    Column("mailbox_id", Integer, nullable=False),
    # position above store.flags.KEYWORD_SHIFT
    Column("bit", Integer, nullable=False),
    Column("name", String, nullable=False),
    PrimaryKeyConstraint("account_id", "mailbox_id", "bit"),
    _in_mailbox(),
)

messages = Table(
    "messages",
    metadata,
    Column("account_id", Integer, nullable=False),
    Column("mailbox_id", Integer, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("modseq", BigInteger, nullable=False),
    Column("flags", BigInteger, nullable=False),
    Column("internal_date", BigInteger, nullable=False),
    Column("save_date", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    # EMAILID of RFC 8474: the key of `contents`
    Column("email_id", String, nullable=False),
    # the file's name without its flags
    Column("file", String, nullable=False),
    # system flags and letters of keywords in the file's name, -1 while it rests in new/: see store/maildir.py
    Column("on_disk", Integer, nullable=False),
    # the file's name may not tell the flags (yet)
    Column("stale", Boolean, nullable=False),
    Column("bare_lf", Boolean, nullable=False),
    PrimaryKeyConstraint("account_id", "mailbox_id", "uid"),
    _in_mailbox(),
    # a repeated delivery finds itself
    UniqueConstraint("account_id", "mailbox_id", "file"),
    Index(None, "account_id", "mailbox_id", "modseq"),
    Index(None, "account_id", "email_id"),
    Index("ix_messages_stale", "account_id", "mailbox_id", "uid",
          sqlite_where=text("stale"), postgresql_where=text("stale")),
    sqlite_with_rowid=False,
)

contents = Table(
    "contents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("email_id", String, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("bodystructure", LargeBinary, nullable=False),
    Column("parts", LargeBinary, nullable=False),
    # sort keys (RFC 5256): folded text, and the Date header's time
    Column("base_subject", String, nullable=False),
    Column("sent", BigInteger, nullable=True),
    # see message/thread_ids.py; NULL where nobody has looked yet
    Column("thread_ids", LargeBinary, nullable=True),
    # how the text begins (RFC 8970); NULL where nobody has asked yet
    Column("preview", String, nullable=True),
    UniqueConstraint("account_id", "email_id"),
)

# Annotations (RFC 5464): those below /private are their reader's, those below /shared everybody's (reader 0)
mailbox_annotations = Table(
    "mailbox_annotations",
    metadata,
    Column("account_id", Integer, nullable=False),
    Column("mailbox_id", Integer, nullable=False),
    Column("reader_id", Integer, nullable=False, index=True),
    # in lower case
    Column("entry", String, nullable=False),
    Column("value", LargeBinary, nullable=False),
    PrimaryKeyConstraint("account_id", "mailbox_id", "reader_id", "entry"),
    _in_mailbox(),
)

server_annotations = Table(
    "server_annotations",
    metadata,
    Column("reader_id", Integer, nullable=False),
    Column("entry", String, nullable=False),
    Column("value", LargeBinary, nullable=False),
    PrimaryKeyConstraint("reader_id", "entry"),
)

# What others may do with a mailbox (RFC 4314): see store/acls.py
acls = Table(
    "acls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, nullable=False),
    Column("mailbox_id", Integer, nullable=False),
    # the account that may; 0 for everybody
    Column("grantee_id", Integer, nullable=False, index=True),
    # whether the rights are taken away
    Column("negative", Boolean, nullable=False),
    Column("rights", String, nullable=False),
    UniqueConstraint("account_id", "mailbox_id", "grantee_id", "negative"),
    _in_mailbox(),
    # a change is seen by its id
    sqlite_autoincrement=True,
)

# Which messages belong together: see store/conversations.py
threads = Table(
    "threads",
    metadata,
    Column("account_id", Integer, nullable=False),
    Column("email_id", String, nullable=False),
    # THREADID of RFC 8474
    Column("thread", BigInteger, nullable=False),
    PrimaryKeyConstraint("account_id", "email_id"),
    ForeignKeyConstraint(
        ["account_id", "email_id"], ["contents.account_id", "contents.email_id"], ondelete="CASCADE"),
    Index(None, "account_id", "thread"),
    sqlite_with_rowid=False,
)

# Identifiers that messages had or referred to, also of messages that are gone or never came
thread_references = Table(
    "thread_references",
    metadata,
    Column("account_id", Integer, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    # see message/thread_ids.py
    Column("reference", BigInteger, nullable=False),
    Column("thread", BigInteger, nullable=False),
    PrimaryKeyConstraint("account_id", "reference"),
    sqlite_with_rowid=False,
)

# Rendered columns of whole blocks of messages, and pictures of mailboxes: see store/bundles.py. All of it is made from
# other tables, and may be deleted at any time; who changes a column of `contents` must.
bundles = Table(
    "bundles",
    metadata,
    Column("account_id", Integer, nullable=False),
    Column("mailbox_id", Integer, nullable=False),
    Column("name", String, nullable=False),
    Column("block", BigInteger, nullable=False),
    Column("modseq", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("account_id", "mailbox_id", "name", "block"),
    _in_mailbox(),
    sqlite_with_rowid=False,
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("account_id", Integer, nullable=False),
    Column("mailbox_id", Integer, nullable=False),
    Column("modseq", BigInteger, nullable=False),
    Column("uid", BigInteger, nullable=False),
    PrimaryKeyConstraint("account_id", "mailbox_id", "modseq", "uid"),
    _in_mailbox(),
    sqlite_with_rowid=False,
)

# How database and mail root recognize each other: see store/pairing.py
pairing = Table(
    "pairing",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)

# Files whose rows are gone: a crash between the commit and the unlink must not bring a deleted message back
removals = Table(
    "removals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account_id", Integer, nullable=False, index=True),
    Column("directory", String, nullable=False),
    Column("file", String, nullable=False),
    Column("on_disk", Integer, nullable=False),
)

# Mail that is on its way to others, and what became of it: see store/outgoing.py
outgoing = Table(
    "outgoing",
    metadata,
    Column("id", String, primary_key=True),
    # whose mail it is; nobody's for our own reports
    Column("account_id", Integer, ForeignKey("accounts.id", ondelete="SET NULL"), nullable=True, index=True),
    # what takes turns with others of its destination
    Column("lane", String, nullable=False),
    Column("source", String, nullable=False),
    # empty for the null reverse-path
    Column("sender", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("body", String, nullable=False),
    Column("smtputf8", Boolean, nullable=False),
    Column("require_tls", Boolean, nullable=False),
    # TLS-Required: No (RFC 8689)
    Column("tls_optional", Boolean, nullable=False, server_default=false()),
    Column("ret", String, nullable=False),
    Column("envid", String, nullable=False),
    Column("header_id", String, nullable=False, index=True),
    Column("priority", Integer, nullable=False),
    Column("created", BigInteger, nullable=False, index=True),
    # recipients whose fate is open; without any the octets are gone
    Column("unfinished", Integer, nullable=False),
)

outgoing_recipients = Table(
    "outgoing_recipients",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message_id", String, ForeignKey("outgoing.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("address", String, nullable=False),
    Column("notify", String, nullable=False),
    Column("orcpt", String, nullable=False),
    Column("destination", String, nullable=False),
    Column("lane", String, nullable=False),
    # due, leased, held, delivered, failed, deleted
    Column("state", String, nullable=False),
    # when to try (again)
    Column("due", BigInteger, nullable=False),
    Column("leased_by", String, nullable=False),
    Column("leased_until", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("delay_told", Boolean, nullable=False),
    # when the state changed last
    Column("changed", BigInteger, nullable=False),
    # the last answer
    Column("code", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("answer", String, nullable=False),
    # why it failed, in four words: see message/bounce_kind.py; empty unless it has
    Column("bounce", String, nullable=False, server_default=""),
    Index(None, "state", "destination", "due"),
    Index(None, "address"),
    Index("ix_outgoing_recipients_bounced", "id",
          sqlite_where=text("bounce <> ''"), postgresql_where=text("bounce <> ''")),
    sqlite_autoincrement=True,
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("recipient_id", Integer, ForeignKey("outgoing_recipients.id", ondelete="CASCADE"), nullable=False,
           index=True),
    Column("at", BigInteger, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("host", String, nullable=False),
    Column("address", String, nullable=False),
    # the address that we came from
    Column("source", String, nullable=False),
    Column("tls", String, nullable=False),
    # what was answered: RCPT TO, the message ...
    Column("step", String, nullable=False),
    Column("code", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("answer", String, nullable=False),
    # the whole message was sent, and no answer came
    Column("maybe_sent", Boolean, nullable=False),
)

# Addresses elsewhere that do not exist, as their servers have said: see store/suppressions.py
suppressions = Table(
    "suppressions",
    metadata,
    # in lower case
    Column("address", String, primary_key=True),
    Column("reason", String, nullable=False),
    # the message that learned it; empty where an administrator has said so
    Column("message_id", String, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    # until somebody deletes it
    Column("stays", Boolean, nullable=False),
)

# What happened to messages: see store/journey.py. No mail: rows belong to the server, not to accounts, and no user
# is shown them
journey = Table(
    "journey",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    # transaction, queue id and EMAILID are the same
    Column("message_id", String, nullable=False, index=True),
    Column("stage", String, nullable=False),
    Column("verdict", String, nullable=False),
    # `<>` for the null reverse-path, empty for stages without a sender
    Column("sender", String, nullable=False),
    Column("header_id", String, nullable=False),
    # day and hash of the two: indexes in the order of time, of which only the end is written
    Column("sender_key", BigInteger, nullable=True),
    Column("header_key", BigInteger, nullable=True),
    # JSON
    Column("detail", String, nullable=False),
    Index(None, "sender_key",
          sqlite_where=text("sender_key IS NOT NULL"), postgresql_where=text("sender_key IS NOT NULL")),
    Index(None, "header_key",
          sqlite_where=text("header_key IS NOT NULL"), postgresql_where=text("header_key IS NOT NULL")),
    sqlite_autoincrement=True,
)

# Keys of domains for DKIM; the private ones are sealed (store/sealed.py)
dkim_keys = Table(
    "dkim_keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("domain_id", Integer, ForeignKey("domains.id", ondelete="CASCADE"), nullable=False),
    Column("selector", String, nullable=False),
    Column("algorithm", String, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    # the TXT record
    Column("record", String, nullable=False),
    # published, active, retired
    Column("state", String, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    UniqueConstraint("domain_id", "selector"),
    sqlite_autoincrement=True,
)

# MTA-STS policies of other domains
sts_policies = Table(
    "sts_policies",
    metadata,
    Column("domain", String, primary_key=True),
    Column("policy_id", String, nullable=False),
    # as it was published
    Column("text", String, nullable=False),
    Column("fetched", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
)

# How TLS went on connections to other domains, counted by day (since 1970-01-01, UTC)
tls_results = Table(
    "tls_results",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("day", Integer, nullable=False),
    Column("domain", String, nullable=False),
    # sts, tlsa, no-policy-found
    Column("policy_type", String, nullable=False),
    Column("policy_digest", String, nullable=False),
    Column("policy", String, nullable=False),
    # empty for success, which has nothing but its policy
    Column("result", String, nullable=False),
    Column("host", String, nullable=False),
    Column("address", String, nullable=False),
    Column("source", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("sessions", BigInteger, nullable=False),
    Index(None, "day", "domain"),
)

# Reports that are made of them, by where they go; a row without `uri` ends the matter
tls_reports = Table(
    "tls_reports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("day", Integer, nullable=False),
    Column("domain", String, nullable=False),
    Column("uri", String, nullable=False),
    Column("sent", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("changed", BigInteger, nullable=False),
    UniqueConstraint("day", "domain", "uri"),
)

# Whom to tell what becomes of mail: see store/webhooks.py
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("url", String, nullable=False),
    # separated by commas
    Column("events", String, nullable=False),
    # only mail of this account, or of this domain
    Column("account_id", Integer, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("domain_id", Integer, ForeignKey("domains.id", ondelete="CASCADE"), nullable=True, index=True),
    # what requests are signed with
    Column("sealed", LargeBinary, nullable=False),
    Column("created", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

# What is to be told; written in the transaction that makes it true
webhook_events = Table(
    "webhook_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("webhook_id", Integer, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    # the same in every request about it
    Column("event_id", String, nullable=False),
    Column("type", String, nullable=False),
    # JSON
    Column("payload", String, nullable=False),
    Column("created", BigInteger, nullable=False, index=True),
    # due, delivered, failed
    Column("state", String, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Index(None, "webhook_id", "state"),
    sqlite_autoincrement=True,
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("webhook_event_id", Integer, ForeignKey("webhook_events.id", ondelete="CASCADE"), nullable=False,
           index=True),
    Column("at", BigInteger, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    # the status of the answer, 0 without one
    Column("code", Integer, nullable=False),
    Column("answer", String, nullable=False),
)
