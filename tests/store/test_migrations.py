"""How a database gets to the revision that the program needs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import migrations
from quantummail.store.database import make_engine
from quantummail.store.errors import Unavailable
from quantummail.store.tables import metadata
from tests.support.places import temporary_directory


class MigrationTests(SynchronousTestCase):
    """Revisions known, found, and reached."""

    def setUp(self) -> None:
        self.path = temporary_directory(self) / "with space 100%" / "q.sqlite"
        self.path.parent.mkdir()
        self.url = f"sqlite:///{self.path}"

    def test_the_expected_revision_is_the_newest(self) -> None:
        """What the server compares with is the one head in alembic/versions."""
        config = Config()
        config.set_main_option("script_location", str(migrations.scripts()))
        self.assertEqual(ScriptDirectory.from_config(config).get_heads(), [migrations.EXPECTED_REVISION])

    def test_from_nothing(self) -> None:
        """A new database gets all revisions, a second time none; any path will do."""
        self.assertEqual(migrations.upgrade(self.url), (None, migrations.EXPECTED_REVISION))
        self.assertEqual(migrations.current_revision(self.url), migrations.EXPECTED_REVISION)
        self.assertEqual(migrations.upgrade(self.url), (migrations.EXPECTED_REVISION, migrations.EXPECTED_REVISION))

    def test_the_revisions_make_the_tables(self) -> None:
        """After all revisions the database has what store/tables.py describes."""
        migrations.upgrade(self.url)
        engine = make_engine(self.url)
        self.addCleanup(engine.dispose)
        with engine.connect() as connection:
            self.assertEqual(compare_metadata(MigrationContext.configure(connection), metadata), [])

    def reach(self, revision: str) -> None:
        """Bring the database to an older revision."""
        config = Config()
        config.set_main_option("script_location", str(migrations.scripts()))
        config.set_main_option("sqlalchemy.url", self.url.replace("%", "%%"))
        command.upgrade(config, revision)

    def test_keywords_of_old(self) -> None:
        """0005: keywords that messages have already are going to be told by file names."""
        self.reach("0004")
        with sqlite3.connect(self.path) as connection:
            connection.executemany(
                "INSERT INTO messages (account_id, mailbox_id, uid, modseq, flags, internal_date, save_date, size,"
                " email_id, file, on_disk, stale, bare_lf) VALUES (1, 1, ?, 1, ?, 0, 0, 0, '', ?, 1, 0, 0)",
                [(1, 1, "a"), (2, 1 | 1 << 8, "b"), (3, 1 << 61, "c")])
        self.reach("0005")
        with sqlite3.connect(self.path) as connection:
            self.assertEqual(connection.execute("SELECT uid FROM messages WHERE stale").fetchall(), [(2,), (3,)])

    def test_no_database(self) -> None:
        """Looking for a revision makes no database."""
        self.assertRaises(migrations.NoDatabase, migrations.current_revision, self.url)
        self.assertFalse(self.path.exists())

    def test_no_revision(self) -> None:
        """A database that is not ours has none."""
        with sqlite3.connect(self.path) as connection:
            connection.execute("CREATE TABLE other (x)")
        self.assertIsNone(migrations.current_revision(self.url))

    def test_not_a_database(self) -> None:
        """A file that is none is told as what it is."""
        self.path.write_text("this is no database, but it is long enough to be taken for one" * 100)
        error = self.assertRaises(Unavailable, migrations.current_revision, self.url)
        self.assertIn("file is not a database", str(error))

    def test_scripts(self) -> None:
        """In a checkout the revisions are beside the package."""
        self.assertEqual(migrations.scripts(), Path(__file__).parents[2] / "alembic")
