"""Annotations of mailboxes and of the server (RFC 5464)."""

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """There are none yet."""
    op.create_table(
        "mailbox_annotations",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("reader_id", sa.Integer(), nullable=False),
        sa.Column("entry", sa.String(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "mailbox_id"], ["mailboxes.account_id", "mailboxes.id"],
            name="fk_mailbox_annotations_account_id", ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "mailbox_id", "reader_id", "entry", name="pk_mailbox_annotations"),
    )
    op.create_table(
        "server_annotations",
        sa.Column("reader_id", sa.Integer(), nullable=False),
        sa.Column("entry", sa.String(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("reader_id", "entry", name="pk_server_annotations"),
    )


def downgrade() -> None:
    """Without them."""
    op.drop_table("server_annotations")
    op.drop_table("mailbox_annotations")
