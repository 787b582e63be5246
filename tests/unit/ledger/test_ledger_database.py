"""The database under the ledger: its transactions, and its errors without values."""

from __future__ import annotations

import logging
import sqlite3
import traceback
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ledger_steps import (
    ACTOR,
    blocked,
    everything,
    invited,
    lines_of,
    not_invited,
    read_day,
    refusing,
    sql,
    stage,
    take,
)
from sqlalchemy import select, text, update
from sqlalchemy.exc import SQLAlchemyError

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.database import Ledger, connect
from track_dispatch.ledger.keys import new_keys
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.settling import Settlement, settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    Failure = Callable[[Connection], object]

PLANTED = 977_654_321
#: Not in one piece, for a traceback shows the lines of this file.
NAME = "PLAN" + "TADA"

COPIED = "source, hospital, business_day, state, extraction_id, found_at, changed_at"


def twice(connection: Connection) -> None:
    """Write an attendance again that is there."""
    connection.execute(
        text(
            f"insert into lines (attendance_id, {COPIED}) select :attendance, {COPIED} from lines"
        ),
        {"attendance": str(PLANTED)},
    )


def a_naive_moment(connection: Connection) -> None:
    """Store a moment without a zone, beside a value."""
    naive = datetime(2026, 3, 10)  # noqa: DTZ001 - that is the point
    connection.execute(update(schema.lines).values(reason=str(PLANTED), found_at=naive))


def bad_sql(connection: Connection) -> None:
    """Ask for a column that is not there, beside a value."""
    connection.execute(text("select no_column from lines where reason = :x"), {"x": str(PLANTED)})


def a_state_nobody_knows(connection: Connection) -> None:
    """Break a check."""
    connection.execute(text("update lines set state = :state"), {"state": str(PLANTED)})


FAILURES: list[Failure] = [
    twice,
    a_naive_moment,
    bad_sql,
    a_state_nobody_knows,
]


def failure(ledger: Ledger, fail: Failure) -> LedgerError:
    """Let the database fail over a planted value, in a transaction that wrote before."""
    read_day(ledger, not_invited(PLANTED))
    with pytest.raises(LedgerError) as error, ledger.writing() as connection:
        _write_and_fail(connection, fail)
    return error.value


def _write_and_fail(connection: Connection, fail: Failure) -> None:
    connection.execute(text("update lines set reason = 'staff'"))
    fail(connection)


@pytest.mark.parametrize("fail", FAILURES)
def test_an_error_of_the_database_shows_no_value(ledger: Ledger, fail: Failure) -> None:
    error = failure(ledger, fail)

    shown = repr(error) + "".join(traceback.format_exception(error))
    assert str(PLANTED) not in shown


@pytest.mark.parametrize("fail", FAILURES)
def test_an_error_of_the_database_hides_its_cause(ledger: Ledger, fail: Failure) -> None:
    error = failure(ledger, fail)

    assert (error.__cause__, error.__suppress_context__) == (None, True)


@pytest.mark.parametrize("fail", FAILURES)
def test_an_error_of_the_database_leaves_nothing_of_its_transaction(
    ledger: Ledger, fail: Failure
) -> None:
    failure(ledger, fail)

    assert [line["reason"] for line in lines_of(ledger)] == ["no_contact"]


def test_even_the_drivers_own_error_shows_no_parameter(ledger: Ledger) -> None:
    with pytest.raises(SQLAlchemyError) as error, ledger.engine.connect() as connection:
        bad_sql(connection)

    assert str(PLANTED) not in str(error.value)


def test_an_error_of_the_database_says_its_kind(ledger: Ledger) -> None:
    kind = r"UniqueViolation \(23505\)" if ledger.on_postgresql else "SQLITE_CONSTRAINT_UNIQUE"
    with pytest.raises(LedgerError, match=kind):
        raise failure(ledger, twice)


def test_an_error_while_reading_is_a_ledger_error(ledger: Ledger) -> None:
    with pytest.raises(LedgerError), ledger.reading() as connection:
        bad_sql(connection)


def test_an_error_of_ours_goes_through_and_takes_the_writing_back(ledger: Ledger) -> None:
    read_day(ledger, invited(PLANTED))
    before = everything(ledger)
    with pytest.raises(ZeroDivisionError), ledger.writing() as connection:
        _write_and_fail(connection, lambda _: 1 / 0)

    assert everything(ledger) == before


@pytest.mark.parametrize("step", ["propose", "claim", "settle"])
def test_a_step_that_the_database_refuses_shows_no_patient(ledger: Ledger, step: str) -> None:
    """Not a value of the statement, and not the row that PostgreSQL would quote."""
    read_day(ledger, invited(PLANTED))
    steps: dict[str, Callable[[], Any]] = {
        "propose": lambda: read_day(ledger, invited(PLANTED, name=NAME)),
        "claim": lambda: take(ledger),
    }
    if step == "settle":
        batch = take(ledger)
        said = Settlement(accepted=[batch.lines[0].id])
        steps["settle"] = lambda: settle(ledger, batch, said, actor=ACTOR)
    with refusing(ledger, "lines", "update"), pytest.raises(LedgerError) as error:
        steps[step]()

    shown = "".join(traceback.format_exception(error.value))
    assert [value for value in (str(PLANTED), NAME) if value in shown] == []


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_the_ledger_logs_neither_rows_nor_statements(
    ledger: Ledger, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    """A fresh engine, since an engine asks for its log level once."""
    caplog.set_level(level)
    address = ledger.engine.url.render_as_string(hide_password=False)
    fresh = Ledger(connect(address), ledger.keys)
    read_day(fresh, invited(PLANTED))
    take(fresh)
    fresh.close()

    assert [record.name for record in caplog.records if "Engine" in record.name] == []
    assert str(PLANTED) not in caplog.text


def test_a_database_that_does_not_answer_is_a_ledger_error_without_its_password(
    postgres: str,
) -> None:
    address = "postgresql://user:planted-password@127.0.0.1:1/ledger"
    ledger = Ledger(connect(address), new_keys())
    with pytest.raises(LedgerError) as error, ledger.reading():
        pass

    assert "planted" not in "".join(traceback.format_exception(error.value))


def test_two_writers_take_turns(ledger: Ledger) -> None:
    """Each reads before it writes; begun late, the second would fail at once on SQLite."""
    read_day(ledger, invited(PLANTED))

    def second() -> None:
        with ledger.writing() as connection:
            connection.execute(
                text("select retry_allowed from lines" + _for_update(ledger))
            ).scalar_one()
            connection.execute(text("update lines set reason = coalesce(reason, '') || 'b'"))

    with ledger.writing() as connection:
        connection.execute(text("update lines set reason = 'a'"))
        with blocked(ledger, second) as waiting:
            connection.commit()
        waiting.result(30)

    assert [line["reason"] for line in lines_of(ledger)] == ["ab"]


def _for_update(ledger: Ledger) -> str:
    return " for update" if ledger.on_postgresql else ""


def test_times_are_in_utc(ledger: Ledger) -> None:
    assert stage(ledger).completed_at.tzinfo == UTC


def test_times_are_in_utc_whatever_the_zone_of_the_server(postgresql_ledger: Ledger) -> None:
    with postgresql_ledger.writing() as connection:
        connection.execute(text("set local time zone 'America/Cuiaba'"))
        now = connection.execute(select(moment_in())).scalar_one()

    assert now.tzinfo == UTC


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("busy_timeout", 60_000),
        ("foreign_keys", 1),
        ("secure_delete", 1),
    ],
)
def test_sqlite_is_set_for_a_ledger(sqlite_ledger: Ledger, pragma: str, value: Any) -> None:
    with sqlite_ledger.reading() as connection:
        assert connection.scalar(text(f"pragma {pragma}")) == value


def test_a_writing_transaction_holds_sqlite_from_its_beginning(sqlite_ledger: Ledger) -> None:
    database = str(sqlite_ledger.engine.url.database)
    with (
        sqlite_ledger.writing(),
        closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as impatient,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        impatient.execute("begin immediate")


def test_a_reading_transaction_keeps_nobody_from_writing(sqlite_ledger: Ledger) -> None:
    read_day(sqlite_ledger, invited(PLANTED))
    with sqlite_ledger.reading() as connection:
        connection.execute(text("select * from lines")).all()
        sql(sqlite_ledger, "update lines set reason = 'staff'")

    assert [line["reason"] for line in lines_of(sqlite_ledger)] == ["staff"]


def test_what_was_erased_is_not_left_in_sqlites_file(sqlite_ledger: Ledger) -> None:
    """A marker stands for a payload, which could not be told from any other."""
    database = Path(str(sqlite_ledger.engine.url.database))
    read_day(sqlite_ledger, invited(PLANTED))
    marker = b"ERASED-PAYLOAD"
    sql(sqlite_ledger, "update lines set payload = :payload", payload=marker)
    _checkpoint(sqlite_ledger)
    held = marker in database.read_bytes()
    sql(sqlite_ledger, "update lines set payload = null")
    _checkpoint(sqlite_ledger)

    assert (held, marker in database.read_bytes()) == (True, False)


def _checkpoint(ledger: Ledger) -> None:
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
