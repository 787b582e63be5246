"""A run reads other days than its own: those that wait, and those it looks back on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.hms_patients import Patient, plant
from tests.e2e.policies import set_policies

if TYPE_CHECKING:
    from stand_ins.oracle import OracleStandIn
    from tests.airflow_world import AirflowWorld

DAY = date(2026, 3, 10)
NEXT_DAY = DAY + timedelta(days=1)
GATE = {"min_lines": 2, "min_history_days": 1}
#: As if the reading were of two days ago.
AGE = "update extractions set {} = strftime('%Y-%m-%d %H:%M:%f000', 'now', '-2 days')"


def let_readings_age(world: AirflowWorld) -> None:
    for column in ("started_at", "completed_at", "applied_at"):
        world.alter_ledger(AGE.format(column))


def test_a_day_that_track_did_not_take_is_read_again_and_sent_by_the_next_run(
    world: AirflowWorld,
) -> None:
    """Who is no longer to be asked when it is read again is not: here, whom the ERP took away."""
    gone, _ = plant(world.erp(), DAY, 2)
    plant(world.erp(), NEXT_DAY)
    with world.track.refusing():
        failed = world.run_day("HMS", DAY)
    let_readings_age(world)
    world.erp().execute(f"delete from dbamv.atendime where cd_atendimento = {gone.attendance_id}")

    run = world.run_day("HMS", NEXT_DAY)

    assert (failed.state, run.state) == ("failed", "success")
    assert world.lines("HMS", DAY) == {"accepted": 1, "excluded(gone)": 1}
    assert world.lines("HMS", NEXT_DAY) == {"accepted": 1}


def test_a_day_read_too_long_ago_is_not_sent_until_it_is_read_again(world: AirflowWorld) -> None:
    plant(world.erp(), DAY, 2)
    with world.track.refusing():
        failed = world.run_day("HMS", DAY)
    let_readings_age(world)

    cleared = world.clear(failed, "dispatch", "report")
    left = world.lines("HMS", DAY)
    again = world.clear(failed)

    assert (cleared.state, left) == ("failed", {"reopened": 2})
    assert "2 linhas a reler" in cleared.said("report")
    assert world.track.requests["distributions"] == 1
    assert (again.state, world.lines("HMS", DAY)) == ("success", {"accepted": 2})


def test_a_day_whose_extraction_failed_is_made_up_for_by_looking_back(world: AirflowWorld) -> None:
    plant(world.erp(), DAY, 2)
    world.erp().faults.errors.append(("atendime", 3113, ""))
    failed = world.run_day("HMS", DAY)
    world.erp().faults.errors.clear()

    run = world.run_day("HMS", NEXT_DAY)

    assert (failed.state, run.state) == ("failed", "success")
    assert world.lines("HMS", DAY) == {"accepted": 2}


def type_late(erp: OracleStandIn, known: Patient) -> None:
    """Register a discharge of the day on the next morning."""
    del known
    plant(erp, DAY)


def type_twice(erp: OracleStandIn, known: Patient) -> None:
    """Register a known discharge once more, and a late one twice."""
    (late,) = plant(erp, DAY)
    for one in (known, late):
        erp.execute(
            "insert into dbamv.atendime select * from dbamv.atendime"
            f" where cd_atendimento = {one.attendance_id}"
        )


def move_on(erp: OracleStandIn, known: Patient) -> None:
    """Correct a known discharge: it was a day later."""
    erp.execute(
        "update dbamv.atendime set dt_atendimento = dt_atendimento + interval 1 day,"
        " hr_atendimento = hr_atendimento + interval 1 day, dt_alta = dt_alta + interval 1 day,"
        f" hr_alta = hr_alta + interval 1 day where cd_atendimento = {known.attendance_id}"
    )


def cancel(erp: OracleStandIn, known: Patient) -> None:
    """Cancel a known attendance."""
    erp.execute(f"delete from dbamv.atendime where cd_atendimento = {known.attendance_id}")


@pytest.mark.parametrize(
    ("correct", "account"),
    [
        (
            type_late,
            [
                "4 registros do ERP = 4 atendimentos + 0 repetidos",
                "4 atendimentos = 4 deste dia + 0 já conhecidos em outro dia + 0 de outro hospital",
                "4 deste dia = 1 excluída, 3 aceitas",
            ],
        ),
        (
            type_twice,
            [
                "6 registros do ERP = 4 atendimentos + 2 repetidos",
                "4 atendimentos = 4 deste dia + 0 já conhecidos em outro dia + 0 de outro hospital",
                "4 deste dia = 1 excluída, 3 aceitas",
            ],
        ),
        (
            move_on,
            [
                "2 registros do ERP = 2 atendimentos + 0 repetidos",
                "2 atendimentos = 2 deste dia + 0 já conhecidos em outro dia + 0 de outro hospital",
                "2 deste dia + 1 que esta leitura não traz = 1 excluída, 2 aceitas",
            ],
        ),
        (
            cancel,
            [
                "2 registros do ERP = 2 atendimentos + 0 repetidos",
                "2 atendimentos = 2 deste dia + 0 já conhecidos em outro dia + 0 de outro hospital",
                "2 deste dia + 1 que esta leitura não traz = 1 excluída, 2 aceitas",
            ],
        ),
    ],
)
def test_what_was_typed_a_day_late_is_met_by_the_next_days_run_and_nobody_is_asked_twice(
    world: AirflowWorld,
    caplog: pytest.LogCaptureFixture,
    correct: Callable[[OracleStandIn, Patient], None],
    account: list[str],
) -> None:
    known, _ = plant(world.erp(), DAY, 2)
    plant(world.erp(), DAY, by="nothing")
    world.run_day("HMS", DAY)
    correct(world.erp(), known)
    caplog.clear()

    run = world.run_day("HMS", NEXT_DAY)

    said = [one.getMessage() for one in caplog.records if one.name.endswith("hospital_surveys")]
    of_the_day = said.index("HMS · dia 10/03/2026 (relido)")
    assert (run.state, said[0]) == ("success", "HMS · dia 11/03/2026")
    assert said[of_the_day + 1 : of_the_day + 4] == account
    assert set(world.track.accepted_ids().values()) == {1}


def test_who_could_not_be_asked_is_asked_on_the_day_that_the_erp_moved_her_to(
    world: AirflowWorld,
) -> None:
    (patient,) = plant(world.erp(), DAY, by="nothing")
    world.run_day("HMS", DAY)
    move_on(world.erp(), patient)
    world.erp().execute("update dbamv.paciente set email = 'corrigida@example.com'")

    run = world.run_day("HMS", NEXT_DAY)

    assert run.state == "success"
    assert (world.lines("HMS", DAY), world.lines("HMS", NEXT_DAY)) == ({}, {"accepted": 1})


@pytest.mark.parametrize("option", ["Reject", None])
def test_a_look_back_never_releases_a_day_that_is_held(
    world: AirflowWorld, include: Path, option: str | None
) -> None:
    """Neither a person's no nor a question that nobody has answered yet."""
    set_policies(include, volume_gate=GATE)
    usual = DAY - timedelta(weeks=1)
    plant(world.erp(), usual)
    world.run_day("HMS", usual)
    plant(world.erp(), DAY, 5)
    asking = world.run_day("HMS", DAY)
    if option:
        world.answer(asking, option, by="ana")
    plant(world.erp(), NEXT_DAY)

    run = world.run_day("HMS", NEXT_DAY)

    assert run.tasks["approve_volume"] == ("skipped" if option else "awaiting_input")
    assert run.state == ("success" if option else "running")
    assert world.lines("HMS", DAY) == {"held": 5}


def test_an_earlier_day_that_cannot_be_read_is_red_and_takes_nothing_from_the_own_day(
    world: AirflowWorld,
) -> None:
    plant(world.erp(), DAY)
    world.run_day("HMS", DAY)
    arrived = datetime.combine(DAY, time(9))
    world.erp().faults.cells = {f" {arrived}": b"09:00 10/03/2026"}  # not what the query writes
    plant(world.erp(), NEXT_DAY)

    run = world.run_day("HMS", NEXT_DAY)

    assert run.state == "failed"
    assert "dia 10/03/2026: a extração desta execução não terminou" in run.said("report")
    assert world.lines("HMS", NEXT_DAY) == {"accepted": 1}


def test_a_yes_lets_go_what_it_counted_and_not_what_another_run_found_since(
    world: AirflowWorld, include: Path
) -> None:
    set_policies(include, volume_gate=GATE)
    usual = DAY - timedelta(weeks=1)
    plant(world.erp(), usual)
    world.run_day("HMS", usual)
    plant(world.erp(), DAY, 5)
    asking = world.run_day("HMS", DAY)
    plant(world.erp(), DAY, 4)
    asking_next = world.run_day("HMS", NEXT_DAY)

    world.answer(asking, "Approve", by="ana")
    after_the_first = world.lines("HMS", DAY)
    done = world.answer(asking_next, "Approve", by="ana")

    assert asking_next.tasks["approve_volume"] == "awaiting_input"
    assert after_the_first == {"held": 9}
    assert (done.state, world.lines("HMS", DAY)) == ("success", {"accepted": 9})
