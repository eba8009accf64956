"""Runs the revisions of QuantumMail's tables. `quantummail migrate` passes the database's URL in."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine

from quantummail.store.tables import metadata


def run() -> None:
    """Upgrade the database that the configuration names, in one transaction where the dialect can."""
    url = context.config.get_main_option("sqlalchemy.url")
    if not url:
        raise SystemExit("alembic is run by `quantummail migrate`, which knows the database")
    engine = create_engine(url)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
