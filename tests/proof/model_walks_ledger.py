"""Sequences in which a backup is put back, a server fails over, or keys change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.proof.model_erp import (
    CODES,
    NUMBERS,
)
from tests.proof.model_faults import Trouble
from tests.proof.model_walk_steps import (
    ASKED,
    ELSEWHERE,
    NOBODY,
    OTHER,
    OTHER_DAY,
    fill,
    hold,
    states,
)
from track_dispatch.ledger.approvals import ApprovalAnswer
from track_dispatch.states import LineState, Verb

if TYPE_CHECKING:
    from tests.proof.model_world import World

# -- backups and keys ----------------------------------------------------------------------------


def a_backup_put_back(world: World) -> None:
    fill(world, 3)
    world.change(NUMBERS[4], NOBODY)
    world.read()
    world.back_up()
    world.change(NUMBERS[4], ASKED)
    world.change(NUMBERS[5], ASKED)
    world.morning()
    world.put_back()
    assert states(world) is LineState.IN_DOUBT
    world.morning()
    assert {states(world, number) for number in NUMBERS[4:6]} == {LineState.IN_DOUBT}
    world.decide(Verb.SETTLE_SENT)


def a_backup_with_refused_held_and_reopened_lines(world: World) -> None:
    fill(world, 2)
    world.dispatch(trouble=Trouble(spurned=(NUMBERS[0], "named")))
    world.back_up()
    world.change(NUMBERS[0], OTHER)
    world.morning()
    world.put_back()
    world.morning()
    assert states(world) is LineState.IN_DOUBT
    world.decide(Verb.SETTLE_SENT)


def held_when_a_backup_was_put_back(world: World) -> None:
    hold(world)
    world.back_up()
    world.answer(ApprovalAnswer.APPROVED)
    world.dispatch()
    world.put_back()
    world.morning()


def reopened_when_a_standby_took_over(world: World) -> None:
    fill(world)
    world.pass_time(hours=40)
    world.dispatch()
    world.back_up()
    world.morning()
    world.put_back(fails_over=True)
    assert states(world) is LineState.IN_DOUBT
    world.decide(Verb.SETTLE_UNSENT)
    world.morning()


def a_late_line_of_sunday(world: World) -> None:
    """Backup of Monday, a late line of Sunday sent on Tuesday, the backup put back."""
    fill(world)
    world.back_up()
    world.pass_time(days=1)
    world.change(NUMBERS[3], ASKED)
    world.morning(OTHER_DAY)
    world.morning()
    world.put_back()
    world.morning()
    assert states(world, NUMBERS[3]) is LineState.IN_DOUBT


def opted_out_under_a_key_that_goes(world: World) -> None:
    fill(world, 3)
    world.opt_out(NUMBERS[0])
    world.add_key()
    assert not world.drop_key(), "the opt-out needs the old key"
    world.morning()
    world.add_key()
    world.opt_out(NUMBERS[1])
    world.morning(run="manual")


def keys_follow_each_other(world: World) -> None:
    world.add_key()
    fill(world, 2)
    world.drop_key()
    world.dispatch()
    world.change(NUMBERS[2], replace(ASKED, shares="cpf"))
    world.morning()
    world.add_key()
    world.drop_key()
    world.change(NUMBERS[3], replace(ASKED, shares="cpf", codes=CODES[2:]))
    world.morning(ELSEWHERE)


def an_identity_from_before_a_released_claim(world: World) -> None:
    """Who may have been asked stays known, though a later claim was certainly not delivered."""
    shared = replace(ASKED, shares="person")
    fill(world, 1, shared)
    world.dispatch(trouble=Trouble(script=("503_accepted",)))
    world.end_leases()
    world.decide(Verb.SETTLE_UNSENT)
    world.change(NUMBERS[0], ASKED)
    world.read()
    world.dispatch(trouble=Trouble(script=("nobody listens",)))
    world.pass_time(minutes=10)
    world.change(NUMBERS[0], OTHER)
    world.read()
    world.dispatch()
    assert states(world) is LineState.ACCEPTED
    world.change(NUMBERS[1], shared)
    world.read()
    world.pass_time(minutes=10)
    world.dispatch()
    assert states(world, NUMBERS[1]) is LineState.EXCLUDED
