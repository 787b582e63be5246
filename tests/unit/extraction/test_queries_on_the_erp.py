"""The eighteen queries on an ERP: parsed, described, and held against their examples.

`make test` serves the stand-in, `make test-oracle` a real Oracle.
"""

from __future__ import annotations

from datetime import date

import pytest
from erp_rows import Serving, hospital, read

from demo.examples import DAY, contradictions, planted_examples, schema_of
from stand_ins.erp import schemas
from track_dispatch.config import working_hospitals
from track_dispatch.errors import SourceContractError
from track_dispatch.extraction.examples import read_examples
from track_dispatch.extraction.oracle import open_erp
from track_dispatch.extraction.query import ReturnedColumn, check_columns, render
from track_dispatch.records import COLUMNS

CODES = [one.code for one in working_hospitals()]


def described(conn_id: str, sql: str) -> tuple[ReturnedColumn, ...]:
    with open_erp(conn_id, logon_deadline_seconds=30, call_timeout_seconds=30) as erp:
        return erp.describe(sql, action="parse")


@pytest.mark.parametrize("code", CODES)
def test_each_query_returns_the_agreed_columns(code: str, serving: Serving) -> None:
    where = hospital(code)
    with serving(where.oracle_conn_id, schema_of(where), {}):
        found = described(where.oracle_conn_id, render(where))

    assert check_columns(found) == COLUMNS


@pytest.mark.parametrize("code", CODES)
def test_each_example_comes_out_as_it_says(code: str, serving: Serving) -> None:
    where, told = hospital(code), []
    for tables, those in planted_examples(where, read_examples(where)):
        with serving(where.oracle_conn_id, schema_of(where), tables):
            told += contradictions(those, read(code, DAY))

    assert told == []


@pytest.mark.parametrize("code", ["HMS", "HSMC", "ENCORE"])
def test_an_empty_day_has_no_row(code: str, serving: Serving) -> None:
    where = hospital(code)
    with serving(where.oracle_conn_id, schema_of(where), {}):
        assert read(code, date(2024, 2, 29)) == []


BOUND = "where a.dt_alta >= :day_start and a.dt_alta < :day_end"


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (f"select a.hr_alta from dbamv.nowhere a {BOUND}", "ORA-00942"),
        (f"select a.nothing from dbamv.atendime a {BOUND}", "ORA-00904"),
        ("select a.hr_alta from dbamv.atendime a", "the query has the binds none"),
    ],
)
def test_what_the_erp_does_not_know_is_told(sql: str, told: str, serving: Serving) -> None:
    with (
        serving("oracle_hms", schemas.MV, {}),
        pytest.raises(SourceContractError, match=told),
    ):
        described("oracle_hms", sql)
