"""A day whose number of invitations is odd waits for a person, and only for one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.delivery.bench import DAY, HOSPITAL, UNIT
from track_dispatch.config.policies import VolumeGate
from track_dispatch.delivery.splitting import Tally
from track_dispatch.ledger.approvals import Answer, Volume
from track_dispatch.ledger.deciding import release_day
from track_dispatch.pipeline.gating import hold_odd_day, odd_volume, open_question, take_answer
from track_dispatch.pipeline.reporting import report
from track_dispatch.pipeline.run import Run
from track_dispatch.records import Actor, Decision, Verb

if TYPE_CHECKING:
    from tests.unit.delivery.bench import Bench
    from track_dispatch.pipeline.gating import Oddity

GATE = VolumeGate()
SMALL = VolumeGate(min_lines=2)


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
    assert (odd_volume(Volume(lines, lines), past, GATE) is not None) == asks


def test_a_day_that_has_nothing_left_to_send_does_not_ask() -> None:
    assert odd_volume(Volume(500, 0), [100] * 8, GATE) is None


def run_of(bench: Bench, name: str = "run-1") -> Run:
    hospital = HOSPITAL.model_copy(update={"volume_gate": SMALL, **bench.settings})
    return Run(hospital, DAY, Actor("volume_gate", run_id=name, try_number=1))


def with_history(bench: Bench, *, lines: int, weeks: int = 4) -> None:
    """Let the same weekday of the weeks before have had so many lines, all sent."""
    for week in range(1, weeks + 1):
        day = DAY - timedelta(weeks=week)
        bench.fill(lines, unit=UNIT)
        bench.execute(f"update lines set business_day = '{day}' where business_day = '{DAY}'")
        bench.execute(f"update extractions set business_day = '{day}' where business_day = '{DAY}'")
    bench.execute("update lines set state = 'accepted', payload = null")


def hold(bench: Bench, name: str = "run-1", *, is_backfill: bool = False) -> Oddity | None:
    return hold_odd_day(run_of(bench, name), ledger=bench.ledger, is_backfill=is_backfill)


def test_an_odd_day_is_held_before_anybody_is_asked(bench: Bench) -> None:
    with_history(bench, lines=1)
    bench.fill(5)

    odd = hold(bench)

    assert odd is not None
    assert (odd.lines, odd.usual) == (5, 1)
    assert "**5**" in odd.text()
    assert bench.counts()["held approval"] == 5
    assert bench.dispatch() == Tally()
    assert open_question(run_of(bench), ledger=bench.ledger) is not None


def test_a_usual_day_passes(bench: Bench) -> None:
    with_history(bench, lines=3)
    bench.fill(3)

    assert hold(bench) is None
    assert bench.counts() == {"accepted": 12, "ready": 3}


def test_a_backfill_passes_unless_the_policy_says_otherwise(bench: Bench) -> None:
    with_history(bench, lines=1)
    bench.fill(5)
    passed = hold(bench, is_backfill=True)
    bench.settings["volume_gate"] = SMALL.model_copy(update={"backfills": True})

    assert passed is None
    assert hold(bench, is_backfill=True) is not None


def test_without_a_gate_every_day_passes(bench: Bench) -> None:
    with_history(bench, lines=1)
    bench.fill(5)
    bench.settings["volume_gate"] = None

    assert hold(bench) is None


@pytest.mark.parametrize(
    ("answer", "fate", "red"),
    [(Answer.APPROVED, "ready", True), (Answer.REJECTED, "held approval", False)],
)
def test_a_person_answers(bench: Bench, answer: Answer, fate: str, *, red: bool) -> None:
    """Approved lines are ready, and so the report is red until they are sent."""
    with_history(bench, lines=1)
    bench.fill(5)
    hold(bench)

    moved = take_answer(run_of(bench), answer, ledger=bench.ledger, person="ana")
    bench.execute("update extractions set run_id = 'run-1'")

    assert moved == (5 if answer is Answer.APPROVED else 0)
    assert bench.counts()[fate] == 5
    assert bool(report(run_of(bench), ledger=bench.ledger).problems) == red


def test_silence_is_no_persons_no(bench: Bench) -> None:
    with_history(bench, lines=1)
    bench.fill(5)
    hold(bench)
    take_answer(run_of(bench), Answer.TIMEOUT, ledger=bench.ledger, person=None)
    bench.execute("update extractions set run_id = 'run-1'")

    (problem,) = report(run_of(bench), ledger=bench.ledger).problems
    assert "ninguém respondeu" in problem
    assert bench.counts()["held approval"] == 5


def test_an_answer_counts_once(bench: Bench) -> None:
    with_history(bench, lines=1)
    bench.fill(5)
    hold(bench)
    take_answer(run_of(bench), Answer.REJECTED, ledger=bench.ledger, person="ana")

    assert take_answer(run_of(bench), Answer.APPROVED, ledger=bench.ledger, person="rui") == 0
    assert bench.counts()["held approval"] == 5


def test_a_rejected_day_measures_the_same_when_it_is_asked_again_and_may_be_approved(
    bench: Bench,
) -> None:
    with_history(bench, lines=1)
    bench.fill(5)
    hold(bench)
    take_answer(run_of(bench), Answer.REJECTED, ledger=bench.ledger, person="ana")

    again = hold(bench)
    take_answer(run_of(bench), Answer.APPROVED, ledger=bench.ledger, person="ana")

    assert again is not None
    assert again.lines == 5
    assert bench.dispatch() == Tally(accepted=5)


def test_a_rejected_day_can_be_released(bench: Bench) -> None:
    with_history(bench, lines=1)
    bench.fill(5)
    hold(bench)
    release = Decision(Verb.RELEASE, person="ana", why="conferido")

    assert release_day(bench.ledger, hospital="HMS", business_day=DAY, decision=release) == 5
    assert bench.counts()["ready"] == 5


def test_an_empty_day_that_never_was_empty_is_red(bench: Bench) -> None:
    with_history(bench, lines=7)
    bench.fill(0)
    bench.execute("update extractions set run_id = 'run-1'")

    assert report(run_of(bench), ledger=bench.ledger).problems == (
        "0 atendimentos, usual 7: ERP ou SQL?",
    )


def test_an_empty_day_with_little_to_compare_is_green(bench: Bench) -> None:
    with_history(bench, lines=7, weeks=3)
    bench.fill(0)
    bench.execute("update extractions set run_id = 'run-1'")

    assert report(run_of(bench), ledger=bench.ledger).problems == ()
