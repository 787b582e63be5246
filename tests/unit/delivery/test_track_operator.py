"""The task that dispatches a hospital: what it returns, when it waits, what ends it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.exceptions import TaskDeferred

from demo.world import practice_include, surveys_of
from stand_ins.track_api import ORGANIZATION, TOKEN, TrackStandIn, faults
from tests.unit.delivery.delivery_rig import NOW, Rig, once_each
from track_dispatch.config import load_hospital, rules_digest
from track_dispatch.errors import BudgetSpentError, ConfigError, NotDeliveredError, QuietHoursError
from track_dispatch.ledger.creation import init_ledger, open_ledger_at
from track_dispatch.ledger.keys import new_keys
from track_dispatch.ledger.request_budget import take_request
from track_dispatch.operators.track import TrackOperator, resumes_at, series_of


@pytest.fixture
def settings() -> dict[str, Any]:
    """Return the policies of the installation."""
    return {}


@pytest.fixture
def installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> Iterator[Rig]:
    """Set configuration, ledger and Track up as an administrator does."""
    monkeypatch.setenv(
        "TRACK_INCLUDE_DIR", str(practice_include(tmp_path / "include", batch_size=1, **settings))
    )
    keys, url = new_keys(), f"sqlite:///{tmp_path}/ledger.db"
    init_ledger(url, keys)
    ledger_at = {
        "conn_type": "sqlite",
        "host": f"{tmp_path}/ledger.db",
        "extra": keys.model_dump(mode="json"),
    }
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", json.dumps(ledger_at))
    hospital = load_hospital("HMS")
    with TrackStandIn(surveys=surveys_of(hospital)) as api, open_ledger_at(url, keys) as ledger:
        track_at = {
            "conn_type": "http",
            "host": api.url,
            "login": ORGANIZATION,
            "password": TOKEN,
        }
        monkeypatch.setenv("AIRFLOW_CONN_TRACK_API", json.dumps(track_at))
        with Rig(ledger, api, settings={"batch_size": 1}) as rig:
            yield rig


def fill(rig: Rig, count: int) -> list[str]:
    """Put lines into the ledger that were judged under the rules in force."""
    return rig.fill(count, rules=rules_digest(load_hospital("HMS")))


def leave_room_for_one_post(rig: Rig) -> None:
    """Let others have taken all of a budget of 20 requests but a probe and a POST."""
    with rig.ledger.writing() as connection:
        for _ in range(18):
            take_request(connection, limit=20)


def context(*, max_tries: int = 3, **params: Any) -> Any:
    """Return what Airflow tells a task of the run of 2 March."""
    dag_run = SimpleNamespace(
        run_id="scheduled__2026-03-03",
        run_after=NOW,
        logical_date=NOW - timedelta(days=1),
        partition_key=None,
        run_type="scheduled",
        conf={},
    )
    ti = SimpleNamespace(task_id="dispatch", try_number=1, max_tries=max_tries)
    return {"dag_run": dag_run, "ti": ti, "params": params}


def operator() -> TrackOperator:
    return TrackOperator(task_id="dispatch", hospital="HMS")


def test_the_task_sends_what_is_ready_and_returns_counts(installed: Rig) -> None:
    ids = fill(installed, 2)

    counts = operator().execute(context())

    assert counts == {
        "accepted": 2,
        "refused": 0,
        "in_doubt": 0,
        "uncertain": 0,
        "waiting_for_window": 0,
    }
    assert installed.api.accepted_ids() == once_each(ids)
    assert {row.run_id for row in installed.batches()} == {"scheduled__2026-03-03"}


def test_what_was_judged_under_other_settings_is_not_sent(installed: Rig) -> None:
    installed.fill(1, rules="another digest")

    operator().execute(context())

    assert (installed.counts(), installed.posts) == ({"reopened": 1}, [])


@pytest.mark.parametrize("settings", [{"requests_per_5_minutes": 20}])
def test_a_spent_budget_is_waited_for_without_a_worker_and_without_a_try(
    installed: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    fill(installed, 2)
    leave_room_for_one_post(installed)

    with (
        caplog.at_level("INFO", logger="track_dispatch"),
        pytest.raises(TaskDeferred) as deferred,
    ):
        operator().execute(context())

    assert isinstance(deferred.value.trigger, DateTimeTrigger)
    assert hasattr(TrackOperator, deferred.value.method_name)
    assert installed.counts() == {"accepted": 1, "ready": 1}
    assert "HMS: o resto espera, sem ocupar ninguém, até " in caplog.text


@pytest.mark.parametrize("settings", [{"requests_per_5_minutes": 20}])
def test_a_task_that_waited_goes_on_where_it_was(installed: Rig) -> None:
    ids = fill(installed, 2)
    leave_room_for_one_post(installed)
    with pytest.raises(TaskDeferred) as deferred:
        operator().execute(context())
    installed.execute("update requests set slot = slot - 100")

    go_on: Callable[..., dict[str, int]] = getattr(operator(), deferred.value.method_name)
    counts = go_on(context(), event=None)

    assert counts["accepted"] == 1
    assert installed.api.accepted_ids() == once_each(ids)


@pytest.mark.parametrize(
    ("error", "moment"),
    [
        (QuietHoursError("x", opens_at=datetime(2026, 3, 4, 11, tzinfo=UTC)),
         datetime(2026, 3, 4, 11, tzinfo=UTC)),
        (BudgetSpentError("x", retry_after=200), NOW + timedelta(seconds=200)),
        # to begin again for one request would cost more than it sends
        (BudgetSpentError("x", retry_after=5), NOW + timedelta(minutes=1)),
    ],
)  # fmt: skip
def test_the_wait_ends_when_something_may_go_out(
    installed: Rig, error: QuietHoursError | BudgetSpentError, moment: datetime
) -> None:
    with installed.context() as opened:
        assert resumes_at(error, opened) == moment


def test_a_kill_lets_the_batch_on_the_wire_be_settled_and_starts_no_other(installed: Rig) -> None:
    fill(installed, 3)
    task = operator()
    installed.during_post(1, task.on_kill)

    with pytest.raises(NotDeliveredError, match="stopped from outside"):
        task.execute(context())

    assert installed.counts() == {"accepted": 1, "ready": 2}


def test_a_kill_before_anything_has_begun_lets_nothing_out(installed: Rig) -> None:
    fill(installed, 1)
    task = operator()
    task.on_kill()

    with pytest.raises(NotDeliveredError, match="stopped from outside"):
        task.execute(context())

    assert (installed.counts(), installed.api.requests) == ({"ready": 1}, {})


def test_a_retry_leaves_out_what_failed_for_good_and_a_clear_tries_it_again(
    installed: Rig,
) -> None:
    fill(installed, 1)
    installed.api.script(faults.answer(404))
    for _ in range(2):
        with pytest.raises(ConfigError, match="EXAMES"):
            operator().execute(context(max_tries=3))
    tries = len(installed.posts)

    counts = operator().execute(context(max_tries=7))

    assert (tries, counts["accepted"]) == (1, 1)


def test_a_clear_begins_a_new_series_and_a_retry_does_not() -> None:
    first, retried, cleared = (series_of(context(max_tries=tries)) for tries in (3, 3, 7))

    assert first == retried != cleared
    assert series_of(context()) != series_of({**context(), "dag_run": SimpleNamespace(run_id="x")})
