"""What several sequences of the model begin with, and look at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.proof.model_erp import (
    CODES,
    MONDAY,
    MONDAY_BEFORE,
    NUMBERS,
    TUESDAY,
    Attendance,
)
from tests.proof.model_people import DAY
from track_dispatch.records import HospitalDay
from track_dispatch.states import LineState

if TYPE_CHECKING:
    from tests.proof.model_world import World

ASKED, NOBODY = Attendance(), Attendance(contact="none")
OTHER = Attendance(contact="b")
OTHER_DAY = HospitalDay(DAY.hospital, TUESDAY)
ELSEWHERE = HospitalDay(CODES[2], MONDAY)


def fill(world: World, count: int = 2, found: Attendance = ASKED) -> None:
    for number in NUMBERS[:count]:
        world.change(number, found)
    world.read(HospitalDay(DAY.hospital, found.day))


def hold(world: World, *numbers: str) -> None:
    """Let the gate hold the day: nobody came on the same day of the week before."""
    world.change(NUMBERS[-1], replace(ASKED, day=MONDAY_BEFORE, label="UTI"))
    world.read(HospitalDay(DAY.hospital, MONDAY_BEFORE))
    for number in numbers or NUMBERS[:4]:
        world.change(number, ASKED)
    world.read()
    assert world.watch.standing(LineState.HELD)


def states(world: World, number: str = NUMBERS[0]) -> LineState:
    facts = world.watch.facts
    assert facts is not None
    (line,) = [row for row in facts.lines.values() if row.attendance_id == number]
    return LineState(line.state)
