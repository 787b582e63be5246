"""What the ledger says of a day, and that the sum of the parts is the whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from ledger_steps import (
    ACTOR,
    DAY,
    OTHER_RUN,
    UNIT,
    apply,
    fill,
    ids,
    invited,
    not_invited,
    read_day,
    refusing,
    sql,
    stage,
    take,
)

from track_dispatch.errors import LedgerError
from track_dispatch.ledger.applying import applying
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.units import ready_lines
from track_dispatch.ledger.views import Equation, LineCount, RunWork, day_counts, equation, run_work
from track_dispatch.records import Area, Channel, LineState, Reason

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

NUMBER = 900_000_001


def balance(ledger: Ledger) -> Equation | None:
    with ledger.reading() as connection:
        return equation(connection, hospital=UNIT.hospital, business_day=DAY)


def work(ledger: Ledger) -> RunWork:
    with ledger.reading() as connection:
        return run_work(
            connection, hospital=UNIT.hospital, business_day=DAY, run_id=str(ACTOR.run_id)
        )


def full_day(ledger: Ledger) -> None:
    """Read a day of six rows: two merged, one of another day, one of another hospital, two ours."""
    read_day(ledger, invited(NUMBER), day=DAY - timedelta(1))
    read_day(ledger, invited(NUMBER + 1), hospital="HMSM")
    proposed = [
        invited(NUMBER),
        invited(NUMBER + 1),
        invited(NUMBER + 2),
        not_invited(NUMBER + 3),
    ]
    extraction = stage(ledger, [{"cd_atendimento": str(NUMBER)}] * 6)
    with applying(ledger, extraction, ACTOR) as application:
        assert application is not None
        application.propose(proposed[:2])
        application.propose(proposed[2:])
        application.finish(rows_merged=2)


def test_every_row_and_every_attendance_is_accounted_for(ledger: Ledger) -> None:
    full_day(ledger)
    found = balance(ledger)

    assert found == Equation(
        rows=6,
        rows_merged=2,
        attendances=4,
        other_day=1,
        other_hospital=1,
        states=((LineState.EXCLUDED, 1), (LineState.READY, 1)),
    )
    assert found.holds


def test_the_equation_holds_whatever_becomes_of_the_lines(ledger: Ledger) -> None:
    first, second, *_ = fill(ledger, 4)
    batch = take(ledger, limit=3)
    settle(ledger, batch, Settlement(accepted=[first], refused={second: "x"}), actor=ACTOR)
    found = balance(ledger)

    assert found is not None
    assert found.states == (
        (LineState.ACCEPTED, 1),
        (LineState.READY, 1),
        (LineState.REFUSED, 1),
        (LineState.SENDING, 1),
    )
    assert found.holds


def test_what_is_gone_is_no_part_of_the_newest_reading(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), invited(NUMBER + 1))
    read_day(ledger, invited(NUMBER))
    found = balance(ledger)

    assert found is not None
    assert (found.attendances, found.lines, found.holds) == (1, 1, True)


def test_an_empty_day_balances(ledger: Ledger) -> None:
    read_day(ledger)
    found = balance(ledger)

    assert found == Equation(0, 0, 0, 0, 0, states=())
    assert found.holds


def test_a_day_without_an_applied_extraction_has_no_equation(ledger: Ledger) -> None:
    stage(ledger)

    assert balance(ledger) is None


@pytest.mark.parametrize(
    "tampered",
    [
        "update extractions set rows = rows + 1",
        "update extractions set rows_merged = rows_merged - 1",
        "update extractions set attendances = attendances + 1",
        "update extractions set other_day = other_day + 1",
        "update extractions set other_hospital = 0",
        "delete from lines where attendance_id = '900000003'",
    ],
)
def test_the_equation_fails_when_something_is_missing(ledger: Ledger, tampered: str) -> None:
    full_day(ledger)
    sql(ledger, "delete from events")
    sql(ledger, tampered)
    found = balance(ledger)

    assert found is not None
    assert not found.holds


def test_an_attendance_proposed_twice_breaks_the_equation(ledger: Ledger) -> None:
    extraction = stage(ledger, [{}, {}])
    with applying(ledger, extraction, ACTOR) as application:
        assert application is not None
        application.propose([invited(NUMBER)])
        application.propose([invited(NUMBER)])
        application.finish(rows_merged=0)
    found = balance(ledger)

    assert found is not None
    assert not found.holds


def test_a_days_lines_are_counted_by_area_channel_state_and_reason(ledger: Ledger) -> None:
    other = replace(UNIT, area=Area.EXAMES, channel=Channel.WHATSAPP)
    read_day(
        ledger,
        invited(NUMBER),
        invited(NUMBER + 1),
        invited(NUMBER + 2, other),
        not_invited(NUMBER + 3, Reason.DEATH),
    )
    with ledger.reading() as connection:
        counts = day_counts(connection, hospital=UNIT.hospital, business_day=DAY)

    assert set(counts) == {
        LineCount(UNIT.area, UNIT.channel, LineState.READY, None, 2),
        LineCount(other.area, other.channel, LineState.READY, None, 1),
        LineCount(UNIT.area, None, LineState.EXCLUDED, "death", 1),
    }


def test_the_lines_of_an_older_reading_are_counted_too(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), invited(NUMBER + 1))
    read_day(ledger, invited(NUMBER))
    with ledger.reading() as connection:
        counts = day_counts(connection, hospital=UNIT.hospital, business_day=DAY)

    assert {(count.state, count.reason, count.lines) for count in counts} == {
        (LineState.READY, None, 1),
        (LineState.EXCLUDED, "gone", 1),
    }


def test_ready_lines_are_those_of_the_unit(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER), invited(NUMBER + 1), not_invited(NUMBER + 2))
    take(ledger, limit=1)
    other = replace(UNIT, channel=Channel.WHATSAPP)
    with ledger.reading() as connection:
        assert (ready_lines(connection, UNIT), ready_lines(connection, other)) == (1, 0)


# --- what a run has done --------------------------------------------------------------------


def test_a_run_that_did_nothing_has_neither_extracted_nor_transformed(ledger: Ledger) -> None:
    read_day(ledger, actor=OTHER_RUN)

    assert work(ledger) == RunWork(extracted=False, transformed=False)


def test_a_run_whose_extraction_broke_off_has_not_extracted(ledger: Ledger) -> None:
    with refusing(ledger, "extractions", "update"), pytest.raises(LedgerError):
        stage(ledger, [{}])

    assert work(ledger) == RunWork(extracted=False, transformed=False)


def test_a_run_whose_last_try_broke_off_has_not_extracted(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    with refusing(ledger, "extractions", "update"), pytest.raises(LedgerError):
        stage(ledger, [{}])

    assert work(ledger) == RunWork(extracted=False, transformed=False)


def test_a_run_whose_last_extraction_was_not_applied_has_not_transformed(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    stage(ledger)

    assert work(ledger) == RunWork(extracted=True, transformed=False)


def test_a_run_whose_extraction_was_applied_has_done_both(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))

    assert work(ledger) == RunWork(extracted=True, transformed=True)


def test_a_run_whose_extraction_was_superseded_has_done_both(ledger: Ledger) -> None:
    mine = stage(ledger)
    read_day(ledger, invited(NUMBER), actor=OTHER_RUN)
    apply(ledger, mine)

    assert work(ledger) == RunWork(extracted=True, transformed=True)


def test_what_is_read_in_one_transaction_is_of_one_moment(ledger: Ledger) -> None:
    lines = fill(ledger, 2)
    with ledger.reading() as connection:
        before: Any = ready_lines(connection, UNIT)
        batch = take(ledger)
        after = ready_lines(connection, UNIT)

    assert (before, after, ids(batch)) == (2, 2, lines)
