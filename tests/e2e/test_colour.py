"""`report` alone decides the run's colour, by the work that was done."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.world import REFUSED_DOMAIN
from stand_ins.track_api import faults
from tests.e2e.hms_patients import plant
from tests.e2e.policies import rename_area, set_policies, surveys_without
from track_dispatch.records import Area

if TYPE_CHECKING:
    from tests.airflow_world import AirflowWorld

DAY = date(2026, 3, 10)

#: As a claim of another worker leaves them whose POST still runs.
CLAIMED_BY_ANOTHER = (
    """
insert into batches (
  id, claim, survey, unit, envelope, state, lines, lease_until, validity_at, created_at, changed_at
)
select
  'another', 'another', survey, unit, envelope, 'sending', lines,
  strftime('%Y-%m-%d %H:%M:%f000', 'now', '300 seconds'), validity_at, created_at, changed_at
from batches
""",
    "update lines set state = 'sending', batch = 'another'",
)

#: A gate that is marked a success, or skipped, has let the day through: nothing is missing then.
LEFT_OUT = [
    (task_id, state)
    for task_id in ("extract", "transform", "volume_gate", "dispatch")
    for state in ("failed", "success", "skipped")
    if task_id != "volume_gate" or state == "failed"
]


@pytest.mark.parametrize(("task_id", "state"), LEFT_OUT)
def test_a_day_is_red_when_a_task_did_not_do_its_work(
    world: AirflowWorld, task_id: str, state: str
) -> None:
    plant(world.erp(), DAY)

    run = world.run_day("HMS", DAY, marked={task_id: state})

    assert (run.state, run.tasks["report"]) == ("failed", "failed")


@pytest.mark.parametrize("task_id", ["extract", "transform", "dispatch"])
def test_what_somebody_marked_a_success_is_done_after_the_run_is_cleared(
    world: AirflowWorld, task_id: str
) -> None:
    (patient,) = plant(world.erp(), DAY)
    run = world.run_day("HMS", DAY, marked={task_id: "success"})

    assert world.clear(run).state == "success"
    assert world.track.accepted_ids() == {patient.attendance_id: 1}


def test_a_day_whose_gate_was_marked_a_success_is_green(world: AirflowWorld) -> None:
    plant(world.erp(), DAY)

    assert world.run_day("HMS", DAY, marked={"volume_gate": "success"}).state == "success"


def test_exclusions_single_refusals_and_areas_without_survey_are_green(
    world: AirflowWorld, include: Path
) -> None:
    set_policies(include, surveys=surveys_without(include, Area.EXAMES))
    plant(world.erp(), DAY, 2)
    plant(world.erp(), DAY, domain=REFUSED_DOMAIN)
    plant(world.erp(), DAY, by="nothing")
    plant(world.erp(), DAY, area=Area.EXAMES)

    run = world.run_day("HMS", DAY)

    assert run.state == "success"
    assert world.lines("HMS", DAY) == {
        "accepted": 2,
        "refused(refused_4xx)": 1,
        "excluded(no_contact)": 1,
        "excluded(no_survey)": 1,
    }


def test_an_unknown_area_is_red(world: AirflowWorld, include: Path) -> None:
    rename_area(include, Area.EXAMES, "CHECK-UP")
    plant(world.erp(), DAY, 2)
    plant(world.erp(), DAY, area=Area.EXAMES)

    run = world.run_day("HMS", DAY)

    assert run.state == "failed"
    assert "1 atendimento com área desconhecida" in run.said("report")


def test_a_unit_whose_only_line_is_refused_is_red(world: AirflowWorld) -> None:
    plant(world.erp(), DAY, domain=REFUSED_DOMAIN)
    plant(world.erp(), DAY, area=Area.EXAMES)

    run = world.run_day("HMS", DAY)

    assert run.tasks["dispatch"] == "success"
    assert run.state == "failed"
    assert "PRONTO SOCORRO GERAL · e-mail: o Track recusou todas as linhas" in run.said("report")


def test_a_unit_that_is_refused_as_a_whole_is_red_and_stays_ready(world: AirflowWorld) -> None:
    plant(world.erp(), DAY, 3)
    world.track.reject(lambda _: True)

    run = world.run_day("HMS", DAY)

    assert run.state == "failed"
    assert "Track refuses every line of this unit" in run.said("dispatch")
    assert world.lines("HMS", DAY) == {"ready": 3}


def test_lines_in_doubt_are_red(world: AirflowWorld) -> None:
    plant(world.erp(), DAY, 3)
    world.track.script(faults.answer(500))

    run = world.run_day("HMS", DAY)

    assert run.state == "failed"
    assert "3 linhas em dúvida: confira no Track e decida" in run.said("report")


def test_lines_that_another_worker_is_sending_are_red(world: AirflowWorld) -> None:
    plant(world.erp(), DAY)
    run = world.run_day("HMS", DAY, before="report")
    for statement in CLAIMED_BY_ANOTHER:
        world.alter_ledger(statement)

    run = world.go_on(run)

    assert run.state == "failed"
    assert "1 linha em envio" in run.said("report")


def test_an_attendance_of_another_hospital_is_red(world: AirflowWorld) -> None:
    plant(world.erp(), DAY)
    run = world.run_day("HMS", DAY)
    world.alter_ledger("update units set hospital = 'HMSM'")

    run = world.clear(run)

    assert run.state == "failed"
    assert "1 atendimento já é de outro hospital" in run.said("report")


@pytest.mark.parametrize(
    "tampering",
    [
        "update extractions set rows = rows + 1",
        "update extractions set attendances = attendances + 1, rows = rows + 1",
        "update extractions set other_day = other_day + 1",
    ],
)
def test_an_account_that_does_not_balance_is_red(world: AirflowWorld, tampering: str) -> None:
    plant(world.erp(), DAY, 2)
    run = world.run_day("HMS", DAY)
    world.alter_ledger(tampering)

    run = world.clear(run, "report")

    assert run.state == "failed"
    assert "a conta do dia não fecha" in run.said("report")
