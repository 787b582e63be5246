"""Airflow's adapters for tasks: operators, the texts of the UI, and what all tasks share.

Here, the retry policy, the default arguments and the forms of tasks and DAGs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Context, Param, RetryDecision, RetryPolicy, task

from track_dispatch.config import BrokenHospital, Hospital, VolumeGate
from track_dispatch.errors import (
    BudgetSpentError,
    ConfigError,
    DeliveryUncertainError,
    LedgerError,
    LinesInFlightError,
    NotDeliveredError,
    QuietHoursError,
    RedDayError,
    ServiceStoppedError,
    SourceContractError,
    SourceUnavailableError,
)
from track_dispatch.hooks.alert import send_metric
from track_dispatch.metric_table import Metric
from track_dispatch.operators.texts import BROKEN_DOC, MODES, OPERATIONS, PARAMS, TASKS
from track_dispatch.operators.track import VolumeApproval
from track_dispatch.pipeline import Mode
from track_dispatch.pipeline.report import Report
from track_dispatch.states import LineState

#: Errors that need a person: the task fails at once.
FAIL = (
    ConfigError,
    DeliveryUncertainError,
    QuietHoursError,  # `dispatch` waits by itself; who rehearses at night is told when to
    RedDayError,
    ServiceStoppedError,
    SourceContractError,
)
#: Errors that may pass by themselves; nothing was sent.
RETRY = (
    BudgetSpentError,  # `dispatch` waits by itself
    LedgerError,
    LinesInFlightError,
    NotDeliveredError,
    SourceUnavailableError,
)

#: Seconds to wait after a lease's end: a retry before it would fail again.
AFTER_LEASE = 1.0
#: The longest wait for a Retry-After, in seconds.
LONGEST_WAIT = 3600.0


class TrackRetryPolicy(RetryPolicy):
    """Retries what is safe and may help, fails the rest at once."""

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002 - Airflow's contract
        max_tries: int,  # noqa: ARG002
        context: Context | None = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Decide by the error's type; the reason is only the type's name."""
        reason = type(exception).__name__
        if isinstance(exception, FAIL):
            return RetryDecision.fail(reason)
        if isinstance(exception, RETRY):
            return RetryDecision.retry(delay=_delay(exception), reason=reason)
        return RetryDecision.default()


def _delay(exception: BaseException) -> timedelta | None:
    seconds = getattr(exception, "retry_after", None)
    if seconds is None:
        return None
    if isinstance(exception, LinesInFlightError):
        seconds += AFTER_LEASE
    return timedelta(seconds=min(seconds, LONGEST_WAIT))


#: Default arguments of every task.
DEFAULTS: Mapping[str, Any] = {
    "owner": "track-dispatch",
    "retries": 3,
    "retry_delay": timedelta(minutes=5),
    "retry_policy": TrackRetryPolicy(),
}
#: Options of a Python task: its counts are one value, and not logged.
COUNTS: Mapping[str, Any] = {"multiple_outputs": False, "show_return_value_in_logs": False}


def options(task_id: str, *, hours: float) -> dict[str, Any]:
    """Return the arguments of a task: its id, its name in the UI, its timeout in hours."""
    return {
        "task_id": task_id,
        "task_display_name": (TASKS | OPERATIONS)[task_id],
        "execution_timeout": timedelta(hours=hours),
    }


def step(task_id: str, *, hours: float, **more: Any) -> Any:
    """Return the decorator of a Python task."""
    return task(**options(task_id, hours=hours), **COUNTS, **more)


def run_by(queue: str | None) -> dict[str, str]:
    """Return the argument that binds a task to a queue's workers; None: Airflow's default queue."""
    return {"queue": queue} if queue else {}


def branch(task_id: str, *, hours: float) -> Any:
    """Return the decorator of a Python task that returns the id of the task to go on with."""
    return task.branch(**options(task_id, hours=hours), **COUNTS)


def day_asset(code: str) -> Asset:
    """Return the asset that a green `report` updates, for DAGs that are scheduled on it."""
    return Asset(name=f"track_{code.lower()}_day", uri=f"track://{code}/day")


def approve_volume(hospital: Hospital) -> VolumeApproval:
    """Build the task that asks a person about held days; no answer counts as a no."""
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


def count_reading(read: Mapping[str, int | str], code: str) -> None:
    """Send what `extract` returns as metrics."""
    send_metric(Metric.ROWS_READ.sample(int(read["rows"]), code))
    send_metric(Metric.DAYS_NOT_READ.sample(int(read["other_days_failed"]), code))


def count_report(told: Report, code: str) -> None:
    """Send a report's colour, and the own day's lines by state, as metrics."""
    send_metric(Metric.REPORTS.sample(1, code, "red" if told.problems else "green"))
    for state in LineState:
        send_metric(Metric.LINES_OF_DAY.sample(told.own.states[state], code, state))


def build_broken(broken: BrokenHospital) -> None:
    """Build the DAG of a broken hospital's file: its only task fails with the file's error."""
    with DAG(
        dag_id=broken.dag_id,
        dag_display_name=f"{broken.code} · configuração com erro",
        doc_md=BROKEN_DOC.format(code=broken.code, message=broken.message),
        schedule="@daily",
        start_date=datetime(2024, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        default_args={"owner": "track-dispatch", "retries": 0},
        tags=["pesquisa", "config-error"],
    ):
        _config_error(broken.message)


@task(task_id="config_error", execution_timeout=timedelta(minutes=5))
def _config_error(message: str) -> None:
    """Fail with the error of the hospital's file."""
    raise ConfigError(message)
