"""A ledger of an earlier version is brought forward with all it holds, and serves both codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic import command
from ledger_steps import DAY, invited, read_day, sql, states_of, take
from sqlalchemy import insert, inspect

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import creation, schema
from track_dispatch.ledger.creation import migrate_ledger
from track_dispatch.ledger.database import Ledger, connect
from track_dispatch.ledger.keys import new_keys
from track_dispatch.ledger.opening import open_ledger
from track_dispatch.ledger.schema import moment_in

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What the first version had: its tables, and the columns that it knows of each.
FIRST = ("batches", "events", "extractions", "ledger", "lines", "staged_rows")


@pytest.fixture
def first(ledger_url: str) -> Iterator[Ledger]:
    """Make a ledger as the first version made it."""
    made = Ledger(connect(ledger_url), new_keys())
    with made.writing() as connection:
        config = creation._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            insert(schema.ledger).values(ledger_id=made.keys.ledger_id, created_at=moment_in())
        )
    yield made
    made.close()


def test_it_is_refused_until_it_is_migrated(first: Ledger, ledger_url: str) -> None:
    with pytest.raises(ConfigError, match="ledger migrate"):
        open_ledger(ledger_url, first.keys)


def test_what_it_holds_is_there_afterwards(first: Ledger, ledger_url: str) -> None:
    sql(
        first,
        "insert into extractions (id, source, hospital, business_day, run_id, try_number,"
        " started_at) values ('e1', 'hms', 'HMS', '2026-03-10', 'r1', 1, '2026-03-11 12:00:00')",
    )
    sql(
        first,
        "insert into lines (source, attendance_id, hospital, business_day, state, extraction_id,"
        " found_at, changed_at) values ('hms', '900000001', 'HMS', '2026-03-10', 'accepted', 'e1',"
        " '2026-03-11 12:00:00', '2026-03-11 12:00:00')",
    )

    assert migrate_ledger(ledger_url, first.keys) == ("0001", "0004")

    read_day(first, invited(900_000_001), invited(900_000_002))
    assert states_of(first) == ["accepted", "ready"]
    assert len(take(first).lines) == 1
    assert str(DAY) == "2026-03-10"


def test_the_first_versions_code_can_write_all_it_wrote(first: Ledger, ledger_url: str) -> None:
    """Expand-only: whatever is new may be left out."""
    before = {name: _columns(first, name) for name in FIRST}
    migrate_ledger(ledger_url, first.keys)
    after = {name: _columns(first, name) for name in FIRST}

    for name in FIRST:
        assert before[name].items() <= after[name].items()
        added = after[name].keys() - before[name].keys()
        assert all(after[name][column] for column in added), "a new column must be nullable"


def _columns(ledger: Ledger, table: str) -> dict[str, bool]:
    """Return a table's columns, and whether each may be null."""
    found = inspect(ledger.engine).get_columns(table)
    return {column["name"]: column["nullable"] for column in found}
