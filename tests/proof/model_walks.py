"""Sequences that are taken every time: every row of the transition table, and what was thought up.

Each is a test by itself of what its name says; after every step all that must hold is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
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
    Attendance,
)
from tests.proof.model_faults import Death, Trouble
from tests.proof.model_world import DAY
from track_dispatch.ledger.approvals import ApprovalAnswer
from track_dispatch.records import HospitalDay
from track_dispatch.states import LineState, Verb

if TYPE_CHECKING:
    from tests.proof.model_world import World

ASKED, NOBODY = Attendance(), Attendance(contact="none")
OTHER = Attendance(contact="b")
OTHER_DAY = HospitalDay(DAY.hospital, TUESDAY)
ELSEWHERE = HospitalDay(CODES[2], MONDAY)


def walk(new_world: Callable[[], World], taken: Callable[[World], None]) -> None:
    """Take one sequence in a world of its own, to its rest."""
    world = new_world()
    try:
        taken(world)
        world.come_to_rest()
    finally:
        world.close()


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


WALKS: tuple[Callable[[World], None], ...] = (
    an_identity_from_before_a_released_claim,
    corrections_in_the_erp,
    refused_and_mended,
    refused_and_retried,
    refused_mended_and_held,
    moved_to_another_day,
    moved_back_by_a_day_within_one_run,
    moved_while_reopened,
    moved_while_held,
    moved_while_on_the_way,
    a_death_between_reading_and_sending,
    an_empty_erp_view,
    late_entries_in_thousands,
    one_attendance_of_two_hospitals,
    held_and_answered,
    held_until_a_person_says_yes,
    approved_when_it_has_grown_old,
    held_and_gone,
    held_and_released_late,
    a_yes_to_some_does_not_release_others,
    expired_at_night,
    tidied_every_night,
    forgotten,
    lines_come_back_into_a_held_day,
    moved_into_a_held_day,
    left_out_at_the_claim,
    before_the_go_live,
    grown_too_old,
    the_last_day_is_over_when_it_is_claimed,
    an_extraction_too_old_is_read_again,
    judged_under_other_rules,
    old_ones_included,
    opted_out_since,
    an_opt_out_between_two_parts,
    erased_in_every_waiting_state,
    invited_lately_in_another_hospital,
    a_family_with_one_address,
    the_other_visit_comes_back,
    the_budget_is_spent,
    settled_by_people,
    sent_again_on_a_wrong_word,
    decided_too_early,
    decided_by_two_at_once,
    stopped_by_track,
    dead_before_the_answer_is_kept,
    late_answers,
    accepted_after_all,
    claimed_anew_when_the_answer_comes,
    read_ahead_and_corrected,
    another_run_between_transform_and_approval,
    a_backup_put_back,
    a_backup_with_refused_held_and_reopened_lines,
    held_when_a_backup_was_put_back,
    reopened_when_a_standby_took_over,
    a_late_line_of_sunday,
    opted_out_under_a_key_that_goes,
    keys_follow_each_other,
)
