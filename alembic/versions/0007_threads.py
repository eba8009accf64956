"""Threads of messages (THREADID of RFC 8474)."""

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Empty: messages get their threads when somebody asks for them."""
    op.create_table(
        "threads",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("email_id", sa.String(), nullable=False),
        sa.Column("thread", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "email_id"], ["contents.account_id", "contents.email_id"], ondelete="CASCADE",
            name="fk_threads_account_id_email_id"),
        sa.PrimaryKeyConstraint("account_id", "email_id", name="pk_threads"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_threads_account_id_thread", "threads", ["account_id", "thread"])
    op.create_table(
        "thread_references",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.BigInteger(), nullable=False),
        sa.Column("thread", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], ondelete="CASCADE", name="fk_thread_references_account_id"),
        sa.PrimaryKeyConstraint("account_id", "reference", name="pk_thread_references"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """They are computed again when somebody asks."""
    op.drop_table("thread_references")
    op.drop_table("threads")
