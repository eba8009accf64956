"""What SCRAM is checked against, and the capabilities that single accounts do without."""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Accounts that are there have no keys yet (the next plain login makes them), and all capabilities."""
    op.create_table(
        "scram_keys",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("iterations", sa.Integer(), nullable=False),
        sa.Column("stored_key", sa.LargeBinary(), nullable=False),
        sa.Column("server_key", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_scram_keys_account_id", ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", name="pk_scram_keys"),
    )
    op.add_column(
        "accounts", sa.Column("disabled_capabilities", sa.String(), nullable=False, server_default=""),
    )


def downgrade() -> None:
    """Without them."""
    with op.batch_alter_table("accounts") as accounts:
        accounts.drop_column("disabled_capabilities")
    op.drop_table("scram_keys")
