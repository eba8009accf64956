"""TLS policies of other domains, how TLS went with them, and mail whose sender does not insist on TLS."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """No policy is known yet; what is in the queue waives nothing."""
    op.add_column("outgoing", sa.Column("tls_optional", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "sts_policies",
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("policy_id", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("fetched", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("domain", name="pk_sts_policies"),
    )
    _results()
    op.create_table(
        "tls_reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("uri", sa.String(), nullable=False),
        sa.Column("sent", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tls_reports"),
        sa.UniqueConstraint("day", "domain", "uri", name="uq_tls_reports_day_domain_uri"),
    )


def _results() -> None:
    op.create_table(
        "tls_results",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("policy_type", sa.String(), nullable=False),
        sa.Column("policy_digest", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("sessions", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tls_results"),
    )
    op.create_index("ix_tls_results_day_domain", "tls_results", ["day", "domain"])


def downgrade() -> None:
    """Policies are discovered again."""
    for table in ("tls_reports", "tls_results", "sts_policies"):
        op.drop_table(table)
    op.drop_column("outgoing", "tls_optional")
