"""The model's one clock: what it tells is what both databases and the product take for now.

Leases, ages and windows are told by the database's clock only, so the model moves that clock
instead of waiting. Each look at it is a millisecond later than the one before: what is later in the
sequence is later by the clock, too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, text
from sqlalchemy.pool import Pool

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: Lets PostgreSQL find our clock before its own; tables are made in the first schema.
SEARCH_PATH = "-csearch_path=public,model,pg_catalog"

_POSTGRESQL_CLOCK = (
    "create schema model",
    "create table model.clock (moment timestamptz not null)",
    "create sequence model.looks",
    "insert into model.clock values (timestamptz 'epoch')",
    """create function model.clock_timestamp() returns timestamptz language sql volatile as $$
      select moment + pg_catalog.nextval('model.looks') * interval '1 millisecond' from model.clock
    $$""",
)


class ModelClock:
    """Tells the time of a sequence, aware.

    Args:
        beginning: where each sequence begins.
    """

    def __init__(self, beginning: datetime) -> None:
        self._beginning = self._moment = beginning
        self._postgresql: dict[str, Engine] = {}

    @property
    def now(self) -> datetime:
        """The moment, which only the model moves."""
        return self._moment

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return (self._moment - self._beginning).total_seconds()

    def restart(self) -> None:
        """Go back to the beginning."""
        self.move_to(self._beginning)

    def advance(self, **passing: float) -> None:
        """Let time pass; `passing` is of a `timedelta`."""
        self.move_to(self._moment + timedelta(**passing))

    def move_to(self, moment: datetime) -> None:
        """Set the clock."""
        self._moment = moment
        for engine in self._postgresql.values():
            self._set_on_postgresql(engine)

    # -- SQLite ----------------------------------------------------------------------

    @contextmanager
    def on_sqlite(self) -> Iterator[None]:
        """Be the clock of every SQLite database that is opened meanwhile."""

        def connected(connection: Any, _record: Any) -> None:
            if isinstance(connection, sqlite3.Connection):
                connection.create_function("strftime", -1, self._strftime)

        event.listen(Pool, "connect", connected)
        try:
            yield
        finally:
            event.remove(Pool, "connect", connected)

    def _strftime(self, form: str, _now: str, *modifiers: str) -> str:
        self._moment += timedelta(milliseconds=1)
        moment = self._moment
        for modifier in modifiers:
            amount, _, unit = modifier.partition(" ")
            moment += timedelta(**{unit: float(amount)})
        if form == "%s":
            return str(int(moment.timestamp()))
        assert form == "%Y-%m-%d %H:%M:%f000"
        return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "000"

    # -- PostgreSQL ------------------------------------------------------------------

    def install_on_postgresql(self, url: str) -> None:
        """Be the clock of a new PostgreSQL database, of all who connect with `SEARCH_PATH`."""
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in _POSTGRESQL_CLOCK:
                connection.execute(text(statement))
        engine.dispose()
        self.join_postgresql(url)

    def join_postgresql(self, url: str) -> None:
        """Tell a database the time from now on: a copy still has that of its origin."""
        self._postgresql[url] = create_engine(url, isolation_level="AUTOCOMMIT")
        self._set_on_postgresql(self._postgresql[url])

    def leave_postgresql(self, url: str) -> None:
        """Give the connection to a database back; the next time it is told, it is opened anew."""
        if url in self._postgresql:
            self._postgresql[url].dispose()

    def _set_on_postgresql(self, engine: Engine) -> None:
        with engine.connect() as connection:
            connection.execute(
                text("update model.clock set moment = :moment"), {"moment": self._moment}
            )
