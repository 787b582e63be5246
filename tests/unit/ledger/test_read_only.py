"""Pages look through two connections, for seconds, and their database takes no write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, insert, select

from track_dispatch.errors import TrackDispatchError
from track_dispatch.ledger import schema
from track_dispatch.ledger.creation import open_ledger_at
from track_dispatch.ledger.sql import moment_in
from track_dispatch.ledger.stop_switch import standing_stops

if TYPE_CHECKING:
    from collections.abc import Iterator

    from track_dispatch.ledger.database import Ledger


@pytest.fixture
def looking(ledger: Ledger) -> Iterator[Ledger]:
    url = ledger.engine.url.render_as_string(hide_password=False)
    with open_ledger_at(url, ledger.keys, read_only=True) as opened:
        yield opened


def test_a_page_reads_and_its_database_takes_no_write(looking: Ledger) -> None:
    stop = insert(schema.stops).values(stopped_at=moment_in(), why="-", hospital="HMS", actor="-")
    with looking.reading() as connection:
        assert standing_stops(connection) == []
    with pytest.raises(TrackDispatchError), looking.reading() as connection:
        connection.execute(stop)
    with looking.reading() as connection:
        assert standing_stops(connection) == []


def test_a_page_holds_two_connections_at_most(looking: Ledger) -> None:
    with looking.reading(), looking.reading():
        assert looking.engine.pool.checkedout() == 2  # type: ignore[attr-defined]
        assert looking.engine.pool._max_overflow == 0  # type: ignore[attr-defined]


def test_a_statement_of_a_page_ends_after_five_seconds(looking: Ledger) -> None:
    if not looking.on_postgresql:
        pytest.skip("SQLite has no such limit")
    with looking.reading() as connection:
        limit = connection.scalar(select(func.current_setting("statement_timeout")))
    assert limit == "5s"
