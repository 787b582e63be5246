"""A query on the ERP without running it: parsed, its binds looked at, its columns described."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest
from many_rows import CONN_ID, opened

from demo.world import erp_server, oracle_connection
from stand_ins.erp_data import erp_sql
from stand_ins.oracle import OracleStandIn
from track_dispatch.config import load_hospital
from track_dispatch.errors import SourceContractError, SourceUnavailableError
from track_dispatch.extraction.query import ReturnedColumn, check_columns, render
from track_dispatch.records import COLUMNS


def described(sql: str, conn_id: str = CONN_ID) -> Sequence[ReturnedColumn]:
    with opened(conn_id) as erp:
        return erp.describe(sql, action="describe")


@pytest.mark.parametrize("code", ["HMS", "ENCORE"])
def test_a_hospital_s_query_is_described_and_not_run(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital = load_hospital(code)
    filled = erp_sql(hospital.source, days=[date(2026, 3, 2)])
    with erp_server(filled) as erp:
        monkeypatch.setenv("AIRFLOW_CONN_ORACLE_HERE", oracle_connection(erp.port))
        columns = described(render(hospital), "oracle_here")

    assert check_columns(columns) == COLUMNS
    assert [(one.executed, one.module, one.action) for one in erp.statements] == [
        (False, "track_dispatch", "describe")
    ]


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("x > :day_start", "day_start; "),
        ("x between :day_start and :day_end and x <> :other", "day_end, day_start, other; "),
        ("1 = 1", "none; "),
    ],
)
def test_other_binds_are_refused(server: OracleStandIn, where: str, named: str) -> None:
    with pytest.raises(SourceContractError, match=f"the query has the binds {named}") as told:
        described(f"select 1 as x from (select date '2026-03-02' as x from dual) where {where}")

    assert "it must have day_start and day_end" in str(told.value)


def test_what_the_erp_does_not_know_is_a_broken_contract(server: OracleStandIn) -> None:
    with pytest.raises(SourceContractError, match=r"parsing on the ERP \(describe\): ORA-00942"):
        described("select 1 from nowhere where x between :day_start and :day_end")


def test_an_erp_that_breaks_off_is_unavailable(server: OracleStandIn) -> None:
    server.faults.errors.append(("select", 3113, ""))

    with pytest.raises(SourceUnavailableError, match="ORA-03113"):
        described("select 1 from dual where sysdate between :day_start and :day_end")
