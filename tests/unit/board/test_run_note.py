"""A run that the scheduler begins has its business day as its note in Airflow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session, make_transient_to_detached

from track_dispatch.board.run_note import note_business_day
from track_dispatch.operators.texts import PARAMS

if TYPE_CHECKING:
    from tests.airflow_rows import AirflowInDatabase

#: 22:00 at the hospital, on the day before.
MORNING = datetime(2026, 3, 12, 1, tzinfo=UTC)
NOTED = "Dia de atendimento: 10/03/2026"


def begin(dag_id: str, *, note: str | None = None, **fields: Any) -> str | None:
    """Let the scheduler begin a run, as it does; return its note."""
    from airflow.models.dagrun import DagRun  # noqa: PLC0415 - imports Airflow
    from airflow.utils.session import create_session  # noqa: PLC0415
    from airflow.utils.state import DagRunState  # noqa: PLC0415
    from airflow.utils.types import DagRunType  # noqa: PLC0415

    with create_session() as session:
        run = DagRun(
            dag_id=dag_id,
            run_id="run-1",
            run_after=MORNING,
            run_type=fields.pop("run_type", DagRunType.MANUAL),
            state=DagRunState.QUEUED,
            **fields,
        )
        run.note = note
        session.add(run)
    with create_session() as session:
        found = session.get(DagRun, run.id)
        assert found is not None
        found.state = DagRunState.RUNNING
        found.notify_dagrun_state_changed(msg="started")
    with create_session() as session:
        found = session.get(DagRun, run.id)
        told = found.note
        session.delete(found)
    return told


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({}, NOTED),
        ({"run_type": "scheduled", "logical_date": MORNING.replace(day=10, hour=12)}, NOTED),
        ({"conf": {"business_day": "2026-03-01"}}, "Dia de atendimento: 01/03/2026"),
        ({"conf": {"business_day": "2026-03-11"}}, None),  # not over: the first task refuses it
        ({"note": "a pedido da diretoria"}, "a pedido da diretoria"),
    ],
)
def test_a_hospitals_run_has_its_day_as_its_note(
    airflow_runs: AirflowInDatabase, fields: dict[str, Any], note: str | None
) -> None:
    airflow_runs.at(MORNING)

    assert begin("track_hms", **fields) == note


@pytest.mark.parametrize("dag_id", ["track_morning", "track_nada", "somebody_elses"])
def test_a_run_of_another_dag_has_none(airflow_runs: AirflowInDatabase, dag_id: str) -> None:
    airflow_runs.at(MORNING, [dag_id])

    assert begin(dag_id) is None


def test_a_note_that_fails_leaves_the_schedulers_transaction_whole(
    airflow_runs: AirflowInDatabase, postgres_url: str
) -> None:
    from airflow.models.dagrun import DagRun  # noqa: PLC0415 - imports Airflow
    from airflow.utils.types import DagRunType  # noqa: PLC0415

    airflow_runs.at(MORNING)
    run = DagRun("track_hms", "run-1", run_after=MORNING, run_type=DagRunType.MANUAL, conf={})
    run.id = 1
    make_transient_to_detached(run)
    engine = create_engine(postgres_url)  # which has no table of notes
    with Session(engine) as session:
        session.add(run)
        with pytest.raises(ProgrammingError):  # Airflow logs what a listener raises
            note_business_day(run)

        assert session.scalar(text("select 1")) == 1
    engine.dispose()


def test_the_note_calls_the_day_as_the_form_does() -> None:
    assert NOTED.startswith(PARAMS["run_day"][0])
