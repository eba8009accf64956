"""The store, opened for one command. Apart from the other modules, because SQLAlchemy takes 0.1 s to load."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from quantummail.cli.command import EX_CONFIG, CommandFailed, finished
from quantummail.cli.owner import become_owner
from quantummail.store import migrations
from quantummail.store.store import Store

if TYPE_CHECKING:
    from quantummail.config import Config


@contextlib.contextmanager
def opened(config: Config) -> Iterator[Store]:
    """The store of a configuration, if its database has our revision."""
    become_owner(config.server.data_dir)
    try:
        migrations.check(config.database.url)
    except migrations.NotReady as error:
        raise CommandFailed(EX_CONFIG, str(error)) from None
    store = Store.open(None, config.database.url, config.storage.mail_root, config.server.data_dir / "spool",
                       delimiter=config.delivery.recipient_delimiter)
    finished(store.start())
    try:
        yield store
    finally:
        finished(store.stop())
