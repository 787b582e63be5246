"""Sequences about the policies of a hospital: who may be asked, by which channel, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.proof.model_erp import MARKS, NUMBERS, TUESDAY
from tests.proof.model_walk_steps import ASKED, ELSEWHERE, OTHER, OTHER_DAY, fill, states
from track_dispatch.config import Identifier
from track_dispatch.records import Channel
from track_dispatch.states import LineState

if TYPE_CHECKING:
    from tests.proof.model_world import World

#: Everybody whom a policy may keep from being asked.
MARKED = {
    number: replace(ASKED, mark=mark)
    for number, mark in zip(NUMBERS, filter(None, MARKS), strict=False)
}
#: Whom a policy keeps that a hospital must first set.
STAFF = next(number for number, found in MARKED.items() if found.mark == "staff")


def a_mark_that_is_corrected(world: World) -> None:
    """A newborn gets a name, an age is mended: whoever was left out is asked after all."""
    world.set_hospital(min_age_years=18, staff_patterns=("^recepcao",))
    for number, found in MARKED.items():
        world.change(number, found)
    world.morning()
    assert {states(world, number) for number in MARKED} == {LineState.EXCLUDED}
    for number in MARKED:
        world.change(number, ASKED)
    world.morning(run="manual")
    assert {states(world, number) for number in MARKED} == {LineState.ACCEPTED}


def a_policy_that_is_set_while_lines_wait(world: World) -> None:
    for number, found in MARKED.items():
        world.change(number, found)
    world.read()
    assert states(world, STAFF) is LineState.READY
    world.set_hospital(min_age_years=18, staff_patterns=("^recepcao",))
    world.dispatch()
    world.morning()
    assert {states(world, number) for number in MARKED} == {LineState.EXCLUDED}


def policies_that_are_given_up(world: World) -> None:
    world.set_hospital(newborn_patterns=(), death_patterns=(), test_patterns=())
    for number, found in MARKED.items():
        world.change(number, found)
    world.morning()
    assert {states(world, number) for number in MARKED} == {LineState.ACCEPTED}


def outside_the_hours(world: World) -> None:
    """It is nine on a Wednesday."""
    fill(world)
    world.set_hospital(send_window="10:00-12:00")
    world.dispatch()
    assert states(world) is LineState.READY
    world.set_hospital(send_days=("mon", "fri"))
    world.pass_time(hours=2)
    world.dispatch()
    assert states(world) is LineState.READY
    world.restore_hospital()
    world.dispatch()
    assert states(world) is LineState.ACCEPTED


def opted_out_of_one_channel(world: World) -> None:
    """The other one is left, for whoever has it; who waits for the first goes by the other."""
    for number in NUMBERS[:3]:
        world.change(number, replace(ASKED, contact="both"))
    world.change(NUMBERS[3], ASKED)
    world.opt_out(NUMBERS[0], Channel.EMAIL)
    world.read()
    for number in NUMBERS[1:4]:
        world.opt_out(number, Channel.EMAIL)
    world.opt_out(NUMBERS[2], Channel.WHATSAPP)
    world.dispatch()
    world.morning()
    assert channel_of(world, NUMBERS[0]) == channel_of(world, NUMBERS[1]) == Channel.WHATSAPP
    assert [states(world, number) for number in NUMBERS[:4]] == [
        *[LineState.ACCEPTED] * 2,
        *[LineState.EXCLUDED] * 2,
    ]


def channel_of(world: World, number: str) -> str:
    facts = world.watch.facts
    assert facts is not None
    (line,) = [row for row in facts.lines.values() if row.attendance_id == number]
    return str(facts.unit_at(line.address).channel)


def a_cap_that_is_lifted(world: World) -> None:
    """One person on two days: within the cap she is asked once."""
    person = replace(ASKED, shares="cpf")
    world.change(NUMBERS[0], person)
    world.morning()
    world.pass_time(days=1)
    world.change(NUMBERS[1], replace(person, day=TUESDAY, contact="b"))
    world.morning(OTHER_DAY)
    assert states(world, NUMBERS[1]) is LineState.EXCLUDED
    world.set_hospital(contact_cap_days=0)
    world.morning(OTHER_DAY, run="manual")
    assert states(world, NUMBERS[1]) is LineState.ACCEPTED


def a_last_day_that_is_lifted(world: World) -> None:
    """No last day at all lets go even what was too old when it was read."""
    world.set_hospital(max_age_days=3)
    world.pass_time(days=5)
    fill(world)
    assert states(world) is LineState.EXCLUDED
    world.set_hospital(max_age_days=0)
    world.pass_time(days=90)
    world.morning(run="manual")
    assert states(world) is LineState.ACCEPTED


def a_late_entry_that_a_look_back_finds(world: World) -> None:
    fill(world)
    world.change(NUMBERS[2], ASKED)
    world.morning(OTHER_DAY)
    assert not is_known(world, NUMBERS[2])
    world.set_hospital(look_back_days=3)
    world.morning(OTHER_DAY, run="manual")
    assert states(world, NUMBERS[2]) is LineState.ACCEPTED


def is_known(world: World, number: str) -> bool:
    facts = world.watch.facts
    assert facts is not None
    return any(line.attendance_id == number for line in facts.lines.values())


def nobody_without_an_identifier(world: World) -> None:
    world.set_hospital(identifier=Identifier.CPF)
    world.change(NUMBERS[0], replace(ASKED, shares="cpf"))
    world.change(NUMBERS[1], OTHER)
    world.morning()
    world.morning(ELSEWHERE)
    assert [states(world, number) for number in NUMBERS[:2]] == [
        LineState.ACCEPTED,
        LineState.EXCLUDED,
    ]
