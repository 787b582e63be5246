"""Every task's log begins with the hospital and the day that the run is about."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from track_dispatch.errors import ConfigError
from track_dispatch.operators.track import run_from_context
from track_dispatch.pipeline import Mode


def context(run_type: str = "scheduled", **params: Any) -> dict[str, Any]:
    """Return what Airflow gives a task of a run on the morning of 2026-03-11."""
    moment = datetime(2026, 3, 11, 12, tzinfo=UTC)
    run = SimpleNamespace(
        conf={}, run_after=moment, logical_date=None, run_type=run_type, run_id="run-1"
    )
    return {
        "dag_run": run,
        "params": params,
        "ti": SimpleNamespace(task_id="extract", try_number=2),
    }


def test_the_first_line_names_hospital_and_day_for_the_analyst_and_for_the_engineer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The run's page shows no business day, and the day of its id is the next one."""
    caplog.set_level("INFO")

    run = run_from_context("HMS", context())

    assert str(run.day) == "HMS 2026-03-10"
    assert caplog.messages == ["HMS · 10/03/2026 · hospital=HMS business_day=2026-03-10"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"mode": "dry_run"}, "HMS · 10/03/2026 · Simulação (não envia nada)"),
        ({"mode": "rehearsal"}, "HMS · 10/03/2026 · Ensaio (só para os nossos contatos)"),
        ({"include_old": True}, "HMS · 10/03/2026 · Incluir atendimentos antigos"),
    ],
)
def test_it_also_says_what_a_person_asked_for(
    params: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    run_from_context("HMS", context("manual", **params))

    assert caplog.messages == [f"{said} · hospital=HMS business_day=2026-03-10"]


@pytest.mark.parametrize("params", [{"mode": "dry_run"}, {"include_old": True}])
@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_a_wish_for_one_day_is_refused_in_a_run_that_nobody_triggered(
    run_type: str, params: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=f"in a {run_type} run"):
        run_from_context("HMS", context(run_type, **params))


def test_a_run_without_a_mode_is_live_and_a_backfill_is_known() -> None:
    run = run_from_context("HMS", context("backfill"))

    assert (run.mode, run.is_backfill, run.include_old) == (Mode.LIVE, True, False)
    assert (run.id, run.actor.name, run.actor.try_number) == ("run-1", "extract", 2)
