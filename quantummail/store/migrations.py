"""The schema's revision, and how a database gets to the one that this program needs."""

from __future__ import annotations

import sysconfig
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from quantummail.store.database import make_engine
from quantummail.store.errors import Unavailable

# The newest one in alembic/versions (tests/store/test_migrations.py): known here, so that the server starts
# without loading Alembic
EXPECTED_REVISION = "0015"
_DATA = "share/quantummail/alembic"


class NotReady(Exception):
    """The database is not one that this program can work with. The text says which command helps."""


class NoDatabase(NotReady):
    """There is no database where the configuration says. The text says where."""


def check(url: str) -> None:
    """Raise `NotReady` unless the database has our revision, `Unavailable` when it cannot be read."""
    found = current_revision(url)
    if found != EXPECTED_REVISION:
        raise NotReady(f"the database has revision {found or 'none'}, this program needs {EXPECTED_REVISION}: "
                       "run `quantummail migrate`")


def current_revision(url: str) -> str | None:
    """The revision of a database, None if it has none. Raises NoDatabase and Unavailable."""
    if not _exists(url):
        raise NoDatabase(f"there is no database at {make_url(url).database}: run `quantummail init`")
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return None if found is None else str(found)
    except SQLAlchemyError as error:
        raise Unavailable(f"the database cannot be read: {getattr(error, 'orig', None) or error}") from error
    finally:
        engine.dispose()


def upgrade(url: str) -> tuple[str | None, str]:
    """Bring a database to `EXPECTED_REVISION`, making it if there is none. The revisions before and after."""
    before = current_revision(url) if _exists(url) else None
    if before == EXPECTED_REVISION:
        return before, before
    # Alembic takes longer to load than the whole server
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts()))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, EXPECTED_REVISION)
    return before, EXPECTED_REVISION


def scripts() -> Path:
    """The directory of the revisions: beside the package in a checkout, among the data of an installed wheel."""
    candidates = [Path(__file__).parents[2] / "alembic"]
    try:
        installed = [found for found in files("quantummail") or () if str(found).endswith(f"{_DATA}/env.py")]
        candidates += [Path(str(found.locate())).resolve().parent for found in installed]
    except PackageNotFoundError:
        pass
    candidates.append(Path(sysconfig.get_path("data")) / _DATA)
    for directory in candidates:
        # The library of the same name may be beside an installed package: it has no env.py
        if (directory / "env.py").is_file() and (directory / "versions").is_dir():
            return directory
    raise FileNotFoundError(f"no migrations in {', '.join(map(str, candidates))}")


def _exists(url: str) -> bool:
    database = make_url(url).database
    return not url.startswith("sqlite") or (database is not None and Path(database).exists())
