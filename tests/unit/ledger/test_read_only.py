"""Pages look through two connections, for seconds, and their database takes no write."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, text

from tests.postgres import administer
from track_dispatch.board.facts import Scope, read_board
from track_dispatch.config import working_hospitals
from track_dispatch.errors import LedgerError, TrackDispatchError
from track_dispatch.ledger import database, schema
from track_dispatch.ledger.creation import open_ledger_at
from track_dispatch.ledger.sql import moment_in
from track_dispatch.ledger.stop_switch import standing_stops

if TYPE_CHECKING:
    from collections.abc import Iterator

    from track_dispatch.ledger.database import Ledger

MOMENT = datetime(2026, 3, 11, 15, tzinfo=UTC)
#: Counts for seconds, on either database.
LONG_COUNT = (
    "with recursive numbers (n) as"
    " (select 1 union all select n + 1 from numbers where n < 30000000)"
    " select count(*) from numbers"
)
#: What SQLite and PostgreSQL call a statement that took too long.
LATE = r"SQLITE_INTERRUPT|57014"


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


def test_a_page_needs_no_more_of_postgresql_than_to_read(ledger: Ledger) -> None:
    if not ledger.on_postgresql:
        pytest.skip("SQLite has no roles")
    role = f"looks_{uuid.uuid4().hex}"
    url = ledger.engine.url
    administer(
        url.render_as_string(hide_password=False),
        f"create role {role} login",
        f"grant select on all tables in schema public to {role}",
    )
    looks = url.set(username=role).render_as_string(hide_password=False)
    with open_ledger_at(looks, ledger.keys, read_only=True) as opened, opened.reading() as found:
        assert read_board(found, Scope(working_hospitals(), MOMENT)).rows


def test_a_page_holds_two_connections_at_most(looking: Ledger) -> None:
    with looking.reading(), looking.reading():
        assert looking.engine.pool.checkedout() == 2  # type: ignore[attr-defined]
        assert looking.engine.pool._max_overflow == 0  # type: ignore[attr-defined]


def test_a_statement_of_a_page_ends_at_its_limit_and_the_next_page_is_shown(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, a page could read a great SQLite file for as long as that took."""
    assert database.LOOKING.statement == 5
    brief = database.Limits(lock=0.05, statement=0.05, whole=15)
    monkeypatch.setattr(database, "LOOKING", brief)
    url = ledger.engine.url.render_as_string(hide_password=False)
    with open_ledger_at(url, ledger.keys, read_only=True) as looking:
        with pytest.raises(LedgerError, match=LATE), looking.reading() as found:
            found.scalar(text(LONG_COUNT))
        with looking.reading() as connection:
            assert standing_stops(connection) == []
