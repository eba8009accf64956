"""Outgoing mail: messages, recipients, attempts."""

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """An empty queue."""
    _messages()
    _recipients()
    _attempts()


def _messages() -> None:
    op.create_table(
        "outgoing",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("smtputf8", sa.Boolean(), nullable=False),
        sa.Column("require_tls", sa.Boolean(), nullable=False),
        sa.Column("ret", sa.String(), nullable=False),
        sa.Column("envid", sa.String(), nullable=False),
        sa.Column("header_id", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("unfinished", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_outgoing_account_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_outgoing"),
    )
    for column in ("account_id", "created", "header_id"):
        op.create_index(f"ix_outgoing_{column}", "outgoing", [column])


def _recipients() -> None:
    op.create_table(
        "outgoing_recipients",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("notify", sa.String(), nullable=False),
        sa.Column("orcpt", sa.String(), nullable=False),
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("lane", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("leased_by", sa.String(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("delay_told", sa.Boolean(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["outgoing.id"], name="fk_outgoing_recipients_message_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_outgoing_recipients"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outgoing_recipients_message_id", "outgoing_recipients", ["message_id"])
    op.create_index("ix_outgoing_recipients_address", "outgoing_recipients", ["address"])
    op.create_index(
        "ix_outgoing_recipients_state_destination_due", "outgoing_recipients", ["state", "destination", "due"])


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("recipient_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("tls", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("maybe_sent", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["outgoing_recipients.id"], name="fk_attempts_recipient_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_recipient_id", "attempts", ["recipient_id"])


def downgrade() -> None:
    """Without a queue: whoever goes back has emptied it."""
    for table in ("attempts", "outgoing_recipients", "outgoing"):
        op.drop_table(table)
