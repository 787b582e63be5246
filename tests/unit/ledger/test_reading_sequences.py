"""Readings, claims, answers and nights one after the other, as a week at a hospital brings them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from tests.unit.ledger.claim_steps import TERMS as CLAIM_TERMS
from tests.unit.ledger.reading_steps import (
    DAY,
    DAY_BEFORE,
    OTHER_RUN,
    RUN,
    TERMS,
    TODAY,
    invited,
    not_invited,
)
from track_dispatch.config.policies import VolumeGate
from track_dispatch.ledger.claims import Hindrance, NotClaimed
from track_dispatch.ledger.retention import expire_past
from track_dispatch.ledger.schema import PLACES
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.records import Area
from track_dispatch.states import BatchState, Reason, Refusal

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.batches import Batch

OTHER_TERMS = replace(CLAIM_TERMS, survey="5a0c0f0e-0000-4000-8000-000000000009")
THIRD = replace(RUN, run_id="manual__3")
SAME = "52998224725"


def sent(steps: Steps) -> Batch:
    """Claim the envelope of the first line that is ready."""
    line = next(line for line in steps.lines() if line.state == "ready")
    return steps.claim(line.address // PLACES, terms=CLAIM_TERMS)


def test_a_line_moved_to_another_day_while_it_was_sending_is_asked_there_after_a_429(
    steps: Steps,
) -> None:
    steps.read(invited(1))
    batch = sent(steps)
    steps.read_days({DAY: [], DAY_BEFORE: [invited(1)]}, actor=OTHER_RUN)
    sending = steps.line()
    released = Settlement(
        batch, released=batch.places, status=429, batch_state=BatchState.NOT_DELIVERED
    )
    settle(steps.ledger, released, actor=RUN)
    waiting = steps.line()
    steps.read_days({DAY: [], DAY_BEFORE: [invited(1)]}, actor=THIRD)

    assert (sending.day, sending.state) == (DAY, "sending")
    assert (waiting.day, waiting.state) == (DAY, "reopened")
    assert (steps.line().day, steps.line().state) == (DAY_BEFORE, "ready")
    assert len(sent(steps).lines) == 1


def test_the_other_attendance_of_a_person_is_asked_when_the_chosen_one_is_refused(
    steps: Steps,
) -> None:
    both = invited(1, Area.ONCOLOGIA, person=SAME), invited(2, Area.EXAMES, person=SAME)
    steps.read(*both)
    batch = sent(steps)
    refused = Settlement(
        batch, refused=dict.fromkeys(batch.places, "invalid_email"), refusal=Refusal.BY_STATUS
    )
    settle(steps.ledger, refused, actor=RUN)
    came_back = steps.stands()
    steps.read(*both, actor=OTHER_RUN)

    assert came_back == [("refused", "refused_4xx"), ("reopened", None)]
    assert steps.stands() == [("refused", "refused_4xx"), ("ready", None)]
    assert sent(steps).lines[0].attendance_id == "2"


def test_who_stood_back_for_a_line_that_was_never_sent_comes_back_when_it_is_excluded(
    steps: Steps,
) -> None:
    """Claimed, so that another hospital's patient was capped; released; then the ERP says death."""
    other = DAY._replace(hospital="HMSM")
    steps.read(invited(1, email="same@example.test"))
    batch = sent(steps)
    steps.read(invited(2, email="same@example.test"), day=other, source="hmsm")
    capped = steps.try_claim(steps.lines()[1].address // PLACES, terms=OTHER_TERMS)
    settle(
        steps.ledger,
        Settlement(batch, released=batch.places, batch_state=BatchState.NOT_DELIVERED),
        actor=RUN,
    )
    before = steps.stands()
    steps.read(not_invited(1, Reason.DEATH), actor=THIRD)

    assert isinstance(capped, NotClaimed)
    assert before[1] == ("excluded", "contact_cap")
    assert steps.stands() == [("excluded", "death"), ("reopened", None)]


def test_who_came_back_stands_back_again_while_another_one_waits(steps: Steps) -> None:
    """Three attendances: the best one ends, the second takes its place, the third stays."""
    three = [
        invited(n, area, person=SAME)
        for n, area in enumerate((Area.ONCOLOGIA, Area.EXAMES, Area.AMBULATORIO), start=1)
    ]
    steps.read(*three)
    steps.read(not_invited(1, Reason.DEATH), *three[1:], actor=OTHER_RUN)

    assert steps.stands() == [
        ("excluded", "death"),
        ("ready", None),
        ("excluded", "same_person"),
    ]


def test_a_persons_wish_for_old_ones_outlives_a_normal_reading_and_the_night(
    steps: Steps,
) -> None:
    old = replace(TERMS, ask_until=TODAY - timedelta(days=1))
    steps.read(invited(1), terms=old)
    excluded = steps.stands()
    steps.read(
        invited(1),
        terms=replace(TERMS, ask_until=TODAY + timedelta(days=15)),
        actor=OTHER_RUN,
    )
    steps.read(invited(1), terms=old, actor=THIRD)
    expired = expire_past(steps.ledger, hospital="HMS", today=TODAY, actor=RUN)

    assert (excluded, expired) == ([("excluded", "too_old")], 0)
    assert len(sent(steps).lines) == 1


def test_another_runs_dispatch_finds_nothing_of_a_day_that_waits_for_its_approval(
    steps: Steps,
) -> None:
    for week in range(1, 5):
        past = DAY._replace(business_day=DAY.business_day - timedelta(weeks=week))
        steps.read(not_invited(week), day=past)
    gated = replace(TERMS, gate=VolumeGate(min_lines=2))
    steps.read(*(invited(n) for n in range(10, 15)), terms=gated)

    held = next(line for line in steps.lines() if line.state == "held")
    found = steps.try_claim(held.address // PLACES, terms=CLAIM_TERMS)
    assert isinstance(found, NotClaimed)
    assert found.why is Hindrance.NOTHING_READY


def test_a_held_day_whose_query_was_mended_goes_out_as_it_is_read_now(steps: Steps) -> None:
    """Not to the dead, not to the old address, not under the old area."""
    gated = replace(TERMS, gate=VolumeGate(min_lines=2, min_history_days=1))
    past = DAY._replace(business_day=DAY.business_day - timedelta(weeks=1))
    steps.read(not_invited(99), day=past)
    steps.read(*(invited(n) for n in range(1, 5)), terms=gated)
    mended = [
        not_invited(1, Reason.DEATH),
        invited(2, email="new@example.test"),
        invited(3, Area.EXAMES),
        invited(4),
    ]
    steps.read(*mended, terms=gated, actor=OTHER_RUN)

    lines = [line for line in steps.lines() if line.day == DAY]
    assert [line.state for line in lines] == ["excluded", "held", "held", "held"]
    assert [line.payload and line.payload["email"] for line in lines] == [
        None,
        "new@example.test",
        "p3@example.test",
        "p4@example.test",
    ]
    assert lines[2].area == "EXAMES"


def test_a_claim_judges_by_the_limit_of_the_day_a_line_has_moved_to(steps: Steps) -> None:
    steps.read(invited(1))
    later = DAY._replace(business_day=date(2026, 3, 20))
    steps.read(
        invited(1),
        day=later,
        terms=replace(TERMS, ask_until=date(2026, 4, 4)),
        actor=OTHER_RUN,
    )

    may_go = replace(CLAIM_TERMS, today=date(2026, 4, 1))
    batch = steps.claim(steps.line().address // PLACES, terms=may_go)
    assert (batch.unit.business_day, len(batch.lines)) == (date(2026, 3, 20), 1)
