"""Applying an extraction to lines that it does not bring, that were refused, or that moved."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from reading_steps import (
    DAY,
    DAY_BEFORE,
    NUMBER,
    OTHER_RUN,
    TERMS,
    Attendance,
    apply,
    change,
    counted,
    events_of,
    extraction_of,
    invited,
    leave,
    line_of,
    lines_of,
    not_invited,
    read_day,
    read_days,
    rows_of,
    stage,
    stands,
)

from track_dispatch.ledger import schema
from track_dispatch.records import Area, HospitalDay
from track_dispatch.states import Reason, Refusal

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger


# --- what a reading does not bring ----------------------------------------------------------


@pytest.mark.parametrize("state", ["ready", "held", "reopened"])
def test_what_the_day_no_longer_holds_is_gone(ledger: Ledger, state: str) -> None:
    read_day(ledger, invited(NUMBER))
    leave(ledger, state)
    second = read_day(ledger, invited(NUMBER + 1))

    gone, new = lines_of(ledger)
    assert (*gone.stands, gone.payload) == ("excluded", "gone", None)
    assert new.stands == ("ready", None)
    assert counted(ledger, second.id) == {"attendances": 1, "absent": 1}


def test_what_reappears_after_it_was_gone_is_ready_again(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    read_day(ledger)
    read_day(ledger, invited(NUMBER))

    line = line_of(ledger)
    assert line.stands == ("ready", None)
    assert line.payload is not None


@pytest.mark.parametrize(
    "where",
    [{"day": DAY_BEFORE}, {"day": HospitalDay("HMSM", DAY.business_day), "source": "hmsm"}],
    ids=["day", "hospital"],
)
def test_an_empty_reading_takes_nothing_from_another(ledger: Ledger, where: Any) -> None:
    read_day(ledger, invited(NUMBER))
    read_day(ledger, **where)

    assert stands(ledger) == [("ready", None)]


@pytest.mark.parametrize(
    ("known", "brought", "lacking"),
    [(30, 0, 30), (61, 30, 31), (60, 30, 0), (29, 0, 0)],
    ids=["empty_view", "more_than_half", "half", "too_few_to_tell"],
)
def test_a_wrong_reading_takes_nobody_away_and_says_so(
    ledger: Ledger, known: int, brought: int, lacking: int
) -> None:
    attendances = [invited(NUMBER + n) for n in range(known)]
    read_day(ledger, *attendances)
    second = read_day(ledger, *attendances[:brought])

    gone = stands(ledger).count(("excluded", "gone"))
    assert gone == (0 if lacking else known - brought)
    assert extraction_of(ledger, second.id)["lacking"] == lacking
    assert extraction_of(ledger, second.id)["absent"] == known - brought


def test_what_was_gone_before_is_not_lacking(ledger: Ledger) -> None:
    attendances = [invited(NUMBER + n) for n in range(40)]
    read_day(ledger, *attendances)
    change(ledger, "update lines set state = 'excluded', reason = 'gone'")
    second = read_day(ledger)

    assert counted(ledger, second.id) == {"absent": 40}


# --- refusals -------------------------------------------------------------------------------


def refused(ledger: Ledger, refusal: Refusal = Refusal.BY_STATUS) -> None:
    read_day(ledger, invited(NUMBER))
    leave(ledger, "refused", reason=refusal.value)


def test_a_refusal_by_status_is_ready_again_when_the_erp_mended_the_line(ledger: Ledger) -> None:
    refused(ledger)
    read_day(ledger, invited(NUMBER, email="mended@example.test"))

    assert line_of(ledger).stands == ("ready", None)
    assert events_of(ledger)[-1] == ("corrected", "ready", None, 1)


def test_a_refusal_by_status_stays_while_the_line_is_the_same(ledger: Ledger) -> None:
    refused(ledger)
    read_day(ledger, invited(NUMBER))

    assert line_of(ledger).stands == ("refused", "refused_4xx")


def test_a_refusal_stays_while_the_line_is_the_same_under_an_older_key(two_keys: Ledger) -> None:
    refused(two_keys)
    older = two_keys.keys.digests(invited(NUMBER).line or b"")[1]
    change(two_keys, "update lines set digest = :digest", digest=older)
    read_day(two_keys, invited(NUMBER))

    assert line_of(two_keys).stands == ("refused", "refused_4xx")


def test_a_refused_line_that_may_no_longer_be_asked_is_excluded(ledger: Ledger) -> None:
    refused(ledger)
    read_day(ledger, not_invited(NUMBER, Reason.DEATH))

    assert line_of(ledger).stands == ("excluded", "death")


@pytest.mark.parametrize(
    "read_as",
    [invited(NUMBER), invited(NUMBER, email="mended@example.test"), not_invited(NUMBER)],
    ids=["alike", "mended", "excluded"],
)
def test_a_refusal_inside_an_acceptance_is_final(ledger: Ledger, read_as: Attendance) -> None:
    refused(ledger, Refusal.IN_ACCEPTANCE)
    read_day(ledger, read_as)

    assert line_of(ledger).stands == ("refused", "refused_2xx")


def test_a_refused_line_that_is_gone_stays_refused(ledger: Ledger) -> None:
    refused(ledger)
    read_day(ledger)

    assert line_of(ledger).state == "refused"


# --- attendances that are known already -----------------------------------------------------


@pytest.mark.parametrize("state", ["ready", "excluded", "reopened", "held"])
def test_an_attendance_that_the_erp_moved_to_another_day_moves_along(
    ledger: Ledger, state: str
) -> None:
    first = read_day(ledger, invited(NUMBER))
    leave(ledger, state, reason="gone" if state == "excluded" else None)
    later = replace(TERMS, ask_until=date(2026, 3, 24))
    second = read_day(ledger, invited(NUMBER, Area.EXAMES), day=DAY_BEFORE, terms=later)

    line = line_of(ledger)
    assert (line.day, line.area) == (DAY_BEFORE, "EXAMES")
    assert line.stands == ("held" if state == "held" else "ready", None)
    assert line.ask_until == date(2026, 3, 24)
    assert line.payload is not None
    assert events_of(ledger)[-1][0] == "moved"
    assert counted(ledger, first.id) == {"attendances": 1, "other_day": 1}
    assert counted(ledger, second.id) == {"attendances": 1}


@pytest.mark.parametrize("state", ["sending", "in_doubt", "accepted", "abandoned", "refused"])
def test_what_was_sent_under_another_day_stays_there_and_is_counted(
    ledger: Ledger, state: str
) -> None:
    read_day(ledger, invited(NUMBER))
    leave(ledger, state, reason="refused_4xx" if state == "refused" else None)
    before = line_of(ledger)
    second = read_day(ledger, invited(NUMBER, name="MARIA DO CARMO"), day=DAY_BEFORE)

    assert line_of(ledger) == before
    assert counted(ledger, second.id) == {"attendances": 1, "other_day": 1}


def test_a_day_and_the_day_before_in_one_run_move_and_let_nothing_go(ledger: Ledger) -> None:
    """Moved first, then gone: else the attendance would be gone on one day, known on the other."""
    read_day(ledger, invited(NUMBER), invited(NUMBER + 1))
    read_days(
        ledger,
        {DAY: [invited(NUMBER)], DAY_BEFORE: [invited(NUMBER + 1)]},
        actor=OTHER_RUN,
    )

    assert [(line.day, *line.stands) for line in lines_of(ledger)] == [
        (DAY, "ready", None),
        (DAY_BEFORE, "ready", None),
    ]


def test_what_moved_within_the_run_is_not_lacking(ledger: Ledger) -> None:
    attendances = [invited(NUMBER + n) for n in range(40)]
    read_day(ledger, *attendances)
    read_days(ledger, {DAY: [], DAY_BEFORE: attendances}, actor=OTHER_RUN)

    assert {row["lacking"] or 0 for row in rows_of(ledger, schema.extractions)} == {0}
    assert {line.day for line in lines_of(ledger)} == {DAY_BEFORE}


def test_an_attendance_that_two_days_of_a_run_bring_is_counted_where_it_left(
    ledger: Ledger,
) -> None:
    """The ERP moved it between the two readings."""
    read_days(ledger, {DAY: [invited(NUMBER)], DAY_BEFORE: [invited(NUMBER)]})

    by_day = {row["business_day"]: row for row in rows_of(ledger, schema.extractions)}
    assert line_of(ledger).day == DAY_BEFORE
    assert (by_day[DAY.business_day]["attendances"], by_day[DAY.business_day]["other_day"]) == (
        1,
        1,
    )
    assert by_day[DAY_BEFORE.business_day]["other_day"] == 0


def test_an_older_reading_moves_nothing_back(ledger: Ledger) -> None:
    older = stage(ledger, invited(NUMBER), day=DAY_BEFORE, actor=OTHER_RUN)
    read_day(ledger, invited(NUMBER))
    apply(ledger, (older, [invited(NUMBER)]), actor=OTHER_RUN)

    assert line_of(ledger).day == DAY
    assert counted(ledger, older.id) == {"attendances": 1, "other_day": 1}


def test_an_attendance_of_another_hospital_makes_no_second_line(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    before = line_of(ledger)
    second = read_day(ledger, invited(NUMBER), day=HospitalDay("HMSM", DAY.business_day))

    assert line_of(ledger) == before
    assert counted(ledger, second.id) == {"attendances": 1, "other_hospital": 1}


def test_attendances_of_another_source_are_other_people(ledger: Ledger) -> None:
    read_day(ledger, invited(NUMBER))
    read_day(ledger, invited(NUMBER), day=HospitalDay("HSMC", DAY.business_day), source="hsmc")

    assert [(line.source, line.state) for line in lines_of(ledger)] == [
        ("hms", "ready"),
        ("hsmc", "ready"),
    ]


def test_an_attendance_that_was_asked_once_and_forgotten_is_known(two_keys: Ledger) -> None:
    """Accepted, deleted after its time, and then the ERP gives it another date."""
    newest, older = two_keys.keys.attendance_hashes(str(NUMBER))
    for line, found in enumerate((older, older._replace(hash=newest.hash + 1))):
        change(
            two_keys,
            "insert into forgotten (source, hash, key, line) values ('hms', :hash, :key, :line)",
            hash=found.hash,
            key=found.key,
            line=line,
        )
    second = read_day(two_keys, invited(NUMBER), invited(NUMBER + 1))

    assert [line.attendance_id for line in lines_of(two_keys)] == [str(NUMBER + 1)]
    assert counted(two_keys, second.id) == {"attendances": 2, "other_day": 1}
