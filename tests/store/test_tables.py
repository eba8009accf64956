"""Tests of quantummail.store.tables: what comparing with the revisions overlooks."""

from __future__ import annotations

from sqlalchemy import Engine, text
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import migrations
from quantummail.store.database import make_engine
from quantummail.store.tables import metadata
from tests.support.places import temporary_directory


class TableTests(SynchronousTestCase):
    """Tables made by the revisions, and those that the program describes."""

    def test_same_statements(self) -> None:
        """WITHOUT ROWID, AUTOINCREMENT, partial indexes and cascades are the same."""
        directory = temporary_directory(self)
        migrations.upgrade(f"sqlite:///{directory}/migrated")
        engines = [make_engine(f"sqlite:///{directory}/{name}") for name in ("migrated", "created")]
        for engine in engines:
            self.addCleanup(engine.dispose)
        metadata.create_all(engines[1])
        self.assertEqual(_promises(engines[0]), _promises(engines[1]))


def _promises(engine: Engine) -> dict[str, tuple[int, ...]]:
    """How often each table's or index's statement says certain words."""
    words = ("without rowid", "autoincrement", "on delete cascade", "where stale", "not null", "references")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT name, lower(sql) FROM sqlite_master WHERE sql IS NOT NULL")).all()
    return {
        name: tuple(sql.count(word) for word in words)
        for name, sql in rows if name not in ("alembic_version", "sqlite_sequence")
    }
