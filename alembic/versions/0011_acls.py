"""Rights on mailboxes of others (RFC 4314)."""

import sqlalchemy as sa

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Nobody has given any yet."""
    op.create_table(
        "acls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("grantee_id", sa.Integer(), nullable=False),
        sa.Column("negative", sa.Boolean(), nullable=False),
        sa.Column("rights", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "mailbox_id"], ["mailboxes.account_id", "mailboxes.id"],
            name="fk_acls_account_id_mailbox_id", ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_acls"),
        sa.UniqueConstraint(
            "account_id", "mailbox_id", "grantee_id", "negative",
            name="uq_acls_account_id_mailbox_id_grantee_id_negative"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_acls_grantee_id", "acls", ["grantee_id"])
    # what goes with an account is looked for
    op.create_index("ix_mailbox_annotations_reader_id", "mailbox_annotations", ["reader_id"])


def downgrade() -> None:
    """Without them."""
    op.drop_index("ix_mailbox_annotations_reader_id", "mailbox_annotations")
    op.drop_table("acls")
