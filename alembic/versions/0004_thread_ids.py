"""What threads messages: their identifiers and those they refer to (RFC 5256)."""

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Messages that are there already get theirs from their files, when somebody asks for threads."""
    op.add_column("contents", sa.Column("thread_ids", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("contents", "thread_ids")
