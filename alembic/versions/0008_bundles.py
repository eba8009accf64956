"""Rendered columns of many messages in one row, and pictures of mailboxes."""

import sqlalchemy as sa

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """There are none yet: they are made when they are missed."""
    op.create_table(
        "bundles",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("modseq", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "mailbox_id"], ["mailboxes.account_id", "mailboxes.id"],
            name="fk_bundles_account_id", ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "mailbox_id", "name", "block", name="pk_bundles"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Without them."""
    op.drop_table("bundles")
