"""The beginnings of texts, as PREVIEW shows them (RFC 8970)."""

import sqlalchemy as sa

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Nobody has asked for one yet: they are made then, from the messages."""
    op.add_column("contents", sa.Column("preview", sa.String(), nullable=True))


def downgrade() -> None:
    """Without them."""
    op.drop_column("contents", "preview")
