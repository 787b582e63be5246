"""Sequences that are taken every time, so that every row of the transition table is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.proof.ledger_erp import DAYS, NUMBERS, Attendance, Where
from tests.proof.ledger_trouble import Death, Trouble
from track_dispatch.ledger.approvals import Answer
from track_dispatch.records import Area, Channel, LineState, Unit, Verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.proof.ledger_world import World

DAY = Where("HMSM", DAYS[0])
UNIT = Unit(DAY.code, DAY.day, Area.EXAMES, Channel.EMAIL)
ASKED, NOBODY = Attendance(), Attendance(contact="none")


def walk(new_world: Callable[[], World], taken: Callable[[World], None]) -> None:
    """Take one sequence in a world of its own, to its rest."""
    world = new_world()
    try:
        taken(world)
        world.come_to_rest()
    finally:
        world.close()


def _fill(world: World, count: int = 2) -> None:
    for number in NUMBERS[:count]:
        world.change(number, ASKED)
    world.read(DAY)


def _decide(world: World, verb: Verb, trouble: Trouble = Trouble()) -> None:  # noqa: B008 - frozen
    for batch_id, unit in world.doubts():
        world.decide_batch(batch_id, verb, trouble, unit=unit)


def corrections_in_the_erp(world: World) -> None:
    for found in (ASKED, replace(ASKED, contact="b"), NOBODY, ASKED):
        world.change(NUMBERS[0], found)
        world.read(DAY)
    world.change(NUMBERS[0], None)
    world.change(NUMBERS[1], NOBODY)
    world.read(DAY)
    world.change(NUMBERS[1], replace(ASKED, label="UTI"))
    world.read(DAY)


def a_line_refused_reopened_and_retried(world: World) -> None:
    _fill(world)
    spurned = Trouble(spurned=(NUMBERS[1], "unnamed"))
    world.dispatch(UNIT, spurned)
    world.change(NUMBERS[1], replace(ASKED, contact="b"))
    world.read(DAY)
    world.dispatch(UNIT, spurned)
    world.decide_day(DAY, Verb.RETRY_REFUSED)
    world.change(NUMBERS[1], NOBODY)
    world.read(DAY)


def left_out_at_the_claim(world: World) -> None:
    _fill(world)
    world.dispatch(UNIT, Trouble(script=("429",)))
    world.set_hospital(DAY.code, surveys={})
    world.dispatch(UNIT)


def before_the_go_live(world: World) -> None:
    _fill(world)
    world.set_hospital(DAY.code, first_business_day=DAYS[1])
    world.dispatch(UNIT)


def grown_too_old(world: World) -> None:
    _fill(world)
    world.pass_days(16)
    world.dispatch(UNIT)


def grown_too_old_at_night(world: World) -> None:
    _fill(world)
    world.pass_days(16)
    world.keep_house()


def forgotten(world: World) -> None:
    _fill(world)
    world.dispatch(UNIT)
    world.pass_days(800)
    world.keep_house()
    world.morning(DAY)


def doubts_settled_by_people(world: World) -> None:
    _fill(world, 4)
    doubt = "500_accepted"
    world.dispatch(UNIT, Trouble(script=(doubt, "drop")))
    world.end_leases()
    sent, unsent = world.doubts()
    world.decide_batch(sent[0], Verb.SETTLE_SENT)
    world.decide_batch(unsent[0], Verb.SEND_AGAIN, Trouble(script=(doubt,)), unit=UNIT)
    world.end_leases()
    _decide(world, Verb.ABANDON)


def sent_again_by_mistake(world: World) -> None:
    _fill(world)
    world.dispatch(UNIT, Trouble(script=("500_accepted",)))
    world.end_leases()
    _decide(world, Verb.SEND_AGAIN)


def sent_again_in_vain(world: World) -> None:
    _fill(world)
    world.dispatch(UNIT, Trouble(script=("500_accepted",)))
    for answer in ("429", "404", "refused", "first named", "nobody listens", "captcha"):
        world.end_leases()
        _decide(world, Verb.SEND_AGAIN, Trouble(script=(answer,)))


def sent_again_and_refused_in_part(world: World) -> None:
    _fill(world)
    world.dispatch(UNIT, Trouble(script=("500_accepted",)))
    world.end_leases()
    _decide(world, Verb.SEND_AGAIN, Trouble(spurned=(NUMBERS[0], "inside")))
    world.decide_day(DAY, Verb.RETRY_REFUSED)
    world.morning(DAY)


def decided_too_early(world: World) -> None:
    _fill(world)
    world.dispatch(UNIT, Trouble(script=("500_accepted",)))
    for verb in (Verb.SEND_AGAIN, Verb.ABANDON, Verb.SETTLE_SENT):
        _decide(world, verb)


def stopped_by_track(world: World) -> None:
    _fill(world, 4)
    world.dispatch(UNIT, Trouble(script=("500_accepted", "captcha")))
    world.end_leases()
    world.dispatch(UNIT)
    _decide(world, Verb.SEND_AGAIN)


def dead_before_the_answer_is_kept(world: World) -> None:
    _fill(world)
    world.dispatch(UNIT, Trouble(dies=Death(0, after_posts=1)))
    world.dispatch(UNIT)
    world.end_leases()
    world.report(DAY)
    world.dispatch(UNIT)


def late_answers(world: World) -> None:
    _fill(world, 3)
    world.set_hospital(DAY.code, batch_size=1)
    for fault in ("accepted", "429", "refused"):
        world.dispatch(UNIT, Trouble(script=(fault,), meanwhile="lease ends", stops_after=1))


def a_backup_put_back(world: World) -> None:
    _fill(world)
    world.back_up()
    world.dispatch(UNIT)
    world.change(NUMBERS[2], ASKED)
    world.morning(DAY)
    world.put_back()
    world.morning(DAY)
    assert world.watch.standing(LineState.IN_DOUBT)
    _decide(world, Verb.SETTLE_SENT)


def a_backup_put_back_and_released(world: World) -> None:
    _fill(world)
    world.back_up()
    world.dispatch(UNIT)
    world.morning(Where(DAY.code, DAYS[1]))
    world.put_back()
    world.decide_day(DAY, Verb.RELEASE)
    world.dispatch(UNIT)


def a_day_that_the_backup_forgot(world: World) -> None:
    other = Where(DAY.code, DAYS[1])
    _fill(world)
    world.back_up()
    world.change(NUMBERS[2], replace(ASKED, day=other.day))
    world.morning(other)
    world.put_back()
    world.morning(other)
    world.decide_day(other, Verb.ALLOW_DAY)
    world.morning(other)


def held_and_approved(world: World) -> None:
    _fill(world)
    for answer in (Answer.REJECTED, Answer.TIMEOUT, Answer.APPROVED):
        world.hold(DAY)
        world.dispatch(UNIT)
        world.answer(DAY, answer)
    world.dispatch(UNIT)


def held_and_gone(world: World) -> None:
    _fill(world)
    world.hold(DAY)
    world.change(NUMBERS[0], None)
    world.read(DAY)


def held_too_long(world: World) -> None:
    _fill(world)
    world.hold(DAY)
    world.pass_days(16)
    world.keep_house()


def held_when_a_backup_was_put_back(world: World) -> None:
    _fill(world)
    world.hold(DAY)
    world.back_up()
    world.put_back()


def opted_out_since(world: World) -> None:
    _fill(world, 3)
    world.opt_out(NUMBERS[0])
    world.dispatch(UNIT, Trouble(script=("drop",)))
    world.opt_out(NUMBERS[1])
    world.end_leases()
    _decide(world, Verb.SEND_AGAIN)


def invited_lately(world: World) -> None:
    other = Where(DAY.code, DAYS[1])
    world.set_hospital(DAY.code, contact_cap_days=30)
    world.change(NUMBERS[0], replace(ASKED, contact="shared"))
    world.change(NUMBERS[1], replace(ASKED, contact="shared", day=other.day))
    world.morning(DAY)
    world.morning(other)


WALKS: tuple[Callable[[World], None], ...] = (
    corrections_in_the_erp,
    a_line_refused_reopened_and_retried,
    left_out_at_the_claim,
    before_the_go_live,
    grown_too_old,
    grown_too_old_at_night,
    forgotten,
    doubts_settled_by_people,
    sent_again_by_mistake,
    sent_again_in_vain,
    sent_again_and_refused_in_part,
    decided_too_early,
    stopped_by_track,
    dead_before_the_answer_is_kept,
    late_answers,
    a_backup_put_back,
    a_backup_put_back_and_released,
    a_day_that_the_backup_forgot,
    held_and_approved,
    held_and_gone,
    held_too_long,
    held_when_a_backup_was_put_back,
    opted_out_since,
    invited_lately,
)
