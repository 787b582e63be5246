"""The policies under Airflow: a day that asks a person, a night that waits, an old day wanted."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from tests.e2e.hms_patients import plant
from tests.e2e.policies import set_policies

if TYPE_CHECKING:
    from pathlib import Path

    from tests.airflow_world import AirflowWorld, Played

DAY = date(2026, 3, 10)
GATE = {"min_lines": 2, "min_history_days": 1}


@pytest.fixture
def asking(world: AirflowWorld, include: Path) -> Played:
    """Let a usual day be sent, and an odd one ask."""
    set_policies(include, volume_gate=GATE)
    usual = DAY - timedelta(weeks=1)
    plant(world.erp(), usual)
    assert world.run_day("HMS", usual).state == "success"
    plant(world.erp(), DAY, 5)
    return world.run_day("HMS", DAY)


def test_an_odd_day_waits_for_a_person_with_its_lines_held(
    world: AirflowWorld, asking: Played
) -> None:
    assert (asking.state, asking.tasks["approve_volume"]) == ("running", "awaiting_input")
    assert world.lines("HMS", DAY) == {"held(approval)": 5}
    assert len(world.track.received) == 1


def test_what_is_asked_are_counts_in_portuguese(world: AirflowWorld, asking: Played) -> None:
    from airflow import settings  # noqa: PLC0415
    from airflow.models.hitl import HITLDetail  # noqa: PLC0415

    detail = settings.Session().scalars(select(HITLDetail)).one()

    assert "**5** convites neste dia; o usual neste dia da semana é **1**" in detail.body
    assert "volume fora do comum" in detail.subject


def test_an_approved_day_is_sent_and_green(world: AirflowWorld, asking: Played) -> None:
    done = world.answer(asking, "Approve", by="ana")

    assert done.state == "success"
    assert world.lines("HMS", DAY) == {"accepted": 5}


def test_a_rejected_day_stays_held_and_is_green(world: AirflowWorld, asking: Played) -> None:
    done = world.answer(asking, "Reject", by="ana")

    assert done.state == "success"
    assert world.lines("HMS", DAY) == {"held(approval)": 5}
    assert len(world.track.received) == 1


def test_silence_leaves_the_day_held_and_red_and_it_can_be_asked_again(
    world: AirflowWorld, asking: Played
) -> None:
    silent = world.answer(asking, "Reject", by=None)
    again = world.clear_from(silent, "volume_gate")
    done = world.answer(again, "Approve", by="ana")

    assert silent.state == "failed"
    assert "ninguém respondeu" in silent.said("report")
    assert again.tasks["approve_volume"] == "awaiting_input"
    assert done.state == "success"
    assert world.lines("HMS", DAY) == {"accepted": 5}


def test_outside_the_window_dispatch_waits_without_a_worker(
    world: AirflowWorld, include: Path
) -> None:
    """The day of the week before yesterday's is the farthest from now: the window is closed now."""
    plant(world.erp(), DAY, 2)
    closed = date.today().weekday() + 2  # noqa: DTZ011 - any zone's day will do: two days ahead
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    set_policies(include, send_days=[names[closed % 7]])

    run = world.run_day("HMS", DAY)

    assert (run.state, run.states("dispatch")) == ("running", {"deferred"})
    assert world.lines("HMS", DAY) == {"ready": 2}
    assert world.track.requests == {}


@pytest.mark.parametrize(
    ("kind", "conf", "state", "lines"),
    [
        ("manual", {"include_old": True}, "success", {"accepted": 2}),
        ("manual", {}, "success", {"excluded(too_old)": 2}),
        ("backfill", {"include_old": True}, "failed", {}),
    ],
)
def test_old_days_are_sent_on_a_persons_wish_in_a_manual_run_only(
    world: AirflowWorld,
    include: Path,
    kind: str,
    conf: dict[str, bool],
    state: str,
    lines: dict[str, int],
) -> None:
    set_policies(include, max_age_days=15)
    plant(world.erp(), DAY, 2)
    day = {"business_day": DAY.isoformat()} if kind == "manual" else {}

    run = world.run_day("HMS", DAY, kind=kind, conf=conf | day)

    assert (run.state, world.lines("HMS", DAY)) == (state, lines)
