"""A query that is only parsed: described as if it had run, without running."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import oracledb
import pytest

if TYPE_CHECKING:
    from stand_ins.oracle import OracleStandIn

QUERY = """
select p.cd, p.nm as "nome", null as vazio, cast(:dia as date) - 1 as vespera
from tasy.pessoa p
where p.dt >= :dia
"""


def test_a_parsed_query_is_described_as_a_run_one(
    server: OracleStandIn, cursor: oracledb.Cursor
) -> None:
    cursor.parse(QUERY)
    parsed = cursor.description
    cursor.execute(QUERY, dia=datetime.fromisoformat("2026-11-20"))

    assert [column.name for column in parsed] == ["CD", "nome", "VAZIO", "VESPERA"]
    assert parsed == cursor.description


def test_a_parsed_query_does_not_run(server: OracleStandIn, cursor: oracledb.Cursor) -> None:
    cursor.parse("select 1 / 0 from dual")

    assert [statement.executed for statement in server.statements] == [False]


def test_a_query_runs_after_it_was_parsed(server: OracleStandIn, cursor: oracledb.Cursor) -> None:
    sql = "select nm from tasy.pessoa where cd = :cd"
    cursor.parse(sql)

    assert cursor.execute(sql, cd=1).fetchall() == [("Ana",)]
    assert [statement.executed for statement in server.statements] == [False, True]


def test_what_cannot_be_parsed_is_refused(cursor: oracledb.Cursor) -> None:
    with pytest.raises(oracledb.DatabaseError, match="ORA-00942"):
        cursor.parse("select 1 from tasy.nowhere")
    with pytest.raises(oracledb.DatabaseError, match="ORA-00904"):
        cursor.parse("select nowhere from tasy.pessoa")

    assert cursor.execute("select 'X' from dual").fetchall() == [("X",)]


def test_what_is_no_query_is_not_parsed(cursor: oracledb.Cursor) -> None:
    """Oracle would run some of it, which nobody expects of parsing."""
    with pytest.raises(oracledb.DatabaseError, match="ORA-03001"):
        cursor.parse("begin null; end;")
