"""A day of an odd volume is held until a person has looked, and only what was counted goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from reading_steps import (
    DAY,
    DAY_BEFORE,
    OTHER_RUN,
    RUN,
    TERMS,
    apply,
    change,
    events_of,
    invited,
    leave,
    lines_of,
    not_invited,
    read_day,
    rows_of,
    stage,
    stands,
)

from track_dispatch.config.policies import VolumeGate
from track_dispatch.ledger import schema
from track_dispatch.ledger.approvals import (
    ApprovalAnswer,
    Volume,
    VolumeQuestion,
    answer_question,
    ask_again,
    find_anomaly,
    open_questions,
    past_volumes,
)
from track_dispatch.states import Reason

if TYPE_CHECKING:
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


def with_history(ledger: Ledger, *volumes: int) -> None:
    """Let the same weekday of the weeks before have had so many lines, all sent."""
    for week, lines in enumerate(volumes, start=1):
        day = DAY._replace(business_day=DAY.business_day - timedelta(weeks=week))
        read_day(ledger, *(invited(week * 1000 + n) for n in range(lines)), day=day)
    leave(ledger, "accepted", batch="b-0")


def odd_day(ledger: Ledger, lines: int = 5, actor: Actor = RUN) -> None:
    """Read a day with more lines than usual."""
    read_day(ledger, *(invited(FIRST + n) for n in range(lines)), terms=GATED, actor=actor)


def ours(ledger: Ledger, day: HospitalDay = DAY) -> list[tuple[str, str | None]]:
    return [line.stands for line in lines_of(ledger) if line.day == day]


def questions(ledger: Ledger, actor: Actor = RUN) -> list[VolumeQuestion]:
    with ledger.reading() as connection:
        return open_questions(connection, hospital=DAY.hospital, run_id=str(actor.run_id))


def answer(
    ledger: Ledger, said: ApprovalAnswer = ApprovalAnswer.APPROVED, actor: Actor = RUN
) -> int:
    """Answer the run's only open question."""
    (question,) = questions(ledger, actor)
    return answer_question(ledger, question, said, decided_by="ana", max_age_hours=36, actor=actor)


def test_an_odd_day_is_held_in_the_transaction_that_found_it(ledger: Ledger) -> None:
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)

    assert ours(ledger) == [("held", None)] * 5
    (question,) = questions(ledger)
    assert question == VolumeQuestion(question.id, DAY, str(RUN.run_id), 5, 5, 1, None)
    assert {line.question for line in lines_of(ledger) if line.day == DAY} == {question.id}
    assert all(line.payload for line in lines_of(ledger) if line.day == DAY)


def test_a_usual_day_passes(ledger: Ledger) -> None:
    with_history(ledger, 3, 3, 3, 3)
    read_day(ledger, *(invited(n) for n in range(1, 4)), terms=GATED)

    assert ours(ledger) == [("ready", None)] * 3
    assert questions(ledger) == []


def test_without_a_gate_every_day_passes(ledger: Ledger) -> None:
    """So it is for a backfill: somebody's will already."""
    with_history(ledger, 1, 1, 1, 1)
    read_day(ledger, *(invited(n) for n in range(1, 6)), terms=TERMS)

    assert ours(ledger) == [("ready", None)] * 5


def test_excluded_lines_are_neither_counted_nor_held(ledger: Ledger) -> None:
    with_history(ledger, 1, 1, 1, 1)
    excluded = [not_invited(n, Reason.DEATH) for n in range(100, 140)]
    read_day(ledger, invited(1), invited(2), *excluded, terms=GATED)

    assert ours(ledger).count(("ready", None)) == 2


def test_the_past_is_what_the_newest_transform_of_each_day_left(ledger: Ledger) -> None:
    week_before = DAY._replace(business_day=DAY.business_day - timedelta(weeks=1))
    first = read_day(ledger, *(invited(n) for n in range(1, 5)), day=week_before)
    read_day(ledger, *(invited(n) for n in range(1, 8)), day=week_before, actor=OTHER_RUN)
    leave(ledger, "excluded", reason="contact_cap")
    with ledger.reading() as connection:
        newest = past_volumes(connection, DAY, weeks=8)
    moved = "2999-01-01 00:00:00" + ("+00" if ledger.on_postgresql else ".000000")
    change(ledger, "update extractions set started_at = :at where id = :id", at=moved, id=first.id)
    with ledger.reading() as connection:
        newest_by_start = past_volumes(connection, DAY, weeks=8)

    assert (newest, newest_by_start) == ([7], [4])


def test_a_weekly_crowd_that_the_cap_excludes_every_time_is_not_odd(ledger: Ledger) -> None:
    """Past days are counted before the cap, as this one is."""
    with_history(ledger, 6, 6, 6, 6)
    leave(ledger, "excluded", reason="contact_cap")
    odd_day(ledger, lines=6)

    assert ours(ledger) == [("ready", None)] * 6


# --- answers --------------------------------------------------------------------------------


def test_a_yes_lets_the_lines_go_that_were_counted(ledger: Ledger) -> None:
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)

    assert answer(ledger) == 5
    assert ours(ledger) == [("ready", None)] * 5
    assert all(line.payload for line in lines_of(ledger) if line.day == DAY)
    assert questions(ledger) == []
    assert rows_of(ledger, schema.events)[-1]["actor"] == "ana"


def test_a_yes_lets_nothing_go_that_it_did_not_count(ledger: Ledger) -> None:
    """Yes to 5 invitations: the 50 of a later reading are another question."""
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)
    (first,) = questions(ledger)
    odd_day(ledger, lines=55, actor=OTHER_RUN)

    freed = answer_question(
        ledger, first, ApprovalAnswer.APPROVED, decided_by="ana", max_age_hours=36, actor=RUN
    )
    assert freed == 0
    assert ours(ledger) == [("held", None)] * 55
    (second,) = questions(ledger, OTHER_RUN)
    assert second.lines == 55


@pytest.mark.parametrize("said", [ApprovalAnswer.REJECTED, ApprovalAnswer.TIMEOUT])
def test_without_a_yes_the_lines_stay_held(ledger: Ledger, said: ApprovalAnswer) -> None:
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)

    assert answer(ledger, said) == 0
    assert ours(ledger) == [("held", None)] * 5
    (row,) = rows_of(ledger, schema.approvals)
    assert (row["answer"], row["decided_by"]) == (said, "ana")


def test_a_question_is_answered_once(ledger: Ledger) -> None:
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)
    (question,) = questions(ledger)
    answer(ledger, ApprovalAnswer.REJECTED)

    freed = answer_question(
        ledger, question, ApprovalAnswer.APPROVED, decided_by="rui", max_age_hours=36, actor=RUN
    )
    assert freed == 0
    assert rows_of(ledger, schema.approvals)[0]["decided_by"] == "ana"


def test_a_line_read_anew_while_it_is_held_is_let_go_with_its_new_payload(ledger: Ledger) -> None:
    """By a backfill, which asks nothing."""
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)
    read_day(ledger, *(invited(FIRST + n, setor="NOVO") for n in range(5)), actor=OTHER_RUN)

    assert answer(ledger) == 5
    payloads = [line.payload for line in lines_of(ledger) if line.day == DAY]
    assert all(one and one["setor"] == "NOVO" for one in payloads)


def test_what_is_too_old_to_be_sent_must_be_read_again_after_a_yes(ledger: Ledger) -> None:
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)
    (question,) = questions(ledger)

    freed = answer_question(
        ledger, question, ApprovalAnswer.APPROVED, decided_by="ana", max_age_hours=0, actor=RUN
    )
    assert freed == 5
    assert ours(ledger) == [("reopened", None)] * 5
    assert not any(line.payload for line in lines_of(ledger))


def test_what_was_let_go_and_must_be_read_again_is_not_held_again(ledger: Ledger) -> None:
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)
    answer(ledger)
    leave_day(ledger, "reopened")
    odd_day(ledger, actor=OTHER_RUN)

    assert ours(ledger) == [("ready", None)] * 5


def leave_day(ledger: Ledger, state: str) -> None:
    for line in lines_of(ledger):
        if line.day == DAY:
            change(
                ledger, "update lines set state = :state where id = :id", state=state, id=line.id
            )


# --- the day read again ---------------------------------------------------------------------


@pytest.mark.parametrize("said", [None, ApprovalAnswer.TIMEOUT, ApprovalAnswer.REJECTED])
@pytest.mark.parametrize("lines", [5, 3])
def test_a_day_without_a_yes_stays_held_whoever_reads_it(
    ledger: Ledger, said: ApprovalAnswer | None, lines: int
) -> None:
    """Neither a look-back nor another run's dispatch gets by."""
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger, lines=4)
    if said is not None:
        answer(ledger, said)
    odd_day(ledger, lines=lines, actor=OTHER_RUN)

    assert ours(ledger)[:lines] == [("held", None)] * lines


@pytest.mark.parametrize("said", [None, ApprovalAnswer.TIMEOUT])
def test_a_late_attendance_of_a_day_without_a_yes_is_held_too(
    ledger: Ledger, said: ApprovalAnswer | None
) -> None:
    """Although the day has a usual volume by now."""
    with_history(ledger, 3, 3, 3, 3)
    odd_day(ledger, lines=12)
    if said is not None:
        answer(ledger, said)
    read_day(ledger, invited(FIRST), invited(900), terms=GATED, actor=OTHER_RUN)

    assert ours(ledger)[-1] == ("held", None)
    assert [question.lines for question in questions(ledger, OTHER_RUN)] == [2]


def test_a_yes_to_about_this_volume_lets_the_day_pass_again(ledger: Ledger) -> None:
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)
    answer(ledger)
    odd_day(ledger, lines=6, actor=OTHER_RUN)

    assert ours(ledger) == [("ready", None)] * 6


def test_a_yes_to_a_smaller_volume_does_not_count(ledger: Ledger) -> None:
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)
    answer(ledger)
    odd_day(ledger, lines=7, actor=OTHER_RUN)

    assert ours(ledger) == [("held", None)] * 7
    assert [question.lines for question in questions(ledger, OTHER_RUN)] == [7]


def test_a_no_to_about_this_volume_stands_and_nobody_is_asked_again(ledger: Ledger) -> None:
    """Else the mornings that follow would all wait for the same answer."""
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)
    answer(ledger, ApprovalAnswer.REJECTED)
    odd_day(ledger, actor=OTHER_RUN)

    assert questions(ledger, OTHER_RUN) == []
    assert ours(ledger) == [("held", None)] * 5


@pytest.mark.parametrize("actor", [RUN, OTHER_RUN], ids=["own_run_again", "other_volume"])
def test_a_rejected_day_is_asked_about_again(ledger: Ledger, actor: Actor) -> None:
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)
    answer(ledger, ApprovalAnswer.REJECTED)
    odd_day(ledger, lines=5 if actor is RUN else 8, actor=actor)

    assert len(questions(ledger, actor)) == 1


@pytest.mark.parametrize("said", [ApprovalAnswer.REJECTED, ApprovalAnswer.TIMEOUT])
def test_a_gate_that_is_cleared_asks_again_about_what_is_held(
    ledger: Ledger, said: ApprovalAnswer
) -> None:
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)
    answer(ledger, said)

    ask_again(ledger, hospital=DAY.hospital, actor=RUN)

    assert [question.lines for question in questions(ledger)] == [5]
    assert answer(ledger) == 5


def test_an_open_question_is_not_asked_twice(ledger: Ledger) -> None:
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)

    ask_again(ledger, hospital=DAY.hospital, actor=RUN)

    assert len(rows_of(ledger, schema.approvals)) == 1


def test_nobody_is_asked_again_about_what_was_let_go_or_another_run_asks_about(
    ledger: Ledger,
) -> None:
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)
    answer(ledger, ApprovalAnswer.TIMEOUT)
    odd_day(ledger, actor=OTHER_RUN)
    answer(ledger, ApprovalAnswer.APPROVED, actor=OTHER_RUN)

    ask_again(ledger, hospital=DAY.hospital, actor=RUN)
    ask_again(ledger, hospital=DAY.hospital, actor=OTHER_RUN)

    assert questions(ledger) == questions(ledger, OTHER_RUN) == []


def test_a_day_whose_volume_is_mended_asks_about_what_is_still_held(ledger: Ledger) -> None:
    """Held lines wait for a person, also when the day is no longer odd."""
    with_history(ledger, 3, 3, 3, 3)
    odd_day(ledger, lines=12)
    answer(ledger, ApprovalAnswer.TIMEOUT)
    odd_day(ledger, lines=3, actor=OTHER_RUN)

    assert ours(ledger)[:3] == [("held", None)] * 3
    assert [question.lines for question in questions(ledger, OTHER_RUN)] == [3]


def test_a_line_that_moved_here_while_it_was_held_is_in_the_question(ledger: Ledger) -> None:
    read_day(ledger, invited(1), day=DAY_BEFORE)
    leave(ledger, "held", batch=None)
    read_day(ledger, invited(1), invited(2), terms=GATED, actor=OTHER_RUN)

    assert ours(ledger) == [("held", None), ("ready", None)]
    assert answer(ledger, actor=OTHER_RUN) == 1
    assert ours(ledger) == [("ready", None)] * 2


def test_a_wrong_query_that_brings_late_lines_for_earlier_days_is_held(ledger: Ledger) -> None:
    """The days before were usual, and sent, when thousands more turn up in a look-back."""
    with_history(ledger, 3, 3, 3, 3)
    odd_day(ledger, lines=3)
    leave(ledger, "accepted")
    odd_day(ledger, lines=40, actor=OTHER_RUN)

    assert ours(ledger).count(("accepted", None)) == 3
    assert ours(ledger).count(("held", None)) == 37


def test_each_held_day_of_a_run_has_its_question(ledger: Ledger) -> None:
    other = GATED
    with_history(ledger, 1, 1, 1, 1)
    for week in range(1, 5):
        day = DAY_BEFORE._replace(business_day=DAY_BEFORE.business_day - timedelta(weeks=week))
        read_day(ledger, invited(week * 1000 + 900), day=day)
    leave(ledger, "accepted")
    own, before = [invited(n) for n in range(1, 6)], [invited(n) for n in range(11, 18)]
    apply(
        ledger,
        (stage(ledger, *own), own),
        (stage(ledger, *before, day=DAY_BEFORE), before),
        terms=other,
    )

    assert [(question.day, question.lines) for question in questions(ledger)] == [
        (DAY_BEFORE, 7),
        (DAY, 5),
    ]


def test_the_events_of_a_held_day_tell_both_steps(ledger: Ledger) -> None:
    with_history(ledger, 1, 1, 1, 1)
    odd_day(ledger)

    assert events_of(ledger)[-2:] == [
        ("found", "ready", None, 5),
        ("reevaluated", "held", None, 5),
    ]
    assert len(stands(ledger)) == 9
