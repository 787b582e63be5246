"""Misbehaviour on demand, call timeouts and breaks, and what is recorded for tests."""

# ruff: noqa: DTZ001 - Oracle's DATE knows no zone

from __future__ import annotations

import datetime as dt
import logging
import threading

import oracledb
import pytest

from stand_ins.oracle import Faults, OracleStandIn
from stand_ins.oracle.session import Session

SLOW = (
    "select count(*) from dbamv.atendime a, dbamv.atendime b, dbamv.atendime c"
    " where a.nm_paciente || b.nm_paciente || c.nm_paciente like '%z%y'"
)


def wait_for_a_statement(server: OracleStandIn, client: threading.Thread) -> None:
    while client.is_alive() and not server.statements:
        client.join(timeout=0.001)


def test_a_refused_connection_tells_the_listeners_error(server: OracleStandIn) -> None:
    server.faults.refuse = 12516

    with pytest.raises(oracledb.OperationalError, match="12516"):
        oracledb.connect(user="DBAMV", password="outra", dsn=server.dsn)


def test_a_locked_account_is_refused_whatever_the_password(server: OracleStandIn) -> None:
    server.faults.log_on = 28000

    for password in ("outra", "wrong"):
        with pytest.raises(oracledb.DatabaseError, match="ORA-28000: the account is locked"):
            oracledb.connect(user="DBAMV", password=password, dsn=server.dsn)


def test_a_stopped_listener_is_unreachable() -> None:
    with OracleStandIn(users={"X": "p"}) as server:
        dsn = server.dsn

    with pytest.raises(oracledb.OperationalError, match="DPY-6005"):
        oracledb.connect(user="X", password="p", dsn=dsn)


def test_a_connection_is_cut_in_the_middle_of_a_fetch(
    server: OracleStandIn, connection: oracledb.Connection
) -> None:
    server.faults.drop_after_rows = 2500
    cursor = connection.cursor()
    cursor.arraysize = cursor.prefetchrows = 1000
    cursor.execute("select * from dbamv.atendime")
    received = len(cursor.fetchmany(1000)) + len(cursor.fetchmany(1000))

    with pytest.raises(oracledb.DatabaseError, match="DPY-4011"):
        cursor.fetchmany(1000)

    assert (received, connection.is_healthy()) == (2000, False)


def test_a_connection_is_cut_in_its_first_answer(
    server: OracleStandIn, cursor: oracledb.Cursor
) -> None:
    server.faults.drop_after_rows = 1

    with pytest.raises(oracledb.DatabaseError, match="DPY-4011"):
        cursor.execute("select * from dbamv.atendime")


def test_killed_sessions_fail_and_new_ones_are_served(server: OracleStandIn) -> None:
    lost = oracledb.connect(user="DBAMV", password="outra", dsn=server.dsn)
    server.kill_sessions()
    with pytest.raises(oracledb.Error, match=r"DPY-4011|DPY-1001"):
        lost.cursor().execute("select 1 from dual")

    with oracledb.connect(user="DBAMV", password="outra", dsn=server.dsn) as again:
        assert again.cursor().execute("select 1 from dual").fetchall() == [(1,)]


def test_a_kill_stops_a_running_query(server: OracleStandIn) -> None:
    connection = oracledb.connect(user="DBAMV", password="outra", dsn=server.dsn)
    caught: list[str] = []

    def run() -> None:
        try:
            connection.cursor().execute(SLOW)
        except oracledb.Error as error:
            caught.append(error.args[0].full_code)

    client = threading.Thread(target=run)
    client.start()
    wait_for_a_statement(server, client)
    server.kill_sessions()
    client.join(timeout=30)

    assert (caught, server.session_count) == (["DPY-4011"], 0)


def test_an_injected_error_hits_the_statements_it_names(
    server: OracleStandIn, cursor: oracledb.Cursor
) -> None:
    server.faults.errors.append((r"from\s+tasy\.pessoa", 1555, "snapshot too old"))

    with pytest.raises(oracledb.DatabaseError, match="ORA-01555: snapshot too old"):
        cursor.execute("select * from tasy.pessoa")

    assert cursor.execute("select 1 from dual").fetchall() == [(1,)]


def test_a_call_timeout_leaves_the_connection_usable(
    server: OracleStandIn, connection: oracledb.Connection
) -> None:
    cursor = connection.cursor()
    server.faults.latency = 600
    connection.call_timeout = 500
    with pytest.raises(oracledb.DatabaseError, match="DPY-4024"):
        cursor.execute("select 2 from dual")
    server.faults.latency = 0
    connection.call_timeout = 0

    assert cursor.execute("select 3 from dual").fetchall() == [(3,)]


def test_a_call_timeout_stops_a_running_query(connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    connection.call_timeout = 1000
    with pytest.raises(oracledb.DatabaseError, match="DPY-4024"):
        cursor.execute(SLOW)
    connection.call_timeout = 0

    assert cursor.execute("select 1 from dual").fetchall() == [(1,)]


def test_latency_slows_a_fetch_too(server: OracleStandIn, connection: oracledb.Connection) -> None:
    cursor = connection.cursor()
    cursor.prefetchrows = cursor.arraysize = 10
    cursor.execute("select * from dbamv.atendime")
    server.faults.latency = 600
    connection.call_timeout = 500

    with pytest.raises(oracledb.DatabaseError, match="DPY-4024"):
        cursor.fetchall()


def test_a_cancelled_call_ends_at_once(
    server: OracleStandIn, connection: oracledb.Connection
) -> None:
    server.faults.latency = 600
    caught: list[str] = []

    def run() -> None:
        try:
            connection.cursor().execute("select 1 from dual")
        except oracledb.Error as error:
            caught.append(error.args[0].full_code)

    client = threading.Thread(target=run)
    client.start()
    wait_for_a_statement(server, client)
    connection.cancel()
    client.join(timeout=30)

    assert caught == ["ORA-01013"]


# -- what is recorded ------------------------------------------------------------------------


def test_a_statement_is_recorded_with_its_user_and_binds(
    server: OracleStandIn, cursor: oracledb.Cursor
) -> None:
    sql = "select nm from tasy.pessoa where dt >= :day_start and cd <> :cd"
    cursor.execute(sql, day_start=dt.datetime(2026, 11, 20), cd=3)

    last = server.statements[-1]

    assert (last.user, last.sql, last.binds) == ("X", sql, [[dt.datetime(2026, 11, 20), 3]])


def test_module_and_action_are_recorded_with_each_statement(
    server: OracleStandIn, connection: oracledb.Connection
) -> None:
    cursor = connection.cursor()
    cursor.execute("select 1 from dual")
    connection.module, connection.action = "track_hms", "extract"
    cursor.execute("select 2 from dual")
    connection.action = None
    connection.clientinfo, connection.client_identifier = "ção", "airflow"
    cursor.execute("select 3 from dual")

    assert [(s.module, s.action) for s in server.statements] == [
        ("", ""),
        ("track_hms", "extract"),
        ("track_hms", ""),
    ]


def test_a_read_only_transaction_is_accepted_and_recorded(
    server: OracleStandIn, connection: oracledb.Connection
) -> None:
    cursor = connection.cursor()
    for _ in range(2):
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute("select 1 from dual").fetchall()
        connection.rollback()

    assert [s.sql for s in server.statements] == [
        "SET TRANSACTION READ ONLY",
        "select 1 from dual",
    ] * 2


def test_a_statement_that_failed_is_recorded_too(
    server: OracleStandIn, cursor: oracledb.Cursor
) -> None:
    with pytest.raises(oracledb.DatabaseError, match="ORA-01031"):
        cursor.execute("delete from tasy.pessoa")

    assert server.statements[-1].sql == "delete from tasy.pessoa"


def test_a_recorded_statement_does_not_print_its_values(
    server: OracleStandIn, cursor: oracledb.Cursor
) -> None:
    cursor.execute("select :v from dual", v="Conceição")

    assert "Conceição" not in repr(server.statements[-1])


def test_a_fault_of_the_stand_in_is_told_without_values(
    cursor: oracledb.Cursor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> bytes:
        raise RuntimeError("Conceição")

    monkeypatch.setattr(Session, "_fetch", broken)
    with caplog.at_level(logging.DEBUG), pytest.raises(oracledb.DatabaseError) as caught:
        cursor.execute("select nm from tasy.pessoa")

    assert (caught.value.args[0].full_code, "Conceição" in str(caught.value) + caplog.text) == (
        "ORA-03001",
        False,
    )


def test_faults_are_off_from_the_start() -> None:
    with OracleStandIn() as server:
        assert server.faults == Faults()
