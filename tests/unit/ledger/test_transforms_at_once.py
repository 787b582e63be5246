"""A transform beside another one, and beside a dispatch: nobody is moved twice, nobody stalls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import pytest

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
from tests.unit.ledger.steps import Steps
from track_dispatch.config.policies import VolumeGate
from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.apply_extraction import applying_extractions
from track_dispatch.ledger.approvals import release_day
from track_dispatch.ledger.batches import Batch
from track_dispatch.ledger.claims import Hindrance, NotClaimed, settle_and_claim
from track_dispatch.ledger.decisions import Decision
from track_dispatch.ledger.extractions import stage_extraction
from track_dispatch.ledger.privacy import erase_person
from track_dispatch.ledger.schema import PLACES
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.pipeline.transform import standing_back
from track_dispatch.records import Area, HospitalDay
from track_dispatch.states import BatchState, Reason, Verb

if TYPE_CHECKING:
    from tests.unit.ledger.reading_steps import Attendance
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.day_apply import DayTerms
    from track_dispatch.ledger.extractions import Extraction

#: Terms of a claim that the readings of these tests may go out under.
MAY_GO = CLAIM_TERMS


@contextmanager
def half_way(
    ledger: Ledger,
    extraction: Extraction,
    attendances: Sequence[Attendance],
    terms: DayTerms = TERMS,
) -> Iterator[None]:
    """Transform a day, and do the block's work before its transaction is committed."""
    with applying_extractions(ledger, source="hms", zone=UTC, actor=RUN) as transform:
        day = transform.begin(extraction, terms)
        assert day is not None
        day.take(attendances, lambda _: {})
        day.end_of_reading(rows_merged=0)
        transform.finish(standing_back)
        yield


@pytest.mark.parametrize("first_is_newer", [True, False])
def test_of_two_transforms_of_one_day_the_second_sees_what_the_first_did(
    steps: Steps, first_is_newer: bool
) -> None:
    """Each waits for the other, and the newer extraction has the last word."""
    asked, dead = invited(1), not_invited(1, Reason.DEATH)
    older = steps.extract(asked, actor=OTHER_RUN)
    newer = steps.extract(dead)
    first, second = (newer, older) if first_is_newer else (older, newer)
    proposed = {older.id: asked, newer.id: dead}
    with applying_extractions(steps.ledger, source="hms", zone=UTC, actor=RUN) as transform:
        day = transform.begin(first, TERMS)
        assert day is not None
        later = steps.blocked(lambda: steps.transform((second, [proposed[second.id]])))
        with later as applied:
            day.take([proposed[first.id]], lambda _: {})
            day.end_of_reading(rows_merged=0)
            transform.finish(standing_back)
            transform.connection.commit()
            second_applied = applied.result(30)

    assert second_applied == [not first_is_newer]
    assert steps.line().stands == ("excluded", "death")


def test_an_attendance_that_two_hospitals_of_a_source_find_at_once_is_one_line(
    steps: Steps,
) -> None:
    """Neither fails: the second transform waits, and counts it as the other hospital's."""
    other = HospitalDay("HST", DAY.business_day)
    mine, theirs = steps.extract(invited(1)), steps.extract(invited(1), day=other, actor=OTHER_RUN)

    def transform_theirs() -> list[bool]:
        return steps.transform((theirs, [invited(1)]), actor=OTHER_RUN)

    with applying_extractions(steps.ledger, source="hms", zone=UTC, actor=RUN) as transform:
        day = transform.begin(mine, TERMS)
        assert day is not None
        with steps.blocked(transform_theirs) as applied:
            day.take([invited(1)], lambda _: {})
            day.end_of_reading(rows_merged=0)
            transform.finish(standing_back)
            transform.connection.commit()
            assert applied.result(30) == [True]

    assert [line.day for line in steps.lines()] == [DAY]
    counted = {row["hospital"]: row["other_hospital"] for row in steps.rows(schema.extractions)}
    assert counted == {"HMS": 0, "HST": 1}


def test_a_day_may_go_on_being_staged_while_it_is_transformed(postgresql_steps: Steps) -> None:
    """Staging holds a cursor of the ERP open: it must not wait for a transform."""
    steps = postgresql_steps
    mine = steps.extract(invited(1))
    with half_way(steps.ledger, mine, [invited(1)]):
        columns = ({"cd_atendimento": [str(n)]} for n in range(20))
        rows = stage_extraction(steps.ledger, columns, source="hms", day=DAY, actor=OTHER_RUN)

    assert rows == 20
    assert len(steps.rows(schema.staged, "chunk")) == 20


def test_a_dispatch_goes_on_while_another_hospitals_day_is_transformed(
    postgresql_steps: Steps,
) -> None:
    steps = postgresql_steps
    steps.read(invited(1), day=HospitalDay("HST", DAY.business_day), source="hpm_hst")
    envelope = steps.line().address // PLACES
    extraction = steps.extract(invited(2))
    with half_way(steps.ledger, extraction, [invited(2)]):
        claimed = steps.try_claim(envelope, terms=MAY_GO)

    assert isinstance(claimed, Batch), claimed


def test_a_claim_passes_over_lines_that_a_transform_is_moving(postgresql_steps: Steps) -> None:
    """It does not wait for a large day, and the transform goes on."""
    steps = postgresql_steps
    steps.read(invited(1), invited(2, Area.EXAMES))
    moved, other = (line.address // PLACES for line in steps.lines())
    extraction = steps.extract(invited(1))
    with half_way(steps.ledger, extraction, [invited(1)]):
        hindered = steps.try_claim(moved, terms=MAY_GO)
        passed = steps.try_claim(other, terms=MAY_GO)

    assert isinstance(hindered, NotClaimed)
    assert hindered.why is Hindrance.LOCKED
    assert isinstance(passed, NotClaimed), "the day lacks it: it is on its way to `gone`"
    assert steps.stands() == [("ready", None), ("excluded", "gone")]


def test_a_line_that_a_transform_has_looked_at_is_not_claimed_any_more(
    postgresql_steps: Steps,
) -> None:
    """It judges the line by what it saw, and writes later."""
    steps = postgresql_steps
    steps.read(invited(1))
    envelope = steps.line().address // PLACES
    extraction = steps.extract(invited(1))
    with applying_extractions(steps.ledger, source="hms", zone=UTC, actor=RUN) as transform:
        day = transform.begin(extraction, TERMS)
        assert day is not None
        day.take([invited(1)], lambda _: {})
        hindered = steps.try_claim(envelope, terms=MAY_GO)
        day.end_of_reading(rows_merged=0)
        transform.finish(standing_back)

    assert isinstance(hindered, NotClaimed)
    assert steps.stands() == [("ready", None)]


@pytest.mark.parametrize("held", [False, True], ids=["dead", "of a day that is held"])
def test_what_a_transform_found_on_its_way_is_read_again_if_it_was_not_delivered(
    postgresql_steps: Steps, *, held: bool
) -> None:
    """The transform left the line as it was, and is not committed when the line is released."""
    steps = postgresql_steps
    steps.read(invited(1))
    envelope = steps.line().address // PLACES
    batch = steps.claim(envelope, terms=MAY_GO)
    found = [invited(n) for n in range(1, 401)] if held else [not_invited(1, Reason.DEATH)]
    if held:
        usual_volume(steps, 1)
    extraction = steps.extract(*found, actor=OTHER_RUN)
    with half_way(steps.ledger, extraction, found, terms=replace(TERMS, gate=VolumeGate())):
        undelivered = Settlement(
            batch, released=batch.places, status=429, batch_state=BatchState.NOT_DELIVERED
        )
        settle(steps.ledger, undelivered, actor=RUN)

    assert [line.state for line in steps.lines()] == [
        "reopened",
        *["held"] * (len(found) - 1),
    ]
    assert steps.try_claim(envelope, terms=MAY_GO) == NotClaimed(Hindrance.NOTHING_READY)


def usual_volume(steps: Steps, lines: int) -> None:
    """Let the same weekday have had so many lines for weeks."""
    for weeks in range(1, 9):
        past = HospitalDay(DAY.hospital, DAY.business_day - timedelta(weeks=weeks))
        steps.extract(day=past, actor=replace(RUN, run_id=f"past__{weeks}"))
    steps.run_sql(
        "update extractions set applied_at = completed_at, volume = :lines"
        " where business_day < :day",
        lines=lines,
        day=DAY.business_day,
    )


def test_what_was_read_ahead_before_a_transform_is_not_claimed(steps: Steps) -> None:
    """An envelope read ahead, corrected meanwhile: the old address never goes."""
    steps.read(invited(1))
    envelope = steps.line().address // PLACES
    read = steps.request(envelope, terms=MAY_GO)
    steps.read(invited(1, email="mended@example.test"))

    claimed = settle_and_claim(steps.ledger, settlement=None, request=read, actor=RUN)
    assert isinstance(claimed, NotClaimed)
    assert steps.line().state == "ready"
    payload = steps.line().payload
    assert payload is not None
    assert payload["email"] == "mended@example.test"


def test_counts_and_payloads_are_true_after_every_step(steps: Steps) -> None:
    """Found, corrected, moved, gone, stood back, come back."""
    person = "52998224725"
    first = [invited(n) for n in range(8)] + [invited(8, person=person), invited(9, person=person)]
    steps.read(*first)
    seen = [steps.counts_are_true()]
    steps.run_sql("update lines set state = 'held' where attendance_id = '3'")
    steps.read_days({DAY: first[2:9], DAY_BEFORE: first[:1]}, actor=OTHER_RUN)
    seen.append(steps.counts_are_true())
    steps.read(not_invited(2), *first[3:8], first[9], actor=RUN)
    seen.append(steps.counts_are_true())

    assert seen == [True] * 3
    assert steps.stands() == [
        ("ready", None),
        ("excluded", "gone"),
        ("excluded", "no_contact"),
        ("held", None),
        *[("ready", None)] * 4,
        ("excluded", "gone"),
        ("ready", None),
    ]


@pytest.mark.parametrize("verb", [Verb.RELEASE, Verb.ERASE])
def test_who_decides_about_what_is_being_transformed_is_told_to_try_again(
    postgresql_steps: Steps, verb: Verb
) -> None:
    """On SQLite he waits for his turn, for a minute."""
    postgresql_steps.read(invited(1))
    postgresql_steps.leave("held")
    again, decision = (
        postgresql_steps.extract(invited(1)),
        Decision(verb, "ana", "conferido"),
    )

    def decide() -> None:
        if verb is Verb.ERASE:
            erase_person(postgresql_steps.ledger, {"email:p1@example.test"}, decision, today=TODAY)
        else:
            release_day(postgresql_steps.ledger, DAY, decision, max_age_hours=36, today=TODAY)

    told = "transform.*nothing was decided.*try again in a minute"
    with (
        half_way(postgresql_steps.ledger, again, [invited(1, name="OUTRO NOME")]),
        pytest.raises(LedgerError, match=told),
    ):
        decide()
    assert postgresql_steps.rows(schema.decisions) == []

    decide()
    assert postgresql_steps.line().state != "held"
