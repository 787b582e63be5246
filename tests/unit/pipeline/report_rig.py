"""The report of a run on the ledger as it stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.unit.ledger.put_steps import DAY
from track_dispatch.config import load_hospital
from track_dispatch.pipeline import Run
from track_dispatch.pipeline.report import Report, report
from track_dispatch.records import Actor, HospitalDay

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps

HMS = load_hospital("HMS").model_copy(
    update={"send_window": "08:00-20:00", "send_days": None, "schedule": "0 9 * * *"}
)
#: 10:00 at the hospital, on the day after: its window is open.
NOW = datetime(2026, 3, 11, 13, tzinfo=UTC)
RUN = Actor("report", run_id="run-1", try_number=1)
BEFORE = HospitalDay("HMS", DAY - timedelta(days=1))


def told(
    steps: Steps, *, now: datetime = NOW, hospital: Any = HMS, run_id: str = "run-1"
) -> Report:
    """Return the report of a run."""
    run = Run(hospital, DAY, replace(RUN, run_id=run_id))
    return report(run, ledger=steps.ledger, now=now)


def kinds(steps: Steps, **more: Any) -> list[str]:
    """Return the kinds of its problems, in order."""
    return [str(problem.kind) for problem in told(steps, **more).problems]


def read(steps: Steps, attendances: int, **more: Any) -> str:
    """Let the run have read so many attendances; return the extraction."""
    return steps.put_extraction(attendances, **more)
