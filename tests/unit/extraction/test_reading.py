"""Reading a day through OracleHook, the real driver and a socket."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import tracemalloc
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from erp_rows import as_rows
from many_rows import DAY, MANY, SELECT, chunks, connection_to, consume, opened, select_of

from track_dispatch.errors import SourceContractError, SourceUnavailableError
from track_dispatch.records import COLUMNS

if TYPE_CHECKING:
    from stand_ins.oracle import OracleStandIn

ROOT = Path(__file__).resolve().parents[3]
#: A day of `dbamv.mixed` with each type that the contract allows.
MIXED = select_of(
    "dbamv.mixed",
    {
        "ID_Cliente_Hfocus": "40085",
        "cd_atendimento": "m.cd_atendimento",
        "data_atendimento": "to_char(m.stamp, 'SYYYY-MM-DD HH24:MI:SS')",
        "data_saida_alta": "to_char(m.late_dat, 'SYYYY-MM-DD HH24:MI:SS')",
        "name": "m.txt",
        "phone": "m.digits",
        "cpf": "m.digits",
        "medico": "m.txt",
        "area_pesquisa": "'EXAMES'",
        "setor": "m.txt",
        "x_text": "m.txt",
        "x_whole": "m.digits",
        "x_fraction": "m.fraction",
        "x_plain_number": "m.plain_number",
        "x_large": "m.large",
        "x_nothing": "null",
    },
)


def test_a_day_comes_in_chunks_of_the_asked_size(server: OracleStandIn) -> None:
    assert [len(chunk) for chunk in chunks(rows=2500)] == [1000, 1000, 500]


def test_an_empty_day_has_no_chunk(server: OracleStandIn) -> None:
    assert list(chunks(rows=0)) == []


def test_columns_are_in_the_query_s_order_and_of_equal_length(server: OracleStandIn) -> None:
    with opened() as erp:
        [columns] = erp.read(MIXED, day=DAY, action="columns")

    extras = "text whole fraction plain_number large nothing"
    assert tuple(columns) == (*COLUMNS, *(f"x_{name}" for name in extras.split()))
    assert {len(texts) for texts in columns.values()} == {1500}
    assert columns["cd_atendimento"] == [str(950_000_000 + number) for number in range(1500)]


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
    with opened() as erp:
        for _ in range(2):
            days = erp.read(SELECT, day=DAY, action="again")
            assert len(as_rows(next(days))) == 2000
            days.close()

    assert [recorded.sql for recorded in server.statements].count("set transaction read only") == 2


def test_the_dba_sees_who_asks_for_what(server: OracleStandIn) -> None:
    consume(rows=10)

    assert {(seen.module, seen.action) for seen in server.statements} == {
        ("track_dispatch", "TEST 2026-11-20")
    }


def test_a_long_action_is_cut_to_what_old_servers_keep(server: OracleStandIn) -> None:
    with opened() as erp:
        days = erp.read(SELECT, day=DAY, action="é" * 100)
        next(days)

    assert server.statements[-1].action == "é" * 16


def test_the_day_is_bound_as_naive_moments(server: OracleStandIn) -> None:
    consume(rows=10)

    assert server.statements[-1].binds == [
        [datetime.fromisoformat("2026-11-20"), datetime.fromisoformat("2026-11-21")]
    ]


def test_who_stops_half_way_leaves_nothing_behind(server: OracleStandIn) -> None:
    """The generator may outlive the connection; its end must be quiet (warnings are errors)."""
    with opened() as erp:
        days = erp.read(SELECT, day=DAY, action="half")
        next(days)
    days.close()

    assert next(days, None) is None


def test_the_session_is_gone_afterwards(server: OracleStandIn) -> None:
    with opened() as erp:
        pass

    with pytest.raises(SourceUnavailableError, match="DPY-1001"):
        next(erp.read(SELECT, day=DAY, action="late"))


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

    with pytest.raises(SourceContractError, match=r"TEST.*lacks the columns medico"):
        next(chunks(swapped.replace('as "x"', 'as "x_medico"')))


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
        "from track_dispatch.extraction.oracle import open_erp\n"
        "limits = {'logon_deadline_seconds': 30, 'call_timeout_seconds': 30}\n"
        "try:\n"
        "    open_erp('oracle_old', **limits).__enter__()\n"
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
        "import sys, track_dispatch.extraction.oracle\n"
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
