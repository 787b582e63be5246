"""What every hospital's DAG must be, whatever its file says."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import CronDataIntervalTimetable, TriggerRule
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from demo.run import dag_bag
from demo.world import ROOT
from track_dispatch.config import Hospital, working_hospitals
from track_dispatch.operators import TrackRetryPolicy
from track_dispatch.operators.texts import TASKS

if TYPE_CHECKING:
    from airflow.sdk import DAG

HOSPITALS = working_hospitals()
STEPS = ["extract", "transform", "volume_gate", "approve_volume", "dispatch", "report"]
#: What begins on its own: the run's mode decides which of the two is skipped.
READ_THE_ERP = {"extract", "rehearse"}


@pytest.fixture(params=HOSPITALS, ids=lambda hospital: hospital.code)
def hospital(request: pytest.FixtureRequest) -> Hospital:
    found: Hospital = request.param
    return found


@pytest.fixture
def dag(hospital: Hospital, dags: Mapping[str, DAG]) -> DAG:
    return dags[hospital.dag_id]


def test_there_is_one_dag_for_each_hospital_file(dags: Mapping[str, DAG]) -> None:
    files = (ROOT / "include" / "hospitals").glob("*.yaml")
    hospital_dags = {dag_id for dag_id, dag in dags.items() if "pesquisa" in dag.tags}

    assert hospital_dags == {f"track_{file.stem}" for file in files}


def test_its_name_begins_with_the_code_that_everybody_says(hospital: Hospital, dag: DAG) -> None:
    assert dag.dag_display_name == f"{hospital.code} · {hospital.name}"


def test_the_tasks_follow_one_another(dag: DAG) -> None:
    downstream = {task.task_id: task.downstream_task_ids for task in dag.tasks}

    assert {task.task_id for task in dag.roots} == {"extract"}
    assert downstream == {
        "extract": {"transform", "rehearse"},
        "transform": {"volume_gate"},
        "volume_gate": {"approve_volume", "dispatch"},
        "approve_volume": {"dispatch"},
        "dispatch": {"report"},
        "report": set(),
        "rehearse": set(),
    }


def test_report_is_the_pipelines_only_leaf_and_runs_whatever_happened(dag: DAG) -> None:
    assert {task.task_id for task in dag.leaves} == {"report", "rehearse"}
    assert dag.get_task("report").trigger_rule == TriggerRule.ALL_DONE


def test_no_other_task_runs_after_a_failure(dag: DAG) -> None:
    """Dispatch runs after an approval that was given, or not needed and so skipped."""
    rules = {task_id: dag.get_task(task_id).trigger_rule for task_id in STEPS[:-1]}

    assert rules == dict.fromkeys(STEPS[:-1], TriggerRule.ALL_SUCCESS) | {
        "dispatch": TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    }


def test_only_the_newest_day_is_caught_up_with_and_one_run_at_a_time(dag: DAG) -> None:
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


def test_somebody_owns_it_and_it_is_found_by_its_tags(dag: DAG, hospital: Hospital) -> None:
    assert dag.owner == "track-dispatch"
    assert dag.tags == {"pesquisa", hospital.erp, hospital.source}


def test_a_run_covers_the_hospitals_own_day(dag: DAG, hospital: Hospital) -> None:
    timetable = dag.timetable

    assert isinstance(timetable, CronDataIntervalTimetable)
    assert (timetable.expression, str(timetable.timezone)) == (
        hospital.schedule,
        hospital.timezone,
    )
    assert dag.start_date.astimezone(hospital.zone).date() == hospital.first_business_day


def test_no_task_runs_for_ever(dag: DAG) -> None:
    limits = {task.task_id: task.execution_timeout for task in dag.tasks}
    waits_for_a_person = dag.get_task("approve_volume")

    assert limits.pop("approve_volume") is None
    assert waits_for_a_person.response_timeout == timedelta(hours=8)
    assert [limit for limit in limits.values() if not limit or limit > timedelta(hours=3)] == []


def test_each_task_recovers_by_the_kind_of_its_error(dag: DAG) -> None:
    recovery = {(task.retries, type(task.retry_policy)) for task in dag.tasks}

    assert recovery == {(3, TrackRetryPolicy)}


def test_only_what_reads_the_erp_waits_for_its_slot(dag: DAG, hospital: Hospital) -> None:
    waiting = {task.task_id for task in dag.tasks if task.pool == hospital.pool}

    assert waiting == READ_THE_ERP


@pytest.mark.parametrize("value", [None, "2026-03-10"])
def test_the_business_day_is_a_date_or_nothing(dag: DAG, value: str | None) -> None:
    param = dag.params.get_param("business_day")

    assert param.value is None
    assert copy(param).resolve(value) == value


@pytest.mark.parametrize("value", ["yesterday", "2026-02-30", 20260310, ""])
def test_the_form_refuses_what_is_no_day(dag: DAG, value: Any) -> None:
    param = copy(dag.params.get_param("business_day"))

    with pytest.raises(ParamValidationError):
        param.resolve(value)


def test_one_task_dispatches_the_whole_hospital(dag: DAG, hospital: Hospital) -> None:
    dispatch = dag.get_task("dispatch")

    assert not dispatch.is_mapped
    assert dispatch.hospital == hospital.code


def test_what_a_task_returns_is_one_value_and_not_logged(dag: DAG) -> None:
    python_tasks = [
        dag.get_task(task_id)
        for task_id in dag.task_ids
        if task_id not in {"dispatch", "approve_volume"}
    ]

    assert {(task.multiple_outputs, task.show_return_value_in_logs) for task in python_tasks} == {
        (False, False)
    }


def test_the_ui_speaks_portuguese(dag: DAG, hospital: Hospital) -> None:
    shown = {task.task_id: task.task_display_name for task in dag.tasks}

    assert shown == TASKS
    assert f"### {hospital.name}" in dag.doc_md
    assert [name for name in TASKS.values() if f"**{name}**" not in dag.doc_md] == []


def test_what_airflow_stores_is_the_dag(dag: DAG) -> None:
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))

    assert (stored.task_ids, stored.max_active_runs) == (dag.task_ids, dag.max_active_runs)
    assert stored.timetable.summary == dag.timetable.expression


def test_parsing_again_makes_no_new_version_of_a_dag(dag: DAG) -> None:
    again = dag_bag().dags[dag.dag_id]

    assert DagSerialization.to_dict(again) == DagSerialization.to_dict(dag)
