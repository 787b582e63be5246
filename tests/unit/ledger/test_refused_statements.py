"""What a database refuses amid a transaction is told by its code, with what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from tests.postgres import administer
from track_dispatch.errors import ConfigError, LedgerError
from track_dispatch.ledger.connection_errors import PERMANENT, REFUSALS
from track_dispatch.ledger.creation import init_ledger
from track_dispatch.ledger.database import Ledger, connect
from track_dispatch.ledger.keys import new_keys

OF_POSTGRESQL = sorted(code for code in REFUSALS if not code.startswith("SQLITE"))


@pytest.mark.parametrize("code", OF_POSTGRESQL)
def test_each_code_of_postgresql_says_what_to_do(postgres_url: str, code: str) -> None:
    function = f"refuse_{code.lower()}"
    raising = f"raise exception 'PATIENT' using errcode = '{code}'"
    administer(
        postgres_url,
        f"create or replace function {function}() returns int language plpgsql as"
        f" $$ begin {raising}; end $$",
    )
    with (
        Ledger(connect(postgres_url), new_keys()) as ledger,
        pytest.raises(ConfigError if code in PERMANENT else LedgerError) as caught,
        ledger.reading() as connection,
    ):
        connection.execute(text(f"select {function}()"))

    assert f"({code}): {REFUSALS[code]}" in str(caught.value)
    assert "PATIENT" not in str(caught.value)


def fill(connection: Connection) -> None:
    connection.exec_driver_sql("pragma max_page_count = 1")
    connection.exec_driver_sql("create table filled as select zeroblob(9000000) as x")


def write_where_nothing_may_be_written(connection: Connection) -> None:
    connection.exec_driver_sql("pragma query_only = on")
    connection.exec_driver_sql("delete from lines")


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (fill, "SQLITE_FULL): the disk is full: make room"),
        (write_where_nothing_may_be_written, "SQLITE_READONLY): the file may not be written"),
    ],
)
def test_what_sqlite_refuses_says_what_to_do(
    tmp_path: Path, act: Callable[[Connection], None], told: str
) -> None:
    url, keys = f"sqlite:///{tmp_path}/ledger.db", new_keys()
    init_ledger(url, keys)

    with (
        Ledger(connect(url), keys) as ledger,
        pytest.raises(LedgerError) as caught,
        ledger.writing() as connection,
    ):
        act(connection)

    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("begin", "told"), [(0, "SQLITE_NOTADB"), (100, "SQLITE_CORRUPT")], ids=["head", "pages"]
)
def test_a_damaged_file_is_kept_and_a_backup_put_back(
    tmp_path: Path, begin: int, told: str
) -> None:
    """Whoever made a new ledger in its place would ask everybody again."""
    file, keys = tmp_path / "ledger.db", new_keys()
    init_ledger(f"sqlite:///{file}", keys)
    whole = file.read_bytes()
    file.write_bytes(whole[:begin] + b"\xff" * (len(whole) - begin))

    with (
        Ledger(connect(f"sqlite:///{file}"), keys) as ledger,
        pytest.raises(LedgerError) as caught,
        ledger.reading() as connection,
    ):
        connection.exec_driver_sql("select count(*) from lines")

    assert told in str(caught.value)
    assert "keep a copy of it as it is" in str(caught.value)
    assert "`ledger restored`" in str(caught.value)


def write_after_somebody_else(ledger: Ledger) -> None:
    with ledger.reading() as first:
        first.exec_driver_sql("select count(*) from stops")
        with ledger.writing() as second:
            second.exec_driver_sql("create table later (x int)")
        first.exec_driver_sql("create table too_late (x int)")


def test_a_refined_code_of_sqlite_is_told_as_its_kind(tmp_path: Path) -> None:
    url, keys = f"sqlite:///{tmp_path}/ledger.db", new_keys()
    init_ledger(url, keys)

    with (
        Ledger(connect(url), keys) as ledger,
        pytest.raises(LedgerError, match=r"SQLITE_BUSY_SNAPSHOT\): another process writes"),
    ):
        write_after_somebody_else(ledger)


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with (
        Ledger(connect(f"sqlite:///{tmp_path}/gone/ledger.db"), new_keys()) as ledger,
        pytest.raises(LedgerError, match=r"SQLITE_CANTOPEN\w*\): the file or its folder"),
        ledger.reading(),
    ):
        pass
