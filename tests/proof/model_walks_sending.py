"""Sequences about claims, about what Track answers, and about what people decide."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.proof.model_erp import (
    CODES,
    NUMBERS,
    TUESDAY,
)
from tests.proof.model_faults import Death, Trouble
from tests.proof.model_walk_steps import (
    ASKED,
    ELSEWHERE,
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

# -- claims ------------------------------------------------------------------------------------


def left_out_at_the_claim(world: World) -> None:
    fill(world)
    world.set_hospital(surveys={})
    world.dispatch()
    assert states(world) is LineState.EXCLUDED


def before_the_go_live(world: World) -> None:
    fill(world)
    world.set_hospital(first_business_day=TUESDAY)
    world.dispatch()
    world.read()
    assert states(world) is LineState.EXCLUDED


def grown_too_old(world: World) -> None:
    fill(world)
    world.pass_time(days=16)
    world.dispatch()
    assert states(world) is LineState.REOPENED


def the_last_day_is_over_when_it_is_claimed(world: World) -> None:
    world.pass_time(days=13)
    fill(world)
    world.pass_time(hours=20)
    world.dispatch()
    assert states(world) is LineState.EXCLUDED


def an_extraction_too_old_is_read_again(world: World) -> None:
    fill(world)
    world.pass_time(hours=37)
    world.change(NUMBERS[0], OTHER)
    world.dispatch()
    assert states(world) is LineState.REOPENED
    world.change(NUMBERS[1], None)
    world.morning(OTHER_DAY)
    assert states(world) is LineState.ACCEPTED


def judged_under_other_rules(world: World) -> None:
    fill(world)
    world.set_hospital(staff_patterns=("fulana",))
    world.dispatch()
    assert states(world) is LineState.REOPENED
    world.read()
    assert states(world) is LineState.EXCLUDED


def old_ones_included(world: World) -> None:
    """*Incluir antigos* holds on: a normal reading and the night do not undo it."""
    world.pass_time(days=20)
    fill(world)
    assert states(world) is LineState.EXCLUDED
    world.read(run="manual", include_old=True)
    assert states(world) is LineState.READY
    world.read(run="scheduled")
    world.dispatch()
    assert states(world) is LineState.ACCEPTED


def opted_out_since(world: World) -> None:
    fill(world, 3)
    world.opt_out(NUMBERS[0])
    world.dispatch()
    world.erase(NUMBERS[1])
    world.morning()


def an_opt_out_between_two_parts(world: World) -> None:
    world.set_hospital(batch_size=6)
    fill(world, 6)
    world.dispatch(trouble=Trouble(script=("refused",), meanwhile="opted out"))
    world.dispatch()


def erased_in_every_waiting_state(world: World) -> None:
    fill(world, 2)
    world.erase(NUMBERS[0])
    assert states(world) is LineState.EXCLUDED
    world.pass_time(hours=40)
    world.dispatch()
    world.erase(NUMBERS[1])
    assert states(world, NUMBERS[1]) is LineState.EXCLUDED
    world.read()
    hold(world, *NUMBERS[2:7])
    world.erase(NUMBERS[2])
    world.morning()
    assert {states(world, number) for number in NUMBERS[:3]} == {LineState.EXCLUDED}


def invited_lately_in_another_hospital(world: World) -> None:
    for shares in ("cpf", "person"):
        world.change(NUMBERS[0], replace(ASKED, shares=shares))
        world.change(NUMBERS[1], replace(ASKED, shares=shares, codes=CODES[2:], contact="b"))
        world.morning()
        world.morning(ELSEWHERE)
        world.pass_time(days=1)


def a_family_with_one_address(world: World) -> None:
    for number in NUMBERS[:3]:
        world.change(number, replace(ASKED, shares="contact"))
    world.morning()
    world.pass_time(days=1)
    world.morning(run="manual")


def the_other_visit_comes_back(world: World) -> None:
    """The chosen visit of a person is refused: the other one is asked about."""
    for number in NUMBERS[:2]:
        world.change(number, replace(ASKED, shares="person"))
    world.change(NUMBERS[2], ASKED)
    world.read()
    world.dispatch(trouble=Trouble(spurned=(NUMBERS[0], "named")))
    assert states(world, NUMBERS[1]) is LineState.REOPENED
    world.morning()
    assert states(world, NUMBERS[1]) is LineState.ACCEPTED


def the_budget_is_spent(world: World) -> None:
    fill(world, 6)
    for budget in (1, 2, 3, 4):
        world.dispatch(trouble=Trouble(budget=budget))
    world.pass_time(minutes=6)
    world.dispatch(trouble=Trouble(budget=2))


# -- Track -------------------------------------------------------------------------------------


def settled_by_people(world: World) -> None:
    fill(world, 6)
    world.dispatch(trouble=Trouble(script=("500_accepted", "drop")))
    world.end_leases()
    (sent, day), (unsent, _) = world.doubts()
    world.decide_batch(sent, day, Verb.SETTLE_SENT)
    world.decide_batch(unsent, day, Verb.SETTLE_UNSENT)
    world.dispatch(trouble=Trouble(script=("500_accepted",)))
    world.end_leases()
    world.decide(Verb.ABANDON)


def sent_again_on_a_wrong_word(world: World) -> None:
    fill(world)
    world.dispatch(trouble=Trouble(script=("500_accepted",)))
    world.end_leases()
    world.decide(Verb.SETTLE_UNSENT)
    world.morning()
    world.reopen_accepted()
    assert states(world) is LineState.REOPENED
    world.morning()
    assert world.coverage.by_people >= 4


def decided_too_early(world: World) -> None:
    fill(world)
    world.dispatch(trouble=Trouble(script=("500_accepted",)))
    for verb in (Verb.SETTLE_UNSENT, Verb.ABANDON, Verb.SETTLE_SENT):
        world.decide(verb)


def decided_by_two_at_once(world: World) -> None:
    for first, second in (
        (Verb.SETTLE_UNSENT, Verb.SETTLE_SENT),
        (Verb.ABANDON, Verb.ABANDON),
        (Verb.SETTLE_UNSENT, Verb.ABANDON),
    ):
        world.read()
        fill(world, 2)
        world.dispatch(trouble=Trouble(script=("500",)))
        world.end_leases()
        for batch, day in world.doubts():
            world.decide_batch(batch, day, first, second)


def stopped_by_track(world: World) -> None:
    fill(world, 6)
    world.dispatch(trouble=Trouble(script=("accepted", "captcha")))
    world.dispatch()
    world.dispatch(CODES[1])
    world.resume()
    world.dispatch(trouble=Trouble(script=("accepted",), meanwhile="stopped"))
    world.resume()


def dead_before_the_answer_is_kept(world: World) -> None:
    fill(world, 4)
    world.dispatch(trouble=Trouble(dies=Death(0, after_posts=1)))
    world.dispatch()
    world.end_leases()
    world.dispatch()


def late_answers(world: World) -> None:
    world.set_hospital(batch_size=1)
    fill(world, 3)
    for fault in ("accepted", "429", "refused"):
        world.dispatch(trouble=Trouble(script=(fault,), meanwhile="lease ends", stops_after=1))


def accepted_after_all(world: World) -> None:
    """A person decided before a slow answer came: the machine knew better."""
    decided = ("unsent", "unsent, read", "abandoned", "unsent, died", "unsent, held")
    for number, meanwhile in zip(NUMBERS, decided, strict=False):
        world.erp.clear()
        world.change(number, ASKED)
        world.read()
        world.dispatch(trouble=Trouble(meanwhile=meanwhile, stops_after=1))
        assert states(world, number) is LineState.ACCEPTED, meanwhile


def claimed_anew_when_the_answer_comes(world: World) -> None:
    fill(world)
    world.dispatch(trouble=Trouble(meanwhile="claimed anew", stops_after=2))


def read_ahead_and_corrected(world: World) -> None:
    """The envelope was read ahead when its lines were read anew: the old address never goes."""
    fill(world, 6)
    world.dispatch(trouble=Trouble(meanwhile="corrected"))
    world.dispatch()


def another_run_between_transform_and_approval(world: World) -> None:
    hold(world)
    world.dispatch(run="backfill")
    assert states(world) is LineState.HELD
    world.read(run="backfill")
    world.dispatch(run="backfill")
    world.answer(ApprovalAnswer.APPROVED)
