"""The journey of messages, addresses that are not written to any more, kinds of bounces."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Nothing is known of what came before."""
    op.create_table(
        "journey",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("header_id", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_journey"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_journey_message_id", "journey", ["message_id"])
    for column in ("sender", "header_id"):
        told = sa.text(f"{column} <> ''")
        op.create_index(f"ix_journey_{column}", "journey", [column], sqlite_where=told, postgresql_where=told)
    op.create_table(
        "suppressions",
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("stays", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("address", name="pk_suppressions"),
    )
    op.add_column("outgoing_recipients", sa.Column("bounce", sa.String(), nullable=False, server_default=""))
    bounced = sa.text("bounce <> ''")
    op.create_index("ix_outgoing_recipients_bounced", "outgoing_recipients", ["id"], sqlite_where=bounced,
                    postgresql_where=bounced)


def downgrade() -> None:
    """All of it is about the past."""
    op.drop_index("ix_outgoing_recipients_bounced", "outgoing_recipients")
    op.drop_column("outgoing_recipients", "bounce")
    op.drop_table("suppressions")
    op.drop_table("journey")
