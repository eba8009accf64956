"""Statements compiled once for a dialect: what SQLAlchemy does for each execution costs more than what SQLite does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Dialect

_ALL: list[Prepared] = []


def compile_all(dialect: Dialect) -> None:
    """Compile the statements that there are, so that nobody waits for that: each takes about a millisecond."""
    for prepared in _ALL.copy():
        prepared.text(dialect)


class Prepared:
    """A hot statement. Values go to the driver as they are: integers, text, octets, booleans, None."""

    def __init__(self, statement: Any, columns: Sequence[str] = ()) -> None:
        """`columns`: those that an INSERT sets."""
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None]] = {}
        _ALL.append(self)

    def execute(self, connection: Connection, parameters: dict[str, Any]) -> CursorResult[*tuple[Any, ...]]:
        """Run it once."""
        text, order = self.text(connection.dialect)
        if order is None:
            return connection.exec_driver_sql(text, parameters)
        return connection.exec_driver_sql(text, tuple([parameters[name] for name in order]))

    def tuples(self, connection: Connection, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Run a SELECT; all its rows, as the driver gives them."""
        result = self.execute(connection, parameters)
        assert result.cursor is not None
        rows = cast("list[tuple[Any, ...]]", result.cursor.fetchall())
        result.close()
        return rows

    def each(self, connection: Connection, parameters: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """The same one by one, for many rows of which few are kept: a list of all would wake the garbage collector."""
        result = self.execute(connection, parameters)
        assert result.cursor is not None
        yield from cast("Iterator[tuple[Any, ...]]", result.cursor)
        result.close()

    def execute_many(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Run it for each of the rows; there is at least one."""
        text, order = self.text(connection.dialect)
        if order is None:
            connection.exec_driver_sql(text, list(rows))
        else:
            connection.exec_driver_sql(text, [tuple([row[name] for name in order]) for row in rows])

    def text(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None]:
        """The statement in a dialect, and the order of its parameters if they have no names."""
        found = self._compiled.get(dialect.name)
        if found is None:
            # for INSERT these are the columns to set, for anything else they mean nothing
            compiled: Any = self._statement.compile(dialect=dialect, column_keys=list(self._columns) or None)
            order = tuple(compiled.positiontup) if compiled.positional else None
            found = self._compiled[dialect.name] = (str(compiled), order)
        return found
