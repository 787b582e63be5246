"""What the ledger says of days: the sum of the parts is the whole, and nothing open is missed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from tests.unit.ledger.put_steps import DAY, HMS_DAY, TODAY
from track_dispatch.ledger import schema
from track_dispatch.ledger.extractions import days_read, last_runs, run_work
from track_dispatch.ledger.settling import CLAIMED_ANEW
from track_dispatch.ledger.sql import moment_in
from track_dispatch.ledger.views import (
    AskedVolume,
    DayFacts,
    LineCount,
    day_counts,
    day_facts,
    first_known_days,
    open_days,
)
from track_dispatch.records import HospitalDay

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger

OTOA_DAY = HospitalDay("OTOA", DAY)
NEXT = HospitalDay("HMS", TODAY)


def facts(ledger: Ledger, day: HospitalDay = HMS_DAY) -> DayFacts:
    with ledger.reading() as connection:
        return day_facts(connection, [day])[day]


def still_open(ledger: Ledger) -> dict[str, dict[str, int]]:
    with ledger.reading() as connection:
        found = open_days(connection, today=TODAY)
    return {str(one.day): {str(state): n for state, n in one.states.items()} for one in found}


# -- counts and the equation -------------------------------------------------------


def test_lines_are_counted_by_area_channel_state_and_reason(steps: Steps) -> None:
    steps.put_lines(2, first=1)
    steps.put_lines(1, area="ONCOLOGIA", channel="whatsapp", first=11)
    steps.put_lines(3, "excluded", channel="", reason="death", first=21)
    steps.put_lines(4, day=OTOA_DAY)
    steps.put_lines(1, day=NEXT, first=31)

    with steps.ledger.reading() as connection:
        counts = day_counts(connection, [HMS_DAY, OTOA_DAY, HospitalDay("HMS", date(2020, 1, 1))])

    assert set(counts[HMS_DAY]) == {
        LineCount("EXAMES", "email", "ready", None, 2),
        LineCount("ONCOLOGIA", "whatsapp", "ready", None, 1),
        LineCount("EXAMES", "", "excluded", "death", 3),
    }
    assert set(counts[OTOA_DAY]) == {LineCount("EXAMES", "email", "ready", None, 4)}
    assert counts[HospitalDay("HMS", date(2020, 1, 1))] == ()


def test_lines_of_a_unit_in_several_envelopes_are_counted_together(steps: Steps) -> None:
    steps.put_lines(2, "accepted")
    steps.put_lines(3, "accepted", first=11)

    assert facts(steps.ledger).counts == (LineCount("EXAMES", "email", "accepted", None, 5),)


def test_every_row_and_every_attendance_is_accounted_for(steps: Steps) -> None:
    steps.put_lines(1, "accepted")
    steps.put_lines(1, "excluded", channel="", reason="no_contact", first=9)
    steps.put_lines(1, "excluded", channel="", reason="gone", first=19)
    steps.put_extraction(4, rows=6, rows_merged=2, other_day=1, other_hospital=1, absent=1)

    equation = facts(steps.ledger).equation

    assert equation is not None
    assert (equation.brought, equation.lines, equation.holds) == (2, 3, True)
    assert equation.states == {"accepted": 1, "excluded": 2}


@pytest.mark.parametrize(
    "tampered",
    [
        "update extractions set rows = rows + 1",
        "update extractions set rows_merged = rows_merged - 1",
        "update extractions set attendances = attendances + 1",
        "update extractions set other_day = other_day + 1",
        "update extractions set other_hospital = 0",
        "update extractions set absent = 0",
        "delete from lines where attendance_id = '900000001'",
    ],
)
def test_the_equation_fails_when_something_is_missing(steps: Steps, tampered: str) -> None:
    steps.put_lines(3, "accepted")
    steps.put_extraction(4, rows=6, rows_merged=2, other_day=1, other_hospital=1, absent=1)
    held = facts(steps.ledger).equation
    steps.run_sql(tampered)
    broken = facts(steps.ledger).equation

    assert held is not None
    assert broken is not None
    assert (held.holds, broken.holds) == (True, False)


def test_the_newest_applied_extraction_is_balanced(steps: Steps) -> None:
    steps.put_extraction(5, hours_old=2)
    steps.put_extraction(0, hours_old=1)
    steps.put_extraction(9, applied_at=None)

    equation = facts(steps.ledger).equation

    assert equation is not None
    assert (equation.rows, equation.holds) == (0, True)


def test_a_day_without_an_applied_extraction_has_no_equation(steps: Steps) -> None:
    steps.put_extraction(5, applied_at=None)
    steps.put_extraction(5, day=OTOA_DAY)

    assert facts(steps.ledger).equation is None


def test_an_empty_day_is_held_against_the_same_weekday_of_the_weeks_before(steps: Steps) -> None:
    for weeks, attendances in ((1, 7), (2, 9), (9, 1000)):
        past = HMS_DAY._replace(business_day=DAY - timedelta(weeks=weeks))
        steps.put_extraction(attendances, day=past)
    steps.put_extraction(500, day=HMS_DAY._replace(business_day=DAY - timedelta(days=1)))
    steps.put_extraction(500, day=OTOA_DAY)
    steps.put_extraction(0)

    assert sorted(facts(steps.ledger).usual) == [7, 9]


# -- what a run has done -----------------------------------------------------------


def work_of(ledger: Ledger, run_id: str = "run-1") -> dict[date, tuple[bool, bool]]:
    with ledger.reading() as connection:
        work = run_work(connection, hospital="HMS", run_ids=[run_id])
    return {one.day.business_day: (one.extracted, one.transformed) for one in work}


def test_a_runs_work_is_told_for_every_day_that_it_read(steps: Steps) -> None:
    steps.put_extraction(1)
    steps.put_extraction(1, day=NEXT, applied_at=None)
    steps.put_extraction(1, run_id="run-2", day=HMS_DAY._replace(business_day=date(2026, 1, 1)))
    steps.put_extraction(1, day=OTOA_DAY)  # a hospital of the same schedule: the same run id

    assert work_of(steps.ledger) == {DAY: (True, True), TODAY: (True, False)}


@pytest.mark.parametrize(
    ("columns", "work"),
    [
        ({"completed_at": None, "applied_at": None}, (False, False)),
        ({"applied_at": None}, (True, False)),
        ({"applied_at": None, "superseded_at": moment_in()}, (True, True)),
        ({}, (True, True)),
    ],
    ids=["broke off", "not applied", "superseded", "applied"],
)
def test_the_last_try_of_a_run_counts(
    steps: Steps, columns: dict[str, Any], work: tuple[bool, bool]
) -> None:
    steps.put_extraction(1, hours_old=1)
    steps.put_extraction(1, **columns)

    assert work_of(steps.ledger) == {DAY: work}


def test_the_run_that_began_a_day_last_is_its_last_run(steps: Steps) -> None:
    steps.put_extraction(1, hours_old=2, run_id="scheduled__1")
    steps.put_extraction(1, hours_old=1, run_id="manual__1", applied_at=None)
    steps.put_extraction(1, day=OTOA_DAY, run_id="scheduled__1")

    with steps.ledger.reading() as connection:
        found = last_runs(connection, [HMS_DAY, OTOA_DAY, NEXT])

    assert found == {HMS_DAY: "manual__1", OTOA_DAY: "scheduled__1"}


def test_days_that_were_read_are_those_that_were_applied(steps: Steps) -> None:
    steps.put_extraction(1)
    steps.put_extraction(1, day=NEXT, applied_at=None)
    steps.put_extraction(1, day=OTOA_DAY)

    with steps.ledger.reading() as connection:
        assert days_read(connection, ["HMS"]) == {"HMS": {DAY}}


def test_the_first_known_day_is_told(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        connection.execute(insert(schema.horizons).values(hospital="HMS", first_known_day=DAY))

    with ledger.reading() as connection:
        assert first_known_days(connection) == {"HMS": DAY}


# -- what needs somebody -----------------------------------------------------------


def test_the_last_question_about_a_day_is_told(steps: Steps) -> None:
    steps.put_question(5, answer="timeout")
    steps.put_question(7, usual=2)

    assert facts(steps.ledger).question == AskedVolume(7, 2, None, None, "run-1")
    assert facts(steps.ledger, OTOA_DAY).question is None


def test_doubts_are_told_with_their_day(steps: Steps) -> None:
    put = steps.put_batch(2)
    steps.put_batch(1, day=OTOA_DAY)

    assert [(one.id, one.lines) for one in facts(steps.ledger).doubts] == [(put.batch, 2)]


def test_lines_that_track_took_twice_are_counted(steps: Steps) -> None:
    put = steps.put_lines(3, "accepted")
    with steps.ledger.writing() as connection:
        connection.execute(
            insert(schema.events).values(
                at=moment_in(),
                envelope=put.envelope,
                places="0,2",
                transition="answered_late",
                state="accepted",
                detail=CLAIMED_ANEW,
                actor="dispatch",
            )
        )

    assert facts(steps.ledger).claimed_anew == 2
    assert facts(steps.ledger, OTOA_DAY).claimed_anew == 0


def test_a_unit_that_failed_for_good_is_marked(steps: Steps) -> None:
    steps.put_lines(2)
    steps.run_sql("update units set failed_series = 'a'")

    assert [count.failed for count in facts(steps.ledger).counts] == [True]


@pytest.mark.parametrize("state", ["ready", "held", "reopened"])
def test_a_day_with_waiting_lines_is_open_whatever_its_age(steps: Steps, state: str) -> None:
    old = HMS_DAY._replace(business_day=date(2025, 1, 1))
    steps.put_lines(2, state, day=old)
    steps.put_lines(1, "accepted", day=old, first=9)
    steps.put_lines(5, "excluded", channel="", reason="no_contact", day=NEXT, first=20)

    assert still_open(steps.ledger) == {"HMS 2025-01-01": {state: 2}}


@pytest.mark.parametrize(
    ("state", "batch_state", "lease"),
    [
        ("in_doubt", "in_doubt", None),
        ("in_doubt", "in_doubt", 300),
        ("sending", "sending", 300),
        ("sending", "split", 300),
    ],
)
def test_a_day_with_lines_on_their_way_or_in_doubt_is_open(
    steps: Steps, state: str, batch_state: str, lease: float | None
) -> None:
    steps.put_batch(2, state, batch_state=batch_state, lease=lease)
    steps.put_batch(2, "accepted", batch_state="settled", lease=None, day=OTOA_DAY)

    assert still_open(steps.ledger) == {"HMS 2026-03-10": {state: 2}}


def test_a_day_that_was_never_posted_is_in_doubt_as_a_whole(steps: Steps) -> None:
    put = steps.put_batch(2, batch={"envelope": None, "decision": 1})
    steps.put_lines(1, "in_doubt", first=9, batch=put.batch)

    assert still_open(steps.ledger) == {"HMS 2026-03-10": {"in_doubt": 3}}


def test_every_state_of_an_open_day_is_told_with_its_question(steps: Steps) -> None:
    steps.put_lines(1, "held", ask_until=TODAY)
    steps.put_lines(2, "reopened", first=5, ask_until=TODAY - timedelta(days=1))
    steps.put_batch(3, first=10, ask_until=TODAY)
    steps.put_lines(4, "ready", first=20, ask_until=TODAY + timedelta(days=1))
    steps.put_question(1, answer="rejected")

    with steps.ledger.reading() as connection:
        (found,) = open_days(connection, today=TODAY)

    assert found.states == {"held": 1, "reopened": 2, "in_doubt": 3, "ready": 4}
    assert (found.last_chance, found.question) == (3, AskedVolume(1, 1, "rejected", None, "run-1"))


def test_all_that_is_read_is_of_one_moment(steps: Steps) -> None:
    steps.put_lines(2)
    with steps.ledger.reading() as connection:
        before = day_counts(connection, [HMS_DAY])
        steps.put_lines(3, first=9)
        after = day_counts(connection, [HMS_DAY])

    assert before == after
