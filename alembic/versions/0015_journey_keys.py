"""The journey is looked up by day and hash: its indexes grow at their end."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """What was noted so far cannot be looked up by Message-ID and sender any more, only by our ids."""
    for column in ("sender", "header_id"):
        op.drop_index(f"ix_journey_{column}", "journey")
    for column in ("sender_key", "header_key"):
        op.add_column("journey", sa.Column(column, sa.BigInteger(), nullable=True))
        there = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_journey_{column}", "journey", [column], sqlite_where=there, postgresql_where=there)


def downgrade() -> None:
    """The texts themselves again."""
    for column in ("sender_key", "header_key"):
        op.drop_index(f"ix_journey_{column}", "journey")
        op.drop_column("journey", column)
    for column in ("sender", "header_id"):
        told = sa.text(f"{column} <> ''")
        op.create_index(f"ix_journey_{column}", "journey", [column], sqlite_where=told, postgresql_where=told)
