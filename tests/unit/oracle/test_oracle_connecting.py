"""Connecting to the stand-in with python-oracledb, over a real socket."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import oracledb
import pytest

from stand_ins.oracle import OracleStandIn

PASSWORD = "Segredo#1 é"
ROOT = Path(__file__).resolve().parents[3]


def test_a_client_sees_a_19c_and_its_service(connection: oracledb.Connection) -> None:
    connection.ping()

    actual = (connection.thin, connection.version[:3], connection.service_name)

    assert actual == (True, "19.", "ORCL")


@pytest.mark.parametrize(
    ("user", "password"), [("X", "errada"), ("X", ""), ("X", PASSWORD.upper()), ("NINGUEM", "p")]
)
def test_a_wrong_password_is_denied_as_an_unknown_user_is(
    server: OracleStandIn, user: str, password: str
) -> None:
    with pytest.raises(oracledb.DatabaseError, match=r"ORA-01017|DPY-4001"):
        oracledb.connect(user=user, password=password, dsn=server.dsn)


def test_each_user_has_a_password_of_its_own(server: OracleStandIn) -> None:
    with oracledb.connect(user="dbamv", password="outra", dsn=server.dsn) as connection:
        connection.cursor().execute("select 1 from dual")

    assert server.statements[-1].user == "DBAMV"


def test_an_unknown_service_is_refused(server: OracleStandIn) -> None:
    with pytest.raises(oracledb.OperationalError, match="DPY-6001"):  # similar to ORA-12514
        oracledb.connect(user="X", password=PASSWORD, dsn=f"127.0.0.1:{server.port}/NADA")


def test_an_unknown_sid_is_refused(server: OracleStandIn) -> None:
    dsn = oracledb.makedsn("127.0.0.1", server.port, sid="NADA")

    with pytest.raises(oracledb.OperationalError, match="DPY-6003"):  # similar to ORA-12505
        oracledb.connect(user="X", password=PASSWORD, dsn=dsn)


SID_DESCRIPTOR = (
    "(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=127.0.0.1)(PORT={port}))(CONNECT_DATA=(SID=ORCL)))"
)
LONG_DESCRIPTOR = (
    "(DESCRIPTION=(RETRY_COUNT=0)(ADDRESS=(PROTOCOL=TCP)(HOST=127.0.0.1)(PORT={port}))"
    f"(CONNECT_DATA=(SERVICE_NAME=ORCL)(CID=(PROGRAM={'p' * 250})(HOST=h)(USER=u))))"
)


@pytest.mark.parametrize(
    "dsn",
    [
        "127.0.0.1:{port}/his.hospital.local",
        SID_DESCRIPTOR,
        LONG_DESCRIPTOR,  # goes in a packet of its own
    ],
    ids=["second-service", "sid", "long-descriptor"],
)
def test_other_ways_to_name_the_database(server: OracleStandIn, dsn: str) -> None:
    with oracledb.connect(
        user="x", password=PASSWORD, dsn=dsn.format(port=server.port)
    ) as connection:
        actual = connection.cursor().execute("select dummy from dual").fetchall()

    assert actual == [("X",)]


@pytest.mark.parametrize("sdu", [512, 65535])
def test_small_and_large_packets(server: OracleStandIn, sdu: int) -> None:
    with oracledb.connect(user="X", password=PASSWORD, dsn=server.dsn, sdu=sdu) as connection:
        cursor = connection.cursor()
        cursor.execute("select a.*, :v from dbamv.atendime a", v="x" * 30_000)
        rows = cursor.fetchmany(20)

    assert [(row[0], len(row[-1])) for row in rows] == [(n, 30_000) for n in range(20)]


@pytest.mark.parametrize(
    "junk",
    [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x00\x10\x00\x00\x01\x00\x00\x00xxxxxxxx", bytes(64)],
)
def test_garbage_ends_its_own_connection_only(
    server: OracleStandIn, cursor: oracledb.Cursor, junk: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(junk)

    assert cursor.execute("select 1 from dual").fetchall() == [(1,)]


def test_the_unqualified_names_are_those_of_the_users_schema(server: OracleStandIn) -> None:
    with oracledb.connect(user="DBAMV", password="outra", dsn=server.dsn) as connection:
        actual = connection.cursor().execute("select count(*) from atendime").fetchall()

    assert actual == [(10_000,)]


def test_the_current_schema_comes_first_in_a_look_up(connection: oracledb.Connection) -> None:
    connection.current_schema = "TASY"

    actual = connection.cursor().execute("select nm from pessoa where cd = 1").fetchall()

    assert actual == [("Ana",)]


def test_an_unknown_current_schema_fails_the_statement_only(
    connection: oracledb.Connection,
) -> None:
    cursor = connection.cursor()
    connection.current_schema = "ORCL"
    with pytest.raises(oracledb.DatabaseError, match="ORA-01435"):
        cursor.execute("select 1 from dual")
    connection.current_schema = "DBAMV"

    assert cursor.execute("select count(*) from atendime").fetchall() == [(10_000,)]


def test_a_stopped_server_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with OracleStandIn(users={"X": "p"}) as server:
        connections = [oracledb.connect(user="X", password="p", dsn=server.dsn) for _ in range(3)]
        connections[0].cursor().execute("select 1 from dual")
        connections[1].close()

    assert set(threading.enumerate()) - before == set()


def test_a_session_ends_with_its_connection(server: OracleStandIn) -> None:
    with oracledb.connect(user="X", password=PASSWORD, dsn=server.dsn):
        threads = [t for t in threading.enumerate() if t.name == "oracle-session"]

    for thread in threads:
        thread.join(timeout=10)

    assert server.session_count == 0


def test_the_command_line_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    script = tmp_path / "schema.sql"
    script.write_text("create table t as select 'ção' as nm;", encoding="utf-8")
    command = [sys.executable, "-m", "stand_ins.oracle", "--host", "127.0.0.1", "--port", "0"]
    command += ["--user", "X", "--password", "p", "--service", "HIS", "--init", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        dsn = process.stdout.readline().split()[-1]
        with oracledb.connect(user="X", password="p", dsn=dsn) as connection:
            rows = connection.cursor().execute("select nm from t").fetchall()
            process.send_signal(signal.SIGTERM)
            status = process.wait(timeout=30)

    assert (rows, status) == ([("ção",)], 0)
