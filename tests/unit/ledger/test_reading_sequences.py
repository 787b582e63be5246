"""Readings, claims, answers and nights one after the other, as a week at a hospital brings them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from ledger_rig import TERMS as CLAIM_TERMS
from ledger_rig import claim, try_claim
from reading_steps import (
    DAY,
    DAY_BEFORE,
    OTHER_RUN,
    RUN,
    TERMS,
    TODAY,
    invited,
    line_of,
    lines_of,
    not_invited,
    read_day,
    read_days,
    stands,
)

from track_dispatch.config.policies import VolumeGate
from track_dispatch.ledger.claims import Hindrance, NotClaimed
from track_dispatch.ledger.retention import expire_past
from track_dispatch.ledger.schema import PLACES
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.records import Area
from track_dispatch.states import BatchState, Reason, Refusal

if TYPE_CHECKING:
    from track_dispatch.ledger.batches import Batch
    from track_dispatch.ledger.database import Ledger

OTHER_TERMS = replace(CLAIM_TERMS, survey="5a0c0f0e-0000-4000-8000-000000000009")
THIRD = replace(RUN, run_id="manual__3")
SAME = "52998224725"


def sent(ledger: Ledger) -> Batch:
    """Claim the envelope of the first line that is ready."""
    line = next(line for line in lines_of(ledger) if line.state == "ready")
    return claim(ledger, line.address // PLACES, terms=CLAIM_TERMS)


def test_a_line_moved_to_another_day_while_it_was_sending_is_asked_there_after_a_429(
    ledger: Ledger,
) -> None:
    read_day(ledger, invited(1))
    batch = sent(ledger)
    read_days(ledger, {DAY: [], DAY_BEFORE: [invited(1)]}, actor=OTHER_RUN)
    sending = line_of(ledger)
    released = Settlement(
        batch, released=batch.places, status=429, batch_state=BatchState.NOT_DELIVERED
    )
    settle(ledger, released, actor=RUN)
    waiting = line_of(ledger)
    read_days(ledger, {DAY: [], DAY_BEFORE: [invited(1)]}, actor=THIRD)

    assert (sending.day, sending.state) == (DAY, "sending")
    assert (waiting.day, waiting.state) == (DAY, "reopened")
    assert (line_of(ledger).day, line_of(ledger).state) == (DAY_BEFORE, "ready")
    assert len(sent(ledger).lines) == 1


def test_the_other_attendance_of_a_person_is_asked_when_the_chosen_one_is_refused(
    ledger: Ledger,
) -> None:
    both = invited(1, Area.ONCOLOGIA, person=SAME), invited(2, Area.EXAMES, person=SAME)
    read_day(ledger, *both)
    batch = sent(ledger)
    refused = Settlement(
        batch, refused=dict.fromkeys(batch.places, "invalid_email"), refusal=Refusal.BY_STATUS
    )
    settle(ledger, refused, actor=RUN)
    came_back = stands(ledger)
    read_day(ledger, *both, actor=OTHER_RUN)

    assert came_back == [("refused", "refused_4xx"), ("reopened", None)]
    assert stands(ledger) == [("refused", "refused_4xx"), ("ready", None)]
    assert sent(ledger).lines[0].attendance_id == "2"


def test_who_stood_back_for_a_line_that_was_never_sent_comes_back_when_it_is_excluded(
    ledger: Ledger,
) -> None:
    """Claimed, so that another hospital's patient was capped; released; then the ERP says death."""
    other = DAY._replace(hospital="HMSM")
    read_day(ledger, invited(1, email="same@example.test"))
    batch = sent(ledger)
    read_day(ledger, invited(2, email="same@example.test"), day=other, source="hmsm")
    capped = try_claim(ledger, lines_of(ledger)[1].address // PLACES, terms=OTHER_TERMS)
    settle(
        ledger,
        Settlement(batch, released=batch.places, batch_state=BatchState.NOT_DELIVERED),
        actor=RUN,
    )
    before = stands(ledger)
    read_day(ledger, not_invited(1, Reason.DEATH), actor=THIRD)

    assert isinstance(capped, NotClaimed)
    assert before[1] == ("excluded", "contact_cap")
    assert stands(ledger) == [("excluded", "death"), ("reopened", None)]


def test_who_came_back_stands_back_again_while_another_one_waits(ledger: Ledger) -> None:
    """Three attendances: the best one ends, the second takes its place, the third stays."""
    three = [
        invited(n, area, person=SAME)
        for n, area in enumerate((Area.ONCOLOGIA, Area.EXAMES, Area.AMBULATORIO), start=1)
    ]
    read_day(ledger, *three)
    read_day(ledger, not_invited(1, Reason.DEATH), *three[1:], actor=OTHER_RUN)

    assert stands(ledger) == [
        ("excluded", "death"),
        ("ready", None),
        ("excluded", "same_person"),
    ]


def test_a_persons_wish_for_old_ones_outlives_a_normal_reading_and_the_night(
    ledger: Ledger,
) -> None:
    old = replace(TERMS, ask_until=TODAY - timedelta(days=1))
    read_day(ledger, invited(1), terms=old)
    excluded = stands(ledger)
    read_day(
        ledger,
        invited(1),
        terms=replace(TERMS, ask_until=TODAY + timedelta(days=15)),
        actor=OTHER_RUN,
    )
    read_day(ledger, invited(1), terms=old, actor=THIRD)
    expired = expire_past(ledger, hospital="HMS", today=TODAY, actor=RUN)

    assert (excluded, expired) == ([("excluded", "too_old")], 0)
    assert len(sent(ledger).lines) == 1


def test_another_runs_dispatch_finds_nothing_of_a_day_that_waits_for_its_approval(
    ledger: Ledger,
) -> None:
    for week in range(1, 5):
        past = DAY._replace(business_day=DAY.business_day - timedelta(weeks=week))
        read_day(ledger, not_invited(week), day=past)
    gated = replace(TERMS, gate=VolumeGate(min_lines=2))
    read_day(ledger, *(invited(n) for n in range(10, 15)), terms=gated)

    held = next(line for line in lines_of(ledger) if line.state == "held")
    found = try_claim(ledger, held.address // PLACES, terms=CLAIM_TERMS)
    assert isinstance(found, NotClaimed)
    assert found.why is Hindrance.NOTHING_READY


def test_a_held_day_whose_query_was_mended_goes_out_as_it_is_read_now(ledger: Ledger) -> None:
    """Not to the dead, not to the old address, not under the old area."""
    gated = replace(TERMS, gate=VolumeGate(min_lines=2, min_history_days=1))
    past = DAY._replace(business_day=DAY.business_day - timedelta(weeks=1))
    read_day(ledger, not_invited(99), day=past)
    read_day(ledger, *(invited(n) for n in range(1, 5)), terms=gated)
    mended = [
        not_invited(1, Reason.DEATH),
        invited(2, email="new@example.test"),
        invited(3, Area.EXAMES),
        invited(4),
    ]
    read_day(ledger, *mended, terms=gated, actor=OTHER_RUN)

    lines = [line for line in lines_of(ledger) if line.day == DAY]
    assert [line.state for line in lines] == ["excluded", "held", "held", "held"]
    assert [line.payload and line.payload["email"] for line in lines] == [
        None,
        "new@example.test",
        "p3@example.test",
        "p4@example.test",
    ]
    assert lines[2].area == "EXAMES"


def test_a_claim_judges_by_the_limit_of_the_day_a_line_has_moved_to(ledger: Ledger) -> None:
    read_day(ledger, invited(1))
    later = DAY._replace(business_day=date(2026, 3, 20))
    read_day(
        ledger,
        invited(1),
        day=later,
        terms=replace(TERMS, ask_until=date(2026, 4, 4)),
        actor=OTHER_RUN,
    )

    may_go = replace(CLAIM_TERMS, today=date(2026, 4, 1))
    batch = claim(ledger, line_of(ledger).address // PLACES, terms=may_go)
    assert (batch.unit.business_day, len(batch.lines)) == (date(2026, 3, 20), 1)
