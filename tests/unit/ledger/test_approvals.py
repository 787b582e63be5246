"""A day of an odd volume is held until a person has looked, and only what was counted goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.ledger.reading_steps import (
    DAY,
    DAY_BEFORE,
    OTHER_RUN,
    RUN,
    TERMS,
    invited,
    not_invited,
)
from track_dispatch.config.policies import VolumeGate
from track_dispatch.ledger import schema
from track_dispatch.ledger.approvals import (
    ApprovalAnswer,
    Volume,
    VolumeQuestion,
    answer_question,
    ask_again,
    end_waiting,
    find_anomaly,
    open_questions,
    past_volumes,
    wait_for_answers,
)
from track_dispatch.ledger.views import day_facts
from track_dispatch.states import Reason

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor, HospitalDay

GATE = VolumeGate()
SMALL = VolumeGate(min_lines=2)
#: Of the day's attendances.
FIRST = 101
GATED = replace(TERMS, gate=SMALL)


@pytest.mark.parametrize(
    ("lines", "past", "asks"),
    [
        (100, [100] * 8, False),
        (300, [100] * 8, False),
        (301, [100] * 8, True),
        (30, [100] * 8, False),
        (29, [100] * 8, True),
        (31, [2] * 8, False),  # fifteen times as many, but not thirty away
        (32, [2] * 8, True),
        (0, [25] * 8, False),
        (500, [100] * 3, False),  # too little is known
        (500, [100] * 4, True),
        (500, [], False),
        (130, [100, 100, 1000, 1, 100], False),  # the median, not the mean
    ],
)
def test_a_day_is_odd_when_it_is_far_from_the_median_by_share_and_by_number(
    lines: int, past: list[int], *, asks: bool
) -> None:
    assert (find_anomaly(Volume(lines, lines, 0), past, GATE) is not None) == asks


def test_a_day_that_has_nothing_left_to_send_does_not_ask() -> None:
    assert find_anomaly(Volume(500, 0, 0), [100] * 8, GATE) is None


def with_history(steps: Steps, *volumes: int) -> None:
    """Let the same weekday of the weeks before have had so many lines, all sent."""
    for week, lines in enumerate(volumes, start=1):
        day = DAY._replace(business_day=DAY.business_day - timedelta(weeks=week))
        steps.read(*(invited(week * 1000 + n) for n in range(lines)), day=day)
    steps.leave("accepted", batch="b-0")


def odd_day(steps: Steps, lines: int = 5, actor: Actor = RUN) -> None:
    """Read a day with more lines than usual."""
    steps.read(*(invited(FIRST + n) for n in range(lines)), terms=GATED, actor=actor)


def ours(steps: Steps, day: HospitalDay = DAY) -> list[tuple[str, str | None]]:
    return [line.stands for line in steps.lines() if line.day == day]


def questions(ledger: Ledger, actor: Actor = RUN) -> list[VolumeQuestion]:
    with ledger.reading() as connection:
        return open_questions(connection, hospital=DAY.hospital, run_id=str(actor.run_id))


def answer(
    ledger: Ledger, said: ApprovalAnswer = ApprovalAnswer.APPROVED, actor: Actor = RUN
) -> int:
    """Answer the run's only open question."""
    (question,) = questions(ledger, actor)
    return answer_question(ledger, question, said, decided_by="ana", max_age_hours=36, actor=actor)


def test_an_odd_day_is_held_in_the_transaction_that_found_it(steps: Steps) -> None:
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)

    assert ours(steps) == [("held", None)] * 5
    (question,) = questions(steps.ledger)
    assert question == VolumeQuestion(question.id, DAY, str(RUN.run_id), 5, 5, 1, None)
    assert {line.question for line in steps.lines() if line.day == DAY} == {question.id}
    assert all(line.payload for line in steps.lines() if line.day == DAY)


def test_a_usual_day_passes(steps: Steps) -> None:
    with_history(steps, 3, 3, 3, 3)
    steps.read(*(invited(n) for n in range(1, 4)), terms=GATED)

    assert ours(steps) == [("ready", None)] * 3
    assert questions(steps.ledger) == []


def test_without_a_gate_every_day_passes(steps: Steps) -> None:
    """So it is for a backfill: somebody's will already."""
    with_history(steps, 1, 1, 1, 1)
    steps.read(*(invited(n) for n in range(1, 6)), terms=TERMS)

    assert ours(steps) == [("ready", None)] * 5


def test_excluded_lines_are_neither_counted_nor_held(steps: Steps) -> None:
    with_history(steps, 1, 1, 1, 1)
    excluded = [not_invited(n, Reason.DEATH) for n in range(100, 140)]
    steps.read(invited(1), invited(2), *excluded, terms=GATED)

    assert ours(steps).count(("ready", None)) == 2


def test_the_past_is_what_the_newest_transform_of_each_day_left(steps: Steps) -> None:
    week_before = DAY._replace(business_day=DAY.business_day - timedelta(weeks=1))
    first = steps.read(*(invited(n) for n in range(1, 5)), day=week_before)
    steps.read(*(invited(n) for n in range(1, 8)), day=week_before, actor=OTHER_RUN)
    steps.leave("excluded", reason="contact_cap")
    with steps.ledger.reading() as connection:
        newest = past_volumes(connection, DAY, weeks=8)
    moved = "2999-01-01 00:00:00" + ("+00" if steps.ledger.on_postgresql else ".000000")
    steps.run_sql("update extractions set started_at = :at where id = :id", at=moved, id=first.id)
    with steps.ledger.reading() as connection:
        newest_by_start = past_volumes(connection, DAY, weeks=8)

    assert (newest, newest_by_start) == ([7], [4])


def test_a_weekly_crowd_that_the_cap_excludes_every_time_is_not_odd(steps: Steps) -> None:
    """Past days are counted before the cap, as this one is."""
    with_history(steps, 6, 6, 6, 6)
    steps.leave("excluded", reason="contact_cap")
    odd_day(steps, lines=6)

    assert ours(steps) == [("ready", None)] * 6


# --- answers --------------------------------------------------------------------------------


def test_a_yes_lets_the_lines_go_that_were_counted(steps: Steps) -> None:
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)

    assert answer(steps.ledger) == 5
    assert ours(steps) == [("ready", None)] * 5
    assert all(line.payload for line in steps.lines() if line.day == DAY)
    assert questions(steps.ledger) == []
    assert steps.rows(schema.events)[-1]["actor"] == "ana"


def test_a_yes_lets_nothing_go_that_it_did_not_count(steps: Steps) -> None:
    """Yes to 5 invitations: the 50 of a later reading are another question."""
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)
    (first,) = questions(steps.ledger)
    odd_day(steps, lines=55, actor=OTHER_RUN)

    freed = answer_question(
        steps.ledger, first, ApprovalAnswer.APPROVED, decided_by="ana", max_age_hours=36, actor=RUN
    )
    assert freed == 0
    assert ours(steps) == [("held", None)] * 55
    (second,) = questions(steps.ledger, OTHER_RUN)
    assert second.lines == 55


@pytest.mark.parametrize("said", [ApprovalAnswer.REJECTED, ApprovalAnswer.TIMEOUT])
def test_without_a_yes_the_lines_stay_held(steps: Steps, said: ApprovalAnswer) -> None:
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)

    assert answer(steps.ledger, said) == 0
    assert ours(steps) == [("held", None)] * 5
    (row,) = steps.rows(schema.approvals)
    assert (row["answer"], row["decided_by"]) == (said, "ana")


def test_a_question_is_answered_once(steps: Steps) -> None:
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)
    (question,) = questions(steps.ledger)
    answer(steps.ledger, ApprovalAnswer.REJECTED)

    freed = answer_question(
        steps.ledger,
        question,
        ApprovalAnswer.APPROVED,
        decided_by="rui",
        max_age_hours=36,
        actor=RUN,
    )
    assert freed == 0
    assert steps.rows(schema.approvals)[0]["decided_by"] == "ana"


def test_a_line_read_anew_while_it_is_held_is_let_go_with_its_new_payload(steps: Steps) -> None:
    """By a backfill, which asks nothing."""
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)
    steps.read(*(invited(FIRST + n, setor="NOVO") for n in range(5)), actor=OTHER_RUN)

    assert answer(steps.ledger) == 5
    payloads = [line.payload for line in steps.lines() if line.day == DAY]
    assert all(one and one["setor"] == "NOVO" for one in payloads)


def test_what_is_too_old_to_be_sent_must_be_read_again_after_a_yes(steps: Steps) -> None:
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)
    (question,) = questions(steps.ledger)

    freed = answer_question(
        steps.ledger,
        question,
        ApprovalAnswer.APPROVED,
        decided_by="ana",
        max_age_hours=0,
        actor=RUN,
    )
    assert freed == 5
    assert ours(steps) == [("reopened", None)] * 5
    assert not any(line.payload for line in steps.lines())


def test_what_was_let_go_and_must_be_read_again_is_not_held_again(steps: Steps) -> None:
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)
    answer(steps.ledger)
    leave_day(steps, "reopened")
    odd_day(steps, actor=OTHER_RUN)

    assert ours(steps) == [("ready", None)] * 5


def leave_day(steps: Steps, state: str) -> None:
    for line in steps.lines():
        if line.day == DAY:
            steps.run_sql("update lines set state = :state where id = :id", state=state, id=line.id)


# --- the day read again ---------------------------------------------------------------------


@pytest.mark.parametrize("said", [None, ApprovalAnswer.TIMEOUT, ApprovalAnswer.REJECTED])
@pytest.mark.parametrize("lines", [5, 3])
def test_a_day_without_a_yes_stays_held_whoever_reads_it(
    steps: Steps, said: ApprovalAnswer | None, lines: int
) -> None:
    """Neither a look-back nor another run's dispatch gets by."""
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps, lines=4)
    if said is not None:
        answer(steps.ledger, said)
    odd_day(steps, lines=lines, actor=OTHER_RUN)

    assert ours(steps)[:lines] == [("held", None)] * lines


@pytest.mark.parametrize("said", [None, ApprovalAnswer.TIMEOUT])
def test_a_late_attendance_of_a_day_without_a_yes_is_held_too(
    steps: Steps, said: ApprovalAnswer | None
) -> None:
    """Although the day has a usual volume by now."""
    with_history(steps, 3, 3, 3, 3)
    odd_day(steps, lines=12)
    if said is not None:
        answer(steps.ledger, said)
    steps.read(invited(FIRST), invited(900), terms=GATED, actor=OTHER_RUN)

    assert ours(steps)[-1] == ("held", None)
    assert [question.lines for question in questions(steps.ledger, OTHER_RUN)] == [2]


def test_a_yes_to_about_this_volume_lets_the_day_pass_again(steps: Steps) -> None:
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)
    answer(steps.ledger)
    odd_day(steps, lines=6, actor=OTHER_RUN)

    assert ours(steps) == [("ready", None)] * 6


def test_a_yes_to_a_smaller_volume_does_not_count(steps: Steps) -> None:
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)
    answer(steps.ledger)
    odd_day(steps, lines=7, actor=OTHER_RUN)

    assert ours(steps) == [("held", None)] * 7
    assert [question.lines for question in questions(steps.ledger, OTHER_RUN)] == [7]


def test_a_no_to_about_this_volume_stands_and_nobody_is_asked_again(steps: Steps) -> None:
    """Else the mornings that follow would all wait for the same answer."""
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)
    answer(steps.ledger, ApprovalAnswer.REJECTED)
    odd_day(steps, actor=OTHER_RUN)

    assert questions(steps.ledger, OTHER_RUN) == []
    assert ours(steps) == [("held", None)] * 5


@pytest.mark.parametrize("actor", [RUN, OTHER_RUN], ids=["own_run_again", "other_volume"])
def test_a_rejected_day_is_asked_about_again(steps: Steps, actor: Actor) -> None:
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)
    answer(steps.ledger, ApprovalAnswer.REJECTED)
    odd_day(steps, lines=5 if actor is RUN else 8, actor=actor)

    assert len(questions(steps.ledger, actor)) == 1


@pytest.mark.parametrize("said", [ApprovalAnswer.REJECTED, ApprovalAnswer.TIMEOUT])
def test_a_gate_that_is_cleared_asks_again_about_what_is_held(
    steps: Steps, said: ApprovalAnswer
) -> None:
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)
    answer(steps.ledger, said)

    ask_again(steps.ledger, hospital=DAY.hospital, hours=8, actor=RUN)

    assert [question.lines for question in questions(steps.ledger)] == [5]
    assert answer(steps.ledger) == 5


def test_an_open_question_is_not_asked_twice(steps: Steps) -> None:
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)

    ask_again(steps.ledger, hospital=DAY.hospital, hours=8, actor=RUN)

    assert len(steps.rows(schema.approvals)) == 1


def test_a_question_is_open_for_as_long_as_airflow_waits(steps: Steps) -> None:
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)
    (question,) = questions(steps.ledger)
    asked = open_until(steps)
    wait_for_answers(steps.ledger, [question.id], seconds=2 * asked[1])
    shown = open_until(steps)
    end_waiting(steps.ledger, hospital=DAY.hospital, run_id="another")
    beside = open_until(steps)
    end_waiting(steps.ledger, hospital=DAY.hospital, run_id=question.run_id)

    assert asked == (True, pytest.approx(8 * 3600, abs=60))
    assert shown == beside == (True, pytest.approx(16 * 3600, abs=60))
    assert open_until(steps) == (False, pytest.approx(0, abs=60))


def open_until(steps: Steps) -> tuple[bool, float]:
    """Return whether the only question is open, and for how many seconds it was to be."""
    (row,) = steps.rows(schema.approvals)
    with steps.ledger.reading() as connection:
        asked = day_facts(connection, [DAY])[DAY].question
    seconds = (row.open_until - row.asked_at).total_seconds()
    return asked is not None and asked.open_until is not None, seconds


def test_nobody_is_asked_again_about_what_was_let_go_or_another_run_asks_about(
    steps: Steps,
) -> None:
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)
    answer(steps.ledger, ApprovalAnswer.TIMEOUT)
    odd_day(steps, actor=OTHER_RUN)
    answer(steps.ledger, ApprovalAnswer.APPROVED, actor=OTHER_RUN)

    ask_again(steps.ledger, hospital=DAY.hospital, hours=8, actor=RUN)
    ask_again(steps.ledger, hospital=DAY.hospital, hours=8, actor=OTHER_RUN)

    assert questions(steps.ledger) == questions(steps.ledger, OTHER_RUN) == []


def test_a_day_whose_volume_is_mended_asks_about_what_is_still_held(steps: Steps) -> None:
    """Held lines wait for a person, also when the day is no longer odd."""
    with_history(steps, 3, 3, 3, 3)
    odd_day(steps, lines=12)
    answer(steps.ledger, ApprovalAnswer.TIMEOUT)
    odd_day(steps, lines=3, actor=OTHER_RUN)

    assert ours(steps)[:3] == [("held", None)] * 3
    assert [question.lines for question in questions(steps.ledger, OTHER_RUN)] == [3]


def test_a_line_that_moved_here_while_it_was_held_is_in_the_question(steps: Steps) -> None:
    steps.read(invited(1), day=DAY_BEFORE)
    steps.leave("held", batch=None)
    steps.read(invited(1), invited(2), terms=GATED, actor=OTHER_RUN)

    assert ours(steps) == [("held", None), ("ready", None)]
    assert answer(steps.ledger, actor=OTHER_RUN) == 1
    assert ours(steps) == [("ready", None)] * 2


def test_a_wrong_query_that_brings_late_lines_for_earlier_days_is_held(steps: Steps) -> None:
    """The days before were usual, and sent, when thousands more turn up in a look-back."""
    with_history(steps, 3, 3, 3, 3)
    odd_day(steps, lines=3)
    steps.leave("accepted")
    odd_day(steps, lines=40, actor=OTHER_RUN)

    assert ours(steps).count(("accepted", None)) == 3
    assert ours(steps).count(("held", None)) == 37


def test_each_held_day_of_a_run_has_its_question(steps: Steps) -> None:
    other = GATED
    with_history(steps, 1, 1, 1, 1)
    for week in range(1, 5):
        day = DAY_BEFORE._replace(business_day=DAY_BEFORE.business_day - timedelta(weeks=week))
        steps.read(invited(week * 1000 + 900), day=day)
    steps.leave("accepted")
    own, before = [invited(n) for n in range(1, 6)], [invited(n) for n in range(11, 18)]
    steps.transform(
        (steps.extract(*own), own),
        (steps.extract(*before, day=DAY_BEFORE), before),
        terms=other,
    )

    assert [(question.day, question.lines) for question in questions(steps.ledger)] == [
        (DAY_BEFORE, 7),
        (DAY, 5),
    ]


def test_the_events_of_a_held_day_tell_both_steps(steps: Steps) -> None:
    with_history(steps, 1, 1, 1, 1)
    odd_day(steps)

    assert steps.events()[-2:] == [
        ("found", "ready", None, 5),
        ("reevaluated", "held", None, 5),
    ]
    assert len(steps.stands()) == 9
