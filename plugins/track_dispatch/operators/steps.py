"""What tasks and forms have in common: names, limits, what Airflow shows of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, Param, task

from track_dispatch.config import VolumeGate
from track_dispatch.operators.retry_policy import TrackRetryPolicy
from track_dispatch.operators.texts import MODES, OPERATIONS, PARAMS, TASKS
from track_dispatch.operators.track import VolumeApproval
from track_dispatch.pipeline import Mode

if TYPE_CHECKING:
    from track_dispatch.config import Hospital

#: Of every task: whose it is, and how it recovers.
DEFAULTS: Mapping[str, Any] = {
    "owner": "track-dispatch",
    "retries": 3,
    "retry_delay": timedelta(minutes=5),
    "retry_policy": TrackRetryPolicy(),
}
#: A Python task returns counts: one value, and not logged.
COUNTS: Mapping[str, Any] = {"multiple_outputs": False, "show_return_value_in_logs": False}


def options(task_id: str, *, hours: float) -> dict[str, Any]:
    """Return what every task sets: its id, its name in the UI, the longest it may run."""
    return {
        "task_id": task_id,
        "task_display_name": (TASKS | OPERATIONS)[task_id],
        "execution_timeout": timedelta(hours=hours),
    }


def step(task_id: str, *, hours: float, **more: Any) -> Any:
    """Return the decorator of a Python task."""
    return task(**options(task_id, hours=hours), **COUNTS, **more)


def run_by(queue: str | None) -> dict[str, str]:
    """Return what lets only the workers of a queue run a task; none: those of Airflow's own."""
    return {"queue": queue} if queue else {}


def branch(task_id: str, *, hours: float) -> Any:
    """Return the decorator of a Python task that returns the id of the task to go on with."""
    return task.branch(**options(task_id, hours=hours), **COUNTS)


def day_asset(code: str) -> Asset:
    """Return what a green `report` makes new: another DAG may be scheduled on it."""
    return Asset(name=f"track_{code.lower()}_day", uri=f"track://{code}/day")


def approve_volume(hospital: Hospital) -> VolumeApproval:
    """Ask a person about a day that the gate has held; no answer is a no."""
    policy = hospital.volume_gate or VolumeGate()
    return VolumeApproval(
        task_id="approve_volume",
        task_display_name=TASKS["approve_volume"],
        hospital=hospital.code,
        subject=f"{hospital.name}: volume fora do comum",
        defaults=VolumeApproval.REJECT,
        response_timeout=timedelta(hours=policy.timeout_hours),
    )


def param(text: str, **schema: Any) -> Param:
    """Build a Param with its texts; it may stay empty."""
    return required(text, **{"default": None, "type": ["null", "string"]} | schema)


def required(text: str, **schema: Any) -> Param:
    """Build a Param with its texts that has no default: whoever triggers the run fills it in."""
    title, description = PARAMS[text]
    return Param(**{"type": "string"} | schema, title=title, description=description)


def run_params() -> dict[str, Param]:
    """Return the form of a run: the day, the wish for old attendances, the mode."""
    return {
        "business_day": param("run_day", format="date"),
        "include_old": param("include_old", default=False, type="boolean"),
        "mode": param(
            "mode", default=Mode.LIVE.value, type="string", enum=[*MODES], values_display=MODES
        ),
    }
