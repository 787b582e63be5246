"""Every row and every attendance of a reading is accounted for, whatever becomes of the lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
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
from track_dispatch.ledger.apply_extraction import applying_extractions
from track_dispatch.ledger.views import Equation, day_facts
from track_dispatch.pipeline.transform import standing_back
from track_dispatch.records import HospitalDay
from track_dispatch.states import LineState

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger

THIRD = replace(RUN, run_id="manual__3")
OTHER_HOSPITAL = HospitalDay("HMSM", DAY.business_day)


def balance(ledger: Ledger, day: HospitalDay = DAY) -> Equation:
    with ledger.reading() as connection:
        found = day_facts(connection, [day])[day].equation
    assert found is not None
    return found


def full_day(steps: Steps) -> None:
    """Read six rows: two of one attendance, one known on another day, one at another hospital."""
    steps.read(invited(3), day=DAY_BEFORE, actor=OTHER_RUN)
    steps.read(invited(4), day=OTHER_HOSPITAL, actor=OTHER_RUN)
    steps.leave("accepted")
    found = [invited(1), not_invited(2), invited(3), invited(4)]
    extraction = steps.extract(*found, invited(1), invited(1))
    with applying_extractions(steps.ledger, source="hms", zone=UTC, actor=RUN) as transform:
        day = transform.begin(extraction, TERMS)
        assert day is not None
        day.take(found[:2], lambda _: {})
        day.take(found[2:], lambda _: {})
        day.end_of_reading(rows_merged=2)
        transform.finish(standing_back)


def test_every_row_and_every_attendance_is_accounted_for(steps: Steps) -> None:
    full_day(steps)

    found = balance(steps.ledger)
    assert found == Equation(
        rows=6,
        rows_merged=2,
        attendances=4,
        other_day=1,
        other_hospital=1,
        absent=0,
        lacking=0,
        states={LineState.EXCLUDED: 1, LineState.READY: 1},
    )
    assert found.holds


@pytest.mark.parametrize(
    "tampered",
    [
        "update extractions set rows = rows + 1",
        "update extractions set rows_merged = rows_merged - 1",
        "update extractions set attendances = attendances + 1",
        "update extractions set other_day = other_day + 1",
        "update extractions set other_hospital = 0",
        "update extractions set absent = absent + 1",
        "delete from lines where attendance_id = '1'",
    ],
)
def test_the_equation_fails_when_something_is_missing(steps: Steps, tampered: str) -> None:
    full_day(steps)
    steps.run_sql(tampered)

    assert not balance(steps.ledger).holds


@pytest.mark.parametrize("state", ["sending", "accepted", "refused", "in_doubt", "abandoned"])
def test_it_holds_whatever_becomes_of_the_lines(steps: Steps, state: str) -> None:
    full_day(steps)
    steps.leave(state)

    assert balance(steps.ledger).holds


def test_it_holds_after_every_reading_that_loses_finds_and_keeps(steps: Steps) -> None:
    steps.read(*(invited(n) for n in range(5)))
    held = [balance(steps.ledger).holds]
    steps.run_sql("update lines set state = 'accepted', batch = 'b' where attendance_id = '0'")
    steps.read(invited(1), not_invited(2), invited(9), actor=OTHER_RUN)
    second = balance(steps.ledger)
    steps.read(invited(3), invited(2), actor=THIRD)
    third = balance(steps.ledger)

    assert [*held, second.holds, third.holds] == [True] * 3
    assert (second.attendances, second.absent) == (3, 3)  # an accepted one, two that are gone
    assert (third.attendances, third.absent) == (2, 4)


def test_it_holds_for_a_wrong_reading_that_takes_nobody_away(steps: Steps) -> None:
    steps.read(*(invited(n) for n in range(40)))
    steps.read(invited(1), actor=OTHER_RUN)

    found = balance(steps.ledger)
    assert (found.attendances, found.absent, found.lacking, found.holds) == (1, 39, 39, True)


def test_it_holds_for_both_days_when_an_attendance_moves(steps: Steps) -> None:
    steps.read(invited(1), invited(2))
    steps.read(invited(1), invited(2), actor=THIRD)  # the newest reading counts
    steps.read(invited(1), day=DAY_BEFORE, actor=OTHER_RUN)

    assert (balance(steps.ledger).holds, balance(steps.ledger, DAY_BEFORE).holds) == (True, True)
    assert balance(steps.ledger).other_day == 1


def test_it_holds_for_both_days_of_a_run_whatever_they_exchange(steps: Steps) -> None:
    steps.read_days({DAY: [invited(n) for n in range(6)], DAY_BEFORE: [invited(7)]})
    steps.read_days(
        {DAY: [invited(n) for n in (0, 1, 7, 8)], DAY_BEFORE: [invited(n) for n in (1, 2, 3, 7)]},
        actor=OTHER_RUN,
    )

    assert (balance(steps.ledger).holds, balance(steps.ledger, DAY_BEFORE).holds) == (True, True)
    assert {line.attendance_id: line.day for line in steps.lines()}["7"] == DAY_BEFORE


def test_it_holds_for_a_person_who_is_asked_once(steps: Steps) -> None:
    steps.read(invited(1, person="52998224725"), invited(2, person="52998224725"))

    assert steps.stands() == [("ready", None), ("excluded", "same_person")]
    assert balance(steps.ledger).holds


def test_an_empty_day_balances(steps: Steps) -> None:
    steps.read()

    assert balance(steps.ledger) == Equation(0, 0, 0, 0, 0, absent=0, lacking=0, states={})
    assert balance(steps.ledger).holds
