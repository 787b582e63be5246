"""The database under the ledger: its transactions, its deadlines, and its errors without values."""

from __future__ import annotations

import logging
import sqlite3
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.engine import make_url

from tests.relay import relay
from tests.unit.ledger.steps import Steps
from track_dispatch.errors import LedgerError
from track_dispatch.ledger.database import SHORT, Ledger, Limits, connect
from track_dispatch.ledger.keys import new_keys
from track_dispatch.ledger.sql import moment_in

if TYPE_CHECKING:
    from sqlalchemy import Connection

PLANTED = "977654321"
COPIED = "address + 1, source, attendance_id, state"


def twice(connection: Connection) -> None:
    """Write an attendance again that is there."""
    connection.execute(
        text(
            "insert into lines (id, address, source, attendance_id, state)"
            f" select id + 1, {COPIED} from lines"
        )
    )


def bad_sql(connection: Connection) -> None:
    """Ask for a column that is not there, beside a value."""
    connection.execute(text("select no_column from lines where reason = :x"), {"x": PLANTED})


def a_state_nobody_knows(connection: Connection) -> None:
    """Break a check."""
    connection.execute(text("update lines set state = :state"), {"state": PLANTED})


def of_the_driver_itself(connection: Connection) -> None:
    """Fail as the hot paths fail, which talk to the driver without SQLAlchemy."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(f"select no_column from lines where reason = '{PLANTED}'")


FAILURES = [twice, bad_sql, a_state_nobody_knows, of_the_driver_itself]


def failure(steps: Steps, fail: Callable[[Connection], object]) -> LedgerError:
    """Let the database fail over a planted value, in a transaction that wrote before."""
    steps.add_line(PLANTED)
    with pytest.raises(LedgerError) as error, steps.ledger.writing() as connection:
        _write_and_fail(connection, fail)
    return error.value


def _write_and_fail(connection: Connection, fail: Callable[[Connection], object]) -> None:
    connection.execute(text("update lines set reason = 'staff'"))
    fail(connection)


@pytest.mark.parametrize("fail", FAILURES)
def test_an_error_of_the_database_shows_no_value_and_hides_its_cause(
    steps: Steps, fail: Callable[[Connection], object]
) -> None:
    error = failure(steps, fail)

    shown = repr(error) + "".join(traceback.format_exception(error))
    assert PLANTED not in shown
    assert (error.__cause__, error.__context__, error.__suppress_context__) == (None, None, True)


@pytest.mark.parametrize("fail", FAILURES)
def test_an_error_of_the_database_leaves_nothing_of_its_transaction(
    steps: Steps, fail: Callable[[Connection], object]
) -> None:
    failure(steps, fail)

    assert [row[5] for row in steps.everything()["lines"]] == ["no_contact"]


def test_an_error_of_ours_goes_through_and_takes_the_writing_back(steps: Steps) -> None:
    steps.add_line(PLANTED)
    before = steps.everything()
    with pytest.raises(ZeroDivisionError), steps.ledger.writing() as connection:
        _write_and_fail(connection, lambda _: 1 / 0)

    assert steps.everything() == before


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_the_ledger_logs_neither_rows_nor_statements(
    ledger: Ledger, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    """A fresh engine, since an engine asks for its log level once."""
    caplog.set_level(level)
    address = ledger.engine.url.render_as_string(hide_password=False)
    with Ledger(connect(address), ledger.keys) as fresh:
        Steps(fresh).add_line(PLANTED)

    assert [record.name for record in caplog.records if "Engine" in record.name] == []
    assert PLANTED not in caplog.text


# --- PostgreSQL -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("synchronous_commit", "on"),
        ("lock_timeout", "2s"),
        ("statement_timeout", "20s"),
        ("transaction_isolation", "read committed"),
    ],
)
def test_a_writing_transaction_sets_what_the_promise_needs(
    postgresql_ledger: Ledger, setting: str, value: str
) -> None:
    """Whatever the server, the role or the database say."""
    with postgresql_ledger.writing() as connection:
        connection.execute(text("select 1"))
        assert connection.scalar(text(f"show {setting}")) == value


def test_what_a_transaction_sets_is_gone_with_it(postgresql_ledger: Ledger) -> None:
    with postgresql_ledger.writing():
        pass
    with postgresql_ledger.reading() as connection:
        assert connection.scalar(text("show statement_timeout")) == "0"


def test_no_statement_is_prepared_by_name(postgresql_ledger: Ledger) -> None:
    """A pooler in transaction mode would run another session's statement under the same name."""
    with postgresql_ledger.writing() as connection:
        for _ in range(12):
            connection.execute(text("select :x + 1"), {"x": 1})
        prepared = connection.scalar(text("select count(*) from pg_prepared_statements"))

    assert prepared == 0


def test_who_waits_for_a_row_gives_up_in_time(postgresql_steps: Steps) -> None:
    postgresql_steps.add_line(PLANTED)
    brief = Limits(lock=0.1, statement=5, whole=10)
    with postgresql_steps.ledger.writing() as connection:
        connection.execute(text("update lines set reason = 'a'"))
        with (
            pytest.raises(LedgerError, match="55P03"),
            postgresql_steps.ledger.writing(brief) as second,
        ):
            second.execute(text("update lines set reason = 'b'"))


@pytest.mark.parametrize(
    "when", ["before the log-on", "at the log-on", "within a transaction", "at its commit"]
)
def test_a_silent_server_is_waited_for_no_longer_than_our_own_deadline(
    postgresql_ledger: Ledger, when: str
) -> None:
    """The server's own limits do not help against a server that says nothing."""
    address = postgresql_ledger.engine.url
    directory = str(address.query["host"])
    brief = Limits(lock=1, statement=1, whole=1.5)
    with relay(f"{directory}/.s.PGSQL.5432") as proxy:
        through = address.set(host="127.0.0.1", port=proxy.port, query={})
        url = make_url(through).render_as_string(hide_password=False)
        with Ledger(connect(url), postgresql_ledger.keys) as ledger:

            def ask() -> None:
                with ledger.writing(brief) as connection:
                    if when == "at its commit":
                        connection.execute(text("create table written (x int)"))
                    proxy.fall_silent()
                    if when == "within a transaction":
                        connection.execute(text("select 1"))

            if when == "before the log-on":
                proxy.fall_silent()
            if when == "at the log-on":
                proxy.fall_silent_after_first_answer()
            with ThreadPoolExecutor(1) as pool:
                error = pool.submit(ask).exception(30)

    assert isinstance(error, LedgerError)
    assert ("nobody answers there" if "log-on" in when else "longer than 1.5 s") in str(error)


def test_a_database_that_does_not_answer_is_a_ledger_error_without_its_password() -> None:
    address = "postgresql://user:planted-password@127.0.0.1:1/ledger"
    with (
        Ledger(connect(address), new_keys()) as ledger,
        pytest.raises(LedgerError) as error,
        ledger.reading(),
    ):
        pass

    assert "planted" not in "".join(traceback.format_exception(error.value))


def test_times_are_in_utc_whatever_the_zone_of_the_server(postgresql_ledger: Ledger) -> None:
    with postgresql_ledger.writing() as connection:
        connection.execute(text("set local time zone 'America/Cuiaba'"))
        now = connection.execute(select(moment_in())).scalar_one()

    assert now.tzinfo == UTC


# --- SQLite ---------------------------------------------------------------------------------


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
        sqlite_ledger.writing(SHORT),
        closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as impatient,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        impatient.execute("begin immediate")


def test_a_reading_transaction_keeps_nobody_from_writing(sqlite_ledger: Ledger) -> None:
    Steps(sqlite_ledger).add_line(PLANTED)
    with sqlite_ledger.reading() as connection:
        connection.execute(text("select * from lines")).all()
        Steps(sqlite_ledger).run_sql("update lines set reason = 'staff'")

    assert [row[5] for row in Steps(sqlite_ledger).everything()["lines"]] == ["staff"]


def test_what_was_erased_is_not_left_in_sqlites_file(sqlite_ledger: Ledger) -> None:
    """A marker stands for a payload, which could not be told from any other."""
    database = Path(str(sqlite_ledger.engine.url.database))
    Steps(sqlite_ledger).add_line(PLANTED)
    marker = b"ERASED-PAYLOAD"
    Steps(sqlite_ledger).run_sql(
        "update envelopes set waiting = 1, payload = :payload", payload=marker
    )
    _checkpoint(sqlite_ledger)
    held = marker in database.read_bytes()
    Steps(sqlite_ledger).run_sql("update envelopes set payload = null")
    _checkpoint(sqlite_ledger)

    assert (held, marker in database.read_bytes()) == (True, False)


def _checkpoint(ledger: Ledger) -> None:
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
