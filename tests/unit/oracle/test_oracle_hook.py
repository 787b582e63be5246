"""Airflow's OracleHook against the stand-in, configured as in production."""

# ruff: noqa: DTZ001 - Oracle's DATE knows no zone

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING

import oracledb
import pytest
from airflow.providers.oracle.hooks.oracle import OracleHook

if TYPE_CHECKING:
    from stand_ins.oracle import OracleStandIn


@pytest.fixture
def hook_for(server: OracleStandIn, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], OracleHook]:
    """Make a hook of a connection whose URI is completed with the port."""

    def make(uri: str) -> OracleHook:
        monkeypatch.setenv("AIRFLOW_CONN_ORACLE_HIS", uri.format(port=server.port))
        return OracleHook(oracle_conn_id="oracle_his", log_sql=False)

    return make


@pytest.mark.parametrize(
    "uri",
    [
        "oracle://X:Segredo%231%20%C3%A9@127.0.0.1:{port}/?service_name=ORCL",
        "oracle://X:Segredo%231%20%C3%A9@127.0.0.1:{port}/?sid=ORCL",
        "oracle://X:Segredo%231%20%C3%A9@/?dsn=127.0.0.1%3A{port}%2FORCL",
    ],
    ids=["service_name", "sid", "dsn"],
)
def test_records_come_through_the_hook(hook_for: Callable[[str], OracleHook], uri: str) -> None:
    sql = "select cd, nm, dt from tasy.pessoa where dt >= :day_start order by cd"

    rows = hook_for(uri).get_records(sql, parameters={"day_start": dt.datetime(1990, 1, 1)})

    assert rows == [
        (1, "Ana", dt.datetime(1990, 5, 1, 10, 20, 30)),
        (3, "Conceição", dt.datetime(2001, 12, 31)),
    ]


URI = "oracle://DBAMV:outra@127.0.0.1:{port}/?service_name=ORCL"


def test_rows_stream_through_the_hooks_connection(hook_for: Callable[[str], OracleHook]) -> None:
    with hook_for(URI).get_conn() as connection, connection.cursor() as cursor:
        cursor.arraysize = cursor.prefetchrows = 1000
        cursor.execute("select * from dbamv.atendime where cd_atendimento < :n", {"n": 2500})

        sizes = [len(rows) for rows in iter(cursor.fetchmany, [])]

    assert sizes == [1000, 1000, 500]


def test_the_hooks_own_test_of_a_connection_succeeds(
    hook_for: Callable[[str], OracleHook],
) -> None:
    assert hook_for(URI).test_connection() == (True, "Connection successfully tested")


def test_a_wrong_password_is_denied_through_the_hook(
    hook_for: Callable[[str], OracleHook],
) -> None:
    hook = hook_for("oracle://DBAMV:errada@127.0.0.1:{port}/?service_name=ORCL")

    with pytest.raises(oracledb.DatabaseError, match="ORA-01017"):
        hook.get_records("select 1 from dual")


def test_a_service_in_the_path_is_taken_for_a_schema(
    hook_for: Callable[[str], OracleHook],
) -> None:
    """OracleHook 4.7.1 sets it as the current schema, too: it belongs into the extra."""
    hook = hook_for("oracle://DBAMV:outra@127.0.0.1:{port}/ORCL")

    with pytest.raises(oracledb.DatabaseError, match="ORA-01435"):
        hook.get_records("select 1 from dual")
