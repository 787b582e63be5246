"""Sequences in which the ERP changes its mind, or a day is held."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.proof.model_erp import (
    CODES,
    MONDAY,
    MONDAY_BEFORE,
    NEXT_MONDAY,
    NUMBERS,
    TUESDAY,
)
from tests.proof.model_faults import Trouble
from tests.proof.model_people import DAY
from tests.proof.model_walk_steps import (
    ASKED,
    NOBODY,
    OTHER,
    OTHER_DAY,
    fill,
    hold,
    states,
)
from track_dispatch.ledger.approvals import ApprovalAnswer
from track_dispatch.records import HospitalDay
from track_dispatch.states import LineState, Verb

if TYPE_CHECKING:
    from tests.proof.model_world import World

# -- the ERP changes its mind ------------------------------------------------------------------


def corrections_in_the_erp(world: World) -> None:
    for found in (ASKED, OTHER, NOBODY, NOBODY, ASKED):
        world.change(NUMBERS[0], found)
        world.read()
    world.change(NUMBERS[0], None)
    world.change(NUMBERS[1], NOBODY)
    world.read()
    assert states(world) is LineState.EXCLUDED
    world.change(NUMBERS[1], replace(ASKED, label="UTI"))
    world.read()


def refused_and_mended(world: World) -> None:
    fill(world, 4)
    for mended in (OTHER, NOBODY):
        spurned = Trouble(spurned=(NUMBERS[1], "unnamed"))
        world.dispatch(trouble=spurned)
        assert states(world, NUMBERS[1]) is LineState.REFUSED
        world.change(NUMBERS[1], mended)
        world.read()
    assert states(world, NUMBERS[1]) is LineState.EXCLUDED


def refused_and_retried(world: World) -> None:
    fill(world)
    world.dispatch(trouble=Trouble(spurned=(NUMBERS[1], "inside")))
    world.read()
    assert states(world, NUMBERS[1]) is LineState.REFUSED
    world.retry_refused()
    assert states(world, NUMBERS[1]) is LineState.REOPENED
    world.change(NUMBERS[1], NOBODY)
    world.read()
    assert states(world, NUMBERS[1]) is LineState.EXCLUDED


def refused_mended_and_held(world: World) -> None:
    fill(world, 1)
    world.dispatch(trouble=Trouble(spurned=(NUMBERS[0], "named")))
    assert states(world) is LineState.REFUSED
    world.change(NUMBERS[0], OTHER)
    hold(world, *NUMBERS[1:6])
    assert states(world) is LineState.HELD


def moved_to_another_day(world: World) -> None:
    """A date corrected in the ERP, with and without its old day being read again."""
    for number, found in zip(NUMBERS, (ASKED, NOBODY, ASKED, NOBODY, ASKED), strict=False):
        world.change(number, found)
    world.read()
    tuesday = replace(ASKED, day=TUESDAY)
    for number in NUMBERS[:2]:
        world.change(number, tuesday)
    for number in NUMBERS[2:4]:
        world.change(number, replace(NOBODY, day=TUESDAY))
    world.read(OTHER_DAY)
    world.read()
    world.change(NUMBERS[0], ASKED)
    world.read(OTHER_DAY)
    world.read()
    assert states(world) is LineState.EXCLUDED or world.watch.standing(LineState.READY)
    world.dispatch()


def moved_back_by_a_day_within_one_run(world: World) -> None:
    fill(world, 2, replace(ASKED, day=TUESDAY))
    world.pass_time(days=1)
    for number in NUMBERS[:2]:
        world.change(number, ASKED)
    world.change(NUMBERS[2], ASKED)
    world.read(OTHER_DAY)
    world.read()
    world.morning()
    assert states(world) is LineState.ACCEPTED


def moved_while_reopened(world: World) -> None:
    fill(world, 4)
    world.pass_time(hours=40)
    world.dispatch()
    assert world.watch.standing(LineState.REOPENED)
    for number in NUMBERS[:2]:
        world.change(number, replace(ASKED, day=TUESDAY))
    for number in NUMBERS[2:4]:
        world.change(number, replace(NOBODY, day=TUESDAY))
    world.read(OTHER_DAY)
    world.dispatch()
    assert states(world) is LineState.ACCEPTED


def moved_while_held(world: World) -> None:
    hold(world)
    world.change(NUMBERS[0], replace(ASKED, day=TUESDAY))
    world.change(NUMBERS[1], replace(NOBODY, day=TUESDAY))
    world.read(OTHER_DAY)
    assert states(world) is LineState.HELD
    world.dispatch()
    assert states(world) is LineState.HELD


def moved_while_on_the_way(world: World) -> None:
    """The line is on its way to Track when the ERP moves it, and Track does not take it."""
    fill(world)
    world.dispatch(trouble=Trouble(script=("429",), meanwhile="moved"))
    world.morning()
    world.morning(OTHER_DAY)


def a_death_between_reading_and_sending(world: World) -> None:
    fill(world)
    world.change(NUMBERS[0], replace(ASKED, dead=True))
    world.morning()
    assert states(world) is LineState.EXCLUDED
    assert states(world, NUMBERS[1]) is LineState.ACCEPTED


def an_empty_erp_view(world: World) -> None:
    fill(world, 5)
    world.read(run="manual", wrong="lacking")
    assert not world.watch.standing(LineState.EXCLUDED)
    world.dispatch()


def late_entries_in_thousands(world: World) -> None:
    fill(world)
    world.change(NUMBERS[-1], replace(ASKED, day=MONDAY_BEFORE, label="UTI"))
    world.read(HospitalDay(DAY.hospital, MONDAY_BEFORE))
    world.read(run="manual", wrong="surplus")
    assert world.watch.standing(LineState.HELD)
    world.dispatch()
    assert not world.watch.standing(LineState.ACCEPTED)


def one_attendance_of_two_hospitals(world: World) -> None:
    both = replace(ASKED, codes=CODES[:2])
    world.change(NUMBERS[0], both)
    for code in CODES[:2]:
        world.morning(HospitalDay(code, MONDAY))


# -- held --------------------------------------------------------------------------------------


def held_and_answered(world: World) -> None:
    hold(world)
    for answer in (ApprovalAnswer.REJECTED, ApprovalAnswer.TIMEOUT, ApprovalAnswer.APPROVED):
        world.dispatch()
        assert states(world) is LineState.HELD
        world.answer(answer)
        world.read(run=answer.value)
    world.answer(ApprovalAnswer.APPROVED)
    world.dispatch()


def held_until_a_person_says_yes(world: World) -> None:
    hold(world)
    world.answer(ApprovalAnswer.APPROVED)
    assert states(world) is LineState.READY
    world.dispatch()
    assert states(world) is LineState.ACCEPTED


def approved_when_it_has_grown_old(world: World) -> None:
    hold(world)
    world.pass_time(hours=40)
    world.answer(ApprovalAnswer.APPROVED)
    assert states(world) is LineState.REOPENED
    world.change(NUMBERS[0], replace(ASKED, dead=True))
    world.morning()


def held_and_gone(world: World) -> None:
    hold(world)
    world.change(NUMBERS[0], None)
    world.change(NUMBERS[1], NOBODY)
    world.read()
    world.read()


def held_and_released_late(world: World) -> None:
    hold(world)
    world.answer(ApprovalAnswer.TIMEOUT)
    world.pass_time(hours=40)
    world.release()
    assert states(world) is LineState.REOPENED
    world.morning()
    assert states(world) is LineState.ACCEPTED


def a_yes_to_some_does_not_release_others(world: World) -> None:
    hold(world)
    world.change(NUMBERS[5], ASKED)
    world.read(run="manual")
    world.answer(ApprovalAnswer.APPROVED)
    world.dispatch()


def lines_come_back_into_a_held_day(world: World) -> None:
    """What was excluded or reopened is held with the rest."""
    for number, found in zip(NUMBERS, (NOBODY, ASKED, ASKED), strict=False):
        world.change(number, found)
    world.read()
    world.dispatch(trouble=Trouble(script=("500", "500")))
    world.end_leases()
    world.decide(Verb.SETTLE_UNSENT)
    hold(world, *NUMBERS[:6])
    assert states(world) is LineState.HELD
    assert states(world, NUMBERS[1]) is LineState.HELD


def moved_into_a_held_day(world: World) -> None:
    for number, found in zip(NUMBERS, (ASKED, NOBODY, ASKED), strict=False):
        world.change(number, replace(found, day=TUESDAY))
    world.read(OTHER_DAY)
    for number in NUMBERS[:3]:
        world.change(number, ASKED)
    hold(world, *NUMBERS[:6])
    assert {states(world, number) for number in NUMBERS[:3]} == {LineState.HELD}


def expired_at_night(world: World) -> None:
    """Ready, held and reopened lines on the day after the last one."""
    hold(world)
    for number in NUMBERS[5:7]:
        world.change(number, replace(ASKED, day=TUESDAY))
    world.pass_time(days=14)
    world.read(OTHER_DAY, "late")
    world.pass_time(hours=25)
    world.tidy()
    fill(world, 2, replace(ASKED, day=NEXT_MONDAY))
    world.pass_time(hours=40)
    world.dispatch()
    assert states(world) is LineState.REOPENED
    world.pass_time(days=6)
    world.tidy()
    assert not world.watch.standing(LineState.READY, LineState.HELD, LineState.REOPENED)


def tidied_every_night(world: World) -> None:
    """What is ready is read again; what is held keeps its question, but not its data."""
    hold(world)
    for number in NUMBERS[5:7]:
        world.change(number, replace(ASKED, day=TUESDAY))
    world.read(OTHER_DAY)
    world.pass_time(hours=37)
    world.tidy()
    assert world.watch.standing(LineState.REOPENED)
    assert world.watch.standing(LineState.HELD)
    world.answer(ApprovalAnswer.APPROVED)
    world.morning(OTHER_DAY)
    world.change(NUMBERS[5], ASKED)
    world.read()
    world.pass_time(hours=37)
    world.dispatch()
    world.pass_time(days=30)
    world.tidy()


def forgotten(world: World) -> None:
    """Accepted, deleted when its time was over, and given another day by the ERP: known."""
    fill(world)
    world.morning()
    world.pass_time(days=60)
    world.tidy()
    world.pass_time(days=400)
    world.tidy()
    today = world.today
    for number in NUMBERS[:2]:
        world.change(number, replace(ASKED, day=today - timedelta(days=1)))
    world.morning(HospitalDay(DAY.hospital, today - timedelta(days=1)))
    world.morning()
