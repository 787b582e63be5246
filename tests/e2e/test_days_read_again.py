"""A run reads other days than its own: those that wait, and those it looks back on."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.hms_patients import plant
from tests.e2e.policies import set_policies

if TYPE_CHECKING:
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


def test_a_day_whose_extraction_failed_is_made_up_for_by_looking_back(
    world: AirflowWorld, include: Path
) -> None:
    set_policies(include, look_back_days=1)
    plant(world.erp(), DAY, 2)
    world.erp().faults.errors.append(("atendime", 3113, ""))
    failed = world.run_day("HMS", DAY)
    world.erp().faults.errors.clear()

    run = world.run_day("HMS", NEXT_DAY)

    assert (failed.state, run.state) == ("failed", "success")
    assert world.lines("HMS", DAY) == {"accepted": 2}


def test_who_came_late_into_the_erp_is_asked_by_the_next_days_run_that_looks_back(
    world: AirflowWorld, include: Path
) -> None:
    set_policies(include, look_back_days=1)
    plant(world.erp(), DAY, 2)
    world.run_day("HMS", DAY)
    (late,) = plant(world.erp(), DAY)

    run = world.run_day("HMS", NEXT_DAY)

    assert run.state == "success"
    assert world.lines("HMS", DAY) == {"accepted": 3}
    assert world.track.received[-1].lines[0].cd_atendimento == late.attendance_id
    assert set(world.track.accepted_ids().values()) == {1}


def test_an_earlier_day_that_cannot_be_read_is_red_and_takes_nothing_from_the_own_day(
    world: AirflowWorld, include: Path
) -> None:
    set_policies(include, look_back_days=1)
    plant(world.erp(), DAY)
    world.run_day("HMS", DAY)
    world.erp().execute(
        "insert into dbamv.atendime select * replace (null as cd_atendimento) from dbamv.atendime"
    )
    plant(world.erp(), NEXT_DAY)

    run = world.run_day("HMS", NEXT_DAY)

    assert run.state == "failed"
    assert "dia 10/03/2026: a extração desta execução não terminou" in run.said("report")
    assert world.lines("HMS", NEXT_DAY) == {"accepted": 1}


def test_a_yes_lets_go_what_it_counted_and_not_what_another_run_found_since(
    world: AirflowWorld, include: Path
) -> None:
    set_policies(include, volume_gate=GATE, look_back_days=1)
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
