"""Reading a day through OracleHook, the real driver and a socket; and what goes wrong there."""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import tracemalloc
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from erp_rows import PASSWORD, SERVICE, USER

from demo.oracle import Faults, OracleStandIn
from track_dispatch.errors import ConfigError, SourceContractError, SourceUnavailableError
from track_dispatch.extraction.reader import open_connection, read_day
from track_dispatch.records import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from track_dispatch.errors import TrackDispatchError
    from track_dispatch.records import ErpRow

ROOT = Path(__file__).resolve().parents[3]
DAY = date(2026, 11, 20)
CONN_ID = "oracle_test"
MANY = 30_000

TABLE = f"""
create schema dbamv;
create table dbamv.many as select
  950000000 + range as cd_atendimento,
  cast(timestamp '2026-11-20 08:00:00' as timestamp_s) as moment,
  'PESSOA SECRETA ' || range as nm
from range({MANY});
"""
SELECT = """
select
  '40085' as "ID_Cliente_Hfocus",
  m.cd_atendimento as "cd_atendimento",
  m.moment as "data_atendimento",
  m.moment as "data_saida_alta",
  m.nm as "name",
  m.nm as "email",
  m.nm as "phone",
  m.nm as "cpf",
  m.nm as "medico",
  'EXAMES' as "area_pesquisa",
  'Unidade' as "unidade",
  'EXAMES' as "setor"
from dbamv.many m
where m.moment >= :day_start
  and m.moment < :day_end
"""


@pytest.fixture(scope="module")
def running(
    serving: Callable[[str, str], AbstractContextManager[OracleStandIn]],
) -> Iterator[OracleStandIn]:
    with serving(CONN_ID, TABLE) as server:
        yield server


@pytest.fixture
def server(running: OracleStandIn) -> Iterator[OracleStandIn]:
    running.faults = Faults()
    running.statements.clear()
    yield running
    running.faults = Faults()


def chunks(
    sql: str = SELECT, *, rows: int = MANY, chunk_rows: int = 1000, timeout: float = 30
) -> Iterator[list[ErpRow]]:
    with open_connection(CONN_ID) as connection:
        yield from read_day(
            connection,
            sql=f"{sql}  and m.cd_atendimento < {950_000_000 + rows}",
            day=DAY,
            module="track_test",
            action="TEST 2026-11-20",
            call_timeout_seconds=timeout,
            chunk_rows=chunk_rows,
        )


def consume(sql: str = SELECT, **options: float) -> int:
    return sum(map(len, chunks(sql, **options)))  # type: ignore[arg-type]


def connection_to(port: int, **changes: str) -> str:
    parts = {"user": USER, "password": PASSWORD, "service": SERVICE, "extra": ""} | changes
    password = parts["password"].replace(" ", "%20")
    query = f"service_name={parts['service']}{parts['extra']}"
    return f"oracle://{parts['user']}:{password}@127.0.0.1:{port}/?{query}"


def test_a_day_comes_in_chunks_of_the_asked_size(server: OracleStandIn) -> None:
    assert [len(chunk) for chunk in chunks(rows=2500)] == [1000, 1000, 500]


def test_an_empty_day_has_no_chunk(server: OracleStandIn) -> None:
    assert list(chunks(rows=0)) == []


def test_a_row_has_the_agreed_columns(server: OracleStandIn) -> None:
    (row,) = next(chunks(rows=1))

    assert tuple(row) == COLUMNS
    assert row["cd_atendimento"] == "950000000"
    assert row["data_atendimento"] == "2026-11-20 08:00:00"


def test_the_transaction_is_made_read_only_before_anything_is_read(server: OracleStandIn) -> None:
    consume(rows=10)

    first, second = server.statements
    assert first.sql == "set transaction read only"
    assert second.sql.lstrip().startswith("select")


def test_one_connection_reads_day_after_day(server: OracleStandIn) -> None:
    with open_connection(CONN_ID) as connection:
        for _ in range(2):
            days = read_day(
                connection,
                sql=SELECT,
                day=DAY,
                module="track_test",
                action="again",
                call_timeout_seconds=30,
            )
            assert len(next(days)) == 1000
            days.close()

    assert [recorded.sql for recorded in server.statements].count("set transaction read only") == 2


def test_the_dba_sees_who_asks_for_what(server: OracleStandIn) -> None:
    consume(rows=10)

    assert {(seen.module, seen.action) for seen in server.statements} == {
        ("track_test", "TEST 2026-11-20")
    }


def test_long_names_are_cut_to_what_old_servers_keep(server: OracleStandIn) -> None:
    with open_connection(CONN_ID) as connection:
        days = read_day(
            connection,
            sql=SELECT,
            day=DAY,
            module="m" * 100,
            action="é" * 100,
            call_timeout_seconds=30,
        )
        next(days)

    assert server.statements[-1].module == "m" * 48
    assert server.statements[-1].action == "é" * 16


def test_the_day_is_bound_as_naive_moments(server: OracleStandIn) -> None:
    consume(rows=10)

    assert server.statements[-1].binds == [
        [datetime.fromisoformat("2026-11-20"), datetime.fromisoformat("2026-11-21")]
    ]


def test_who_stops_half_way_leaves_nothing_behind(server: OracleStandIn) -> None:
    """The generator may outlive the connection; its end must be quiet (warnings are errors)."""
    with open_connection(CONN_ID) as connection:
        days = read_day(
            connection,
            sql=SELECT,
            day=DAY,
            module="track_test",
            action="half",
            call_timeout_seconds=30,
        )
        next(days)
    days.close()

    assert next(days, None) is None


def test_the_session_is_gone_afterwards(server: OracleStandIn) -> None:
    with open_connection(CONN_ID) as connection:
        pass

    assert not connection.is_healthy()


def test_memory_does_not_grow_with_the_day(server: OracleStandIn) -> None:
    def peak(rows: int) -> int:
        gc.collect()
        tracemalloc.start()
        assert consume(rows=rows, chunk_rows=500) == rows
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(1000)  # what is loaded once
    assert peak(MANY) <= 1.3 * peak(MANY // 10)


def test_the_columns_are_checked_before_a_row_is_used(server: OracleStandIn) -> None:
    swapped = SELECT.replace('as "email"', 'as "x"').replace('as "medico"', 'as "email"')

    with pytest.raises(SourceContractError, match=r"track_test.*lacks the columns medico"):
        next(chunks(swapped.replace('as "x"', 'as "x_medico"')))


def test_a_row_without_id_is_named_by_its_position_in_the_day(server: OracleStandIn) -> None:
    sql = SELECT.replace('m.cd_atendimento as "cd', 'nullif(m.cd_atendimento, 950001203) as "cd')

    with pytest.raises(SourceContractError, match=r"track_test.*row 1204 of the query"):
        consume(sql, rows=2000)


# --- what goes wrong -----------------------------------------------------------------------------


def test_an_unknown_connection_is_to_be_created(server: OracleStandIn) -> None:
    with pytest.raises(ConfigError, match="Airflow has no connection oracle_nowhere"):  # noqa: SIM117
        with open_connection("oracle_nowhere"):
            pass


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"password": "another one"}, ConfigError, "ORA-01017: .*login and password"),
        ({"user": "NOBODY"}, ConfigError, "ORA-01017: .*login and password"),
        ({"service": "OTHER"}, SourceUnavailableError, "DPY-6001, .*service_name"),
    ],
)
def test_a_wrong_connection_says_what_to_correct(
    server: OracleStandIn,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    kind: type[TrackDispatchError],
    message: str,
) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", connection_to(server.port, **changes))

    with pytest.raises(kind, match=f"connection oracle_test: .*{message}") as caught:
        consume()

    assert caught.value.__cause__ is None
    assert PASSWORD not in str(caught.value)


def test_a_malformed_extra_is_to_be_corrected(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"thick_mode": True, "thick_mode_lib_dir": 5}
    monkeypatch.setenv(
        "AIRFLOW_CONN_ORACLE_ODD", json.dumps({"conn_type": "oracle", "extra": extra})
    )

    with pytest.raises(ConfigError, match=r"oracle_odd: its extra .*thick_mode_lib_dir expected"):  # noqa: SIM117
        with open_connection("oracle_odd"):
            pass


def test_a_stopped_listener_is_tried_again(
    server: OracleStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OracleStandIn(users={USER: PASSWORD}) as stopped:
        port = stopped.port
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", connection_to(port))

    with pytest.raises(SourceUnavailableError, match=r"oracle_test: DPY-6005: .*listener"):
        consume()


def test_a_full_server_is_tried_again(server: OracleStandIn) -> None:
    server.faults.refuse = 12516

    with pytest.raises(SourceUnavailableError, match=r"oracle_test: .*nothing was sent"):
        consume()


def test_a_connection_that_breaks_amid_the_rows_is_tried_again(server: OracleStandIn) -> None:
    server.faults.drop_after_rows = 2500
    got = []

    with pytest.raises(SourceUnavailableError, match=r"track_test, TEST.*DPY-4011: .*broke off"):
        got.extend(map(len, chunks()))

    assert got == [1000, 1000]


def test_a_slow_answer_is_cut_off_and_tried_again(server: OracleStandIn) -> None:
    server.faults.latency = 5

    with pytest.raises(SourceUnavailableError, match=r"DPY-4024: .*call timeout"):
        consume(timeout=0.2)


@pytest.mark.parametrize(
    ("code", "text", "kind", "advice"),
    [
        (942, "", SourceContractError, "ORA-00942: .*grant"),
        (904, '"A"."CD_NOVO": invalid identifier', SourceContractError, 'ORA-00904 "A"."CD_NOVO"'),
        (1722, "unable to convert 'PESSOA SECRETA 7'", SourceContractError, "ORA-01722: .*refused"),
        (1031, "insufficient privileges", SourceContractError, "ORA-01031: .*grant"),
        (28000, "the account is locked", ConfigError, "ORA-28000: .*DBA"),
        (1555, "snapshot too old", SourceUnavailableError, "ORA-01555: .*safe"),
        (3113, "end-of-file on communication channel", SourceUnavailableError, "broke off"),
        (1034, "ORACLE not available", SourceUnavailableError, "ORA-01034: .*starting"),
        (20, "maximum number of processes", SourceUnavailableError, "ORA-00020: .*sessions"),
    ],
)
def test_an_error_of_the_query_says_how_to_recover(
    server: OracleStandIn, code: int, text: str, kind: type[TrackDispatchError], advice: str
) -> None:
    server.faults.errors = [("dbamv", code, f"ORA-{code:05}: {text}" if text else "")]

    with pytest.raises(kind, match=advice) as caught:
        consume()

    assert caught.value.__cause__ is None
    assert "SECRETA" not in str(caught.value)
    assert "track_test, TEST 2026-11-20" in str(caught.value)


def test_a_table_that_is_not_there_is_no_reason_to_try_again(server: OracleStandIn) -> None:
    with pytest.raises(SourceContractError, match=r"ORA-00942: .*grant, or correct the SQL"):
        consume(SELECT.replace("dbamv.many", "dbamv.none"))


def test_nothing_of_the_query_or_its_rows_is_logged(
    server: OracleStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        consume(rows=10)

    assert "SECRETA" not in caplog.text
    assert "ID_Cliente_Hfocus" not in caplog.text


def test_thick_mode_is_asked_for_in_the_connection(tmp_path: Path) -> None:
    """In a process of its own, since a driver that was thin once stays so."""
    extra = f"&thick_mode=true&thick_mode_lib_dir={tmp_path}"
    script = (
        "from track_dispatch.extraction.reader import open_connection\n"
        "try:\n"
        "    open_connection('oracle_old').__enter__()\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ
        | {"AIRFLOW_CONN_ORACLE_OLD": connection_to(1, extra=extra)}
        | {"PYTHONPATH": str(ROOT / "plugins"), "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "ConfigError connection oracle_old: DPI-1047" in done.stdout
    assert "thick_mode_lib_dir" in done.stdout


def test_parsing_a_dag_file_does_not_load_airflow_through_the_reader() -> None:
    script = (
        "import sys, track_dispatch.extraction.reader\n"
        "print(any(name.split('.')[0] == 'airflow' for name in sys.modules))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(ROOT / "plugins")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.strip() == "False"
