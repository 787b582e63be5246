"""What a hospital or a network may do wrong: a clear message, the right colour, nothing lost."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.world import oracle_connection, track_connection
from stand_ins.track_api import faults
from tests.airflow_world import ledger_connection
from tests.e2e.hms_patients import plant
from tests.e2e.policies import rename_area, replace_query, set_policies, surveys_without
from track_dispatch.ledger.keys import new_keys
from track_dispatch.records import Area

if TYPE_CHECKING:
    from stand_ins.track_api import Fault
    from tests.airflow_world import AirflowWorld

DAY = date(2026, 3, 10)


@pytest.fixture
def world(world: AirflowWorld, caplog: pytest.LogCaptureFixture) -> Iterator[AirflowWorld]:
    """Plant three patients; whatever the test does, no log and no error may tell of them."""
    planted = plant(world.erp(), DAY, 3)
    yield world
    told = "\n".join([caplog.text, *map(str, world.errors)])
    assert [value for patient in planted for value in patient.values() if value in told] == []


@pytest.fixture
def closed_port() -> int:
    """Return a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


# -- the ERP ---------------------------------------------------------------------------------------


def test_a_column_missing_in_the_query_stops_the_day_at_once(
    world: AirflowWorld, include: Path
) -> None:
    replace_query(include, TOO_FEW_COLUMNS)

    run = world.run_day("HMS", DAY, retries=None)

    assert (run.state, run.tasks["extract"]) == ("failed", "failed")
    assert "the query lacks the columns" in run.said("extract")
    assert "email" in run.said("extract")
    assert world.lines("HMS", DAY) == {}


TOO_FEW_COLUMNS = """
select a.cd_atendimento as "cd_atendimento", p.nm_paciente as "name"
from dbamv.atendime a
join dbamv.paciente p on p.cd_paciente = a.cd_paciente
where a.dt_alta >= :day_start and a.dt_alta < :day_end
"""


def test_an_unknown_area_takes_nothing_from_the_others(world: AirflowWorld, include: Path) -> None:
    rename_area(include, Area.EXAMES, "CHECK-UP")
    plant(world.erp(), DAY, area=Area.EXAMES)

    run = world.run_day("HMS", DAY)

    assert run.state == "failed"
    assert world.lines("HMS", DAY) == {"accepted": 3, "excluded(unknown_area)": 1}


def test_an_area_without_a_survey_is_counted_and_green(world: AirflowWorld, include: Path) -> None:
    set_policies(include, surveys=surveys_without(include, Area.EXAMES))
    plant(world.erp(), DAY, area=Area.EXAMES)

    run = world.run_day("HMS", DAY)

    assert run.state == "success"
    assert world.lines("HMS", DAY) == {"accepted": 3, "excluded(no_survey)": 1}


def test_a_wrong_password_is_tried_once_for_failed_log_ons_lock_the_account(
    world: AirflowWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = json.loads(oracle_connection(world.erp().port)) | {"password": "wrong-one"}
    monkeypatch.setenv("AIRFLOW_CONN_ORACLE_HMS", json.dumps(connection))

    run = world.run_day("HMS", DAY, retries=None)

    assert (run.state, run.tasks["extract"]) == ("failed", "failed")
    assert "ORA-01017" in run.said("extract")
    assert "correct the connection's login and password" in run.said("extract")


def test_a_stopped_listener_is_tried_again(
    world: AirflowWorld, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ORACLE_HMS", oracle_connection(closed_port))
    waiting = world.run_day("HMS", DAY, retries=None)
    monkeypatch.setenv("AIRFLOW_CONN_ORACLE_HMS", oracle_connection(world.erp().port))

    run = world.retry(waiting)

    assert waiting.tasks["extract"] == "up_for_retry"
    assert "check its listener, host and port" in waiting.said("extract")
    assert (run.state, world.lines("HMS", DAY)) == ("success", {"accepted": 3})


def test_a_stopped_listener_is_red_when_the_tries_are_used_up(
    world: AirflowWorld, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ORACLE_HMS", oracle_connection(closed_port))

    run = world.run_day("HMS", DAY)

    assert (run.state, run.tasks["extract"]) == ("failed", "failed")
    assert "a extração desta execução não terminou" in run.said("report")


def test_a_session_that_the_erp_ends_is_tried_again(world: AirflowWorld) -> None:
    world.erp().faults.errors.append(("atendime", 3113, ""))
    waiting = world.run_day("HMS", DAY, retries=None)
    world.erp().faults.errors.clear()

    run = world.retry(waiting)

    assert waiting.tasks["extract"] == "up_for_retry"
    assert (run.state, world.lines("HMS", DAY)) == ("success", {"accepted": 3})


def test_an_empty_day_is_green_with_zeros(world: AirflowWorld) -> None:
    empty = date(2026, 3, 20)

    run = world.run_day("HMS", empty)

    assert (run.state, run.tasks["dispatch"]) == ("success", "success")
    assert set(world.report(run).values()) == {0}
    assert world.track.requests.total() == 0


# -- Track -----------------------------------------------------------------------------------------

STOPPED = {
    "key refused": (faults.answer(401), "failed"),
    "CAPTCHA": (faults.captcha(), "failed"),
    "redirected": (faults.redirect(307), "failed"),
    "too many requests": (faults.too_many_requests(1), "up_for_retry"),
}


@pytest.mark.parametrize(("fault", "state"), STOPPED.values(), ids=STOPPED)
def test_what_track_certainly_did_not_take_stays_ready(
    world: AirflowWorld, fault: Fault, state: str
) -> None:
    world.track.script(fault)

    run = world.run_day("HMS", DAY, retries=None)

    assert run.tasks["dispatch"] == state
    assert world.lines("HMS", DAY) == {"ready": 3}
    assert world.track.requests["distributions"] == 1
    assert world.track.requests["moved"] == 0


def test_a_wrong_token_stops_before_the_first_post(
    world: AirflowWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = json.loads(track_connection(world.track.url)) | {"password": "revoked-token"}
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_API", json.dumps(connection))

    run = world.run_day("HMS", DAY, retries=None)

    assert (run.state, run.tasks["dispatch"]) == ("failed", "failed")
    assert "HTTP 401" in run.said("dispatch")
    assert world.lines("HMS", DAY) == {"ready": 3}
    assert world.track.requests["distributions"] == 0


def test_an_outage_of_track_costs_no_doubt(world: AirflowWorld) -> None:
    with world.track.refusing():
        waiting = world.run_day("HMS", DAY, retries=None)

    assert waiting.tasks["dispatch"] == "up_for_retry"
    assert world.lines("HMS", DAY) == {"ready": 3}
    assert world.retry(waiting).state == "success"


UNCERTAIN = {
    "HTML page": faults.html(),
    "a success that says failure": faults.failure_within(),
    "redirected after it": faults.redirect(303, accepted=True),
    "broken inside": faults.answer(503, accepted=True),
    "connection torn down": faults.drop(accepted=True),
    "an answer byte by byte": faults.drip(0.2),
}


@pytest.mark.parametrize("fault", UNCERTAIN.values(), ids=UNCERTAIN)
def test_what_track_may_have_taken_waits_for_a_person(
    world: AirflowWorld, include: Path, fault: Fault
) -> None:
    set_policies(include, post_deadline_seconds=1)
    world.track.script(fault)

    run = world.run_day("HMS", DAY, retries=None)

    assert (run.state, run.tasks["dispatch"]) == ("failed", "failed")
    assert "a person must decide" in run.said("dispatch")
    assert world.lines("HMS", DAY) == {"in_doubt": 3}
    assert world.track.requests["distributions"] == 1


# -- Airflow and the ledger ------------------------------------------------------------------------


def test_a_mistyped_key_of_the_conf_is_red_and_the_right_one_is_named(world: AirflowWorld) -> None:
    run = world.run_day("HMS", DAY, conf={"busines_day": "2026-03-10"}, retries=None)

    assert (run.state, run.tasks["extract"]) == ("failed", "failed")
    assert '"busines_day" (did you mean "business_day"?)' in run.said("extract")
    assert list(world.erp().statements) == []


def test_without_a_ledger_the_day_is_red_and_none_is_made(
    world: AirflowWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nowhere = tmp_path / "elsewhere.db"
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", ledger_connection(nowhere, new_keys()))

    run = world.run_day("HMS", DAY, retries=None)

    assert (run.state, run.tasks["extract"]) == ("failed", "failed")
    assert "ledger init" in run.said("extract")
    assert not nowhere.exists()


def test_with_the_keys_of_another_ledger_nothing_is_sent(
    world: AirflowWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = ledger_connection(tmp_path / "ledger.db", new_keys())
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", other)

    run = world.run_day("HMS", DAY, retries=None)

    assert (run.state, run.tasks["extract"]) == ("failed", "failed")
    assert world.track.requests.total() == 0
