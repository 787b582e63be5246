"""What goes wrong between us and an ERP: which error it is, and what its message says."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from many_rows import CONN_ID, DAY, SELECT, chunks, connection_to, consume, opened

import track_dispatch
from demo.world import PASSWORD, SERVICE, USER, erp_server
from stand_ins.oracle import OracleStandIn
from tests.relay import relay
from track_dispatch.errors import ConfigError, SourceContractError, SourceUnavailableError

if TYPE_CHECKING:
    from track_dispatch.errors import TrackDispatchError


def test_an_unknown_connection_is_to_be_created(server: OracleStandIn) -> None:
    with pytest.raises(ConfigError, match="no Airflow connection 'oracle_nowhere'"):  # noqa: SIM117
        with opened("oracle_nowhere"):
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
        with opened("oracle_odd"):
            pass


def test_a_stopped_listener_is_tried_again(
    server: OracleStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with erp_server("") as stopped:
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

    with pytest.raises(SourceUnavailableError, match=r"TEST.*DPY-4011: .*broke off"):
        got.extend(map(len, chunks()))

    assert got == [1000, 1000]


def test_a_slow_answer_is_cut_off_and_tried_again(server: OracleStandIn) -> None:
    server.faults.latency = 5

    with pytest.raises(SourceUnavailableError, match=r"DPY-4024: .*call timeout"):
        consume(timeout=0.2)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Return the port of a listener that takes every connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
        client, _ = listener.accept()
        with client:
            client.recv(8192)
    join_threads("log_on")


def join_threads(*names: str) -> None:
    for thread in threading.enumerate():
        if thread.name in names:
            thread.join(30)


def test_a_listener_that_says_nothing_is_given_up(
    silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver limits the TCP handshake alone."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", connection_to(silent_port))

    with pytest.raises(SourceUnavailableError, match=r"let nobody in within 0.2 s") as told:  # noqa: SIM117
        with opened(deadline=0.2):
            pass

    assert told.value.__context__ is None


def test_a_log_on_that_comes_too_late_is_closed_again(server: OracleStandIn) -> None:
    server.faults.log_on_silence = 1

    with pytest.raises(SourceUnavailableError, match="oracle_logon_deadline_seconds"):  # noqa: SIM117
        with opened(deadline=0.2):
            pass

    join_threads("log_on", "oracle-session")
    assert server.session_count == 0


@pytest.mark.parametrize(
    ("passed_on", "told"),
    [
        pytest.param(0, "let nobody in within 3 s", id="before the log-on"),
        pytest.param(3, "let nobody in within 3 s", id="at the log-on"),
        pytest.param(5, "broke off", id="at the first statement"),
        pytest.param(6, "broke off", id="at the query"),
        pytest.param(8, "broke off", id="amid the rows"),
    ],
)
def test_a_network_that_falls_silent_is_waited_for_no_longer_than_our_own_deadlines(
    server: OracleStandIn, monkeypatch: pytest.MonkeyPatch, passed_on: int, told: str
) -> None:
    """The driver tells the server to stop when a call is late, and waits for that no longer."""
    with relay(server.port) as proxy, ThreadPoolExecutor(1) as pool:
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", connection_to(proxy.port))
        proxy.silence_open_ones_after(passed_on)
        error = pool.submit(consume, deadline=3, timeout=1).exception(60)
        assert proxy.is_silencing

    join_threads("log_on")
    assert isinstance(error, SourceUnavailableError)
    assert told in str(error)


@pytest.mark.parametrize("code", [257, 1035, 1219, 12526])
def test_a_log_on_that_will_do_later_is_tried_again(server: OracleStandIn, code: int) -> None:
    server.faults.log_on = code

    with pytest.raises(SourceUnavailableError, match=f"oracle_test: ORA-{code:05}: .*safe"):
        consume()


@pytest.mark.parametrize(
    "code",
    [
        60,
        1410,
        2068,
        2392,
        2399,
        3150,
        4021,
        8176,
        12570,
        12608,
        12801,
        12850,
        4030,
        4036,
        4061,
        4065,
        12805,
        12842,
        25401,
        25402,
        25408,
        25409,
    ],
)
def test_an_error_that_passes_is_tried_again(server: OracleStandIn, code: int) -> None:
    server.faults.errors = [("dbamv", code, f"ORA-{code:05}: it passes")]

    with pytest.raises(SourceUnavailableError, match=f"ORA-{code:05}: .*safe"):
        consume()


@pytest.mark.parametrize(
    "changes", [{"schema": "HIS"}, {"schema": "HIS", "extra": {"service_name": SERVICE}}]
)
def test_a_service_name_in_the_place_of_a_schema_is_told(
    server: OracleStandIn, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    server.services = (*server.services, "HIS")
    known = {"host": "127.0.0.1", "port": server.port, "login": USER, "password": PASSWORD}
    monkeypatch.setenv(
        f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps({"conn_type": "oracle", **known, **changes})
    )

    with pytest.raises(ConfigError, match=r"ORA-01435: .*Schema field, or the path.*service_name"):
        consume()


@pytest.mark.parametrize("describing", [True, False])
def test_a_refused_query_is_told_with_its_place(server: OracleStandIn, describing: bool) -> None:
    sql = "select 'É'\n  as x\nfrom dual\nwhere 'É' < 'x' and and 1 = 1\nand :day_start < :day_end"
    place = "line 4, column 21 of what `python -m track_dispatch sql` prints"

    with opened() as erp, pytest.raises(SourceContractError, match=f"ORA-00936 at {place}"):
        erp.describe(sql, action="a") if describing else next(erp.read(sql, day=DAY, action="a"))


@pytest.mark.parametrize(
    ("warned", "said"),
    [
        (
            (28002, "the password will expire within 5 days"),
            r"expires in 5 days \(ORA-28002",
        ),
        ((28002, "a senha vai expirar"), r"expires soon \(ORA-28002"),
        ((28011, "the account will expire soon"), "with ORA-28011: ask the DBA"),
    ],
)
def test_a_password_that_expires_is_told_with_the_log_on(
    server: OracleStandIn, caplog: pytest.LogCaptureFixture, warned: tuple[int, str], said: str
) -> None:
    with opened() as erp:
        assert erp.warning is None
    server.faults.log_on_warning = warned

    assert consume(rows=10) == 10

    [message] = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert re.search(f"connection oracle_test: .*{said}", message)


@pytest.mark.parametrize(
    ("code", "text", "kind", "advice"),
    [
        (942, "", SourceContractError, "ORA-00942: .*grant"),
        (904, '"A"."CD_NOVO": invalid identifier', SourceContractError, 'ORA-00904 "A"."CD_NOVO"'),
        (1801, "date format is too long", SourceContractError, "ORA-01801: .*date .*DBA"),
        (1722, "unable to convert 'PESSOA SECRETA 7'", SourceContractError, "ORA-01722: .*refused"),
        (1031, "insufficient privileges", SourceContractError, "ORA-01031: .*grant"),
        (16000, "database open for read-only", SourceContractError, "ORA-16000: .*primary"),
        (4063, "view has errors", SourceContractError, "ORA-04063: .*compile"),
        (2394, "exceeded session limit on IO", SourceUnavailableError, "ORA-02394: .*limits"),
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
    assert "(TEST 2026-11-20)" in str(caught.value)


def test_a_table_that_is_not_there_is_no_reason_to_try_again(server: OracleStandIn) -> None:
    with pytest.raises(SourceContractError, match=r"ORA-00942: .*grant, or correct the SQL"):
        consume(SELECT.replace("dbamv.many", "dbamv.none"))


def test_one_module_and_its_errors_say_oracles_driver() -> None:
    plugins = Path(track_dispatch.__file__).parent
    naming = [path for path in plugins.rglob("*.py") if "oracledb" in path.read_text("utf-8")]

    assert sorted(path.name for path in naming) == ["oracle.py", "oracle_errors.py"]
