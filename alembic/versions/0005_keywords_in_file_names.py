"""Keywords are told by file names too: those that messages have already are still to be written there."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Let the mirror look at every message with a keyword: these are above the byte of system flags."""
    op.execute("UPDATE messages SET stale = TRUE WHERE flags > 255")


def downgrade() -> None:
    """What file names tell harms nobody, but `on_disk` must not say it."""
    op.execute("UPDATE messages SET on_disk = on_disk & 31 WHERE on_disk > 31")
