"""Applying an extraction to lines that it does not bring, that were refused, or that moved."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from tests.unit.ledger.reading_steps import (
    DAY,
    DAY_BEFORE,
    NUMBER,
    OTHER_RUN,
    TERMS,
    Attendance,
    invited,
    not_invited,
)
from tests.unit.ledger.steps import Steps
from track_dispatch.ledger import schema
from track_dispatch.records import Area, HospitalDay
from track_dispatch.states import Reason, Refusal

# --- what a reading does not bring ----------------------------------------------------------


@pytest.mark.parametrize("state", ["ready", "held", "reopened"])
def test_what_the_day_no_longer_holds_is_gone(steps: Steps, state: str) -> None:
    steps.read(invited(NUMBER))
    steps.leave(state)
    second = steps.read(invited(NUMBER + 1))

    gone, new = steps.lines()
    assert (*gone.stands, gone.payload) == ("excluded", "gone", None)
    assert new.stands == ("ready", None)
    assert steps.counted(second.id) == {"attendances": 1, "absent": 1}


def test_what_reappears_after_it_was_gone_is_ready_again(steps: Steps) -> None:
    steps.read(invited(NUMBER))
    steps.read()
    steps.read(invited(NUMBER))

    line = steps.line()
    assert line.stands == ("ready", None)
    assert line.payload is not None


@pytest.mark.parametrize(
    "where",
    [{"day": DAY_BEFORE}, {"day": HospitalDay("HMSM", DAY.business_day), "source": "hmsm"}],
    ids=["day", "hospital"],
)
def test_an_empty_reading_takes_nothing_from_another(steps: Steps, where: Any) -> None:
    steps.read(invited(NUMBER))
    steps.read(**where)

    assert steps.stands() == [("ready", None)]


@pytest.mark.parametrize(
    ("known", "brought", "lacking"),
    [(30, 0, 30), (61, 30, 31), (60, 30, 0), (29, 0, 0)],
    ids=["empty_view", "more_than_half", "half", "too_few_to_tell"],
)
def test_a_wrong_reading_takes_nobody_away_and_says_so(
    steps: Steps, known: int, brought: int, lacking: int
) -> None:
    attendances = [invited(NUMBER + n) for n in range(known)]
    steps.read(*attendances)
    second = steps.read(*attendances[:brought])

    gone = steps.stands().count(("excluded", "gone"))
    assert gone == (0 if lacking else known - brought)
    assert steps.extraction(second.id)["lacking"] == lacking
    assert steps.extraction(second.id)["absent"] == known - brought


def test_what_was_gone_before_is_not_lacking(steps: Steps) -> None:
    attendances = [invited(NUMBER + n) for n in range(40)]
    steps.read(*attendances)
    steps.run_sql("update lines set state = 'excluded', reason = 'gone'")
    second = steps.read()

    assert steps.counted(second.id) == {"absent": 40}


# --- refusals -------------------------------------------------------------------------------


def refused(steps: Steps, refusal: Refusal = Refusal.BY_STATUS) -> None:
    steps.read(invited(NUMBER))
    steps.leave("refused", reason=refusal.value)


def test_a_refusal_by_status_is_ready_again_when_the_erp_mended_the_line(steps: Steps) -> None:
    refused(steps)
    steps.read(invited(NUMBER, email="mended@example.test"))

    assert steps.line().stands == ("ready", None)
    assert steps.events()[-1] == ("corrected", "ready", None, 1)


def test_a_refusal_by_status_stays_while_the_line_is_the_same(steps: Steps) -> None:
    refused(steps)
    steps.read(invited(NUMBER))

    assert steps.line().stands == ("refused", "refused_4xx")


def test_a_refusal_stays_while_the_line_is_the_same_under_an_older_key(two_keys: Steps) -> None:
    refused(two_keys)
    older = two_keys.ledger.keys.digests(invited(NUMBER).line or b"")[1]
    two_keys.run_sql("update lines set digest = :digest", digest=older)
    two_keys.read(invited(NUMBER))

    assert two_keys.line().stands == ("refused", "refused_4xx")


def test_a_refused_line_that_may_no_longer_be_asked_is_excluded(steps: Steps) -> None:
    refused(steps)
    steps.read(not_invited(NUMBER, Reason.DEATH))

    assert steps.line().stands == ("excluded", "death")


@pytest.mark.parametrize(
    "read_as",
    [invited(NUMBER), invited(NUMBER, email="mended@example.test"), not_invited(NUMBER)],
    ids=["alike", "mended", "excluded"],
)
def test_a_refusal_inside_an_acceptance_is_final(steps: Steps, read_as: Attendance) -> None:
    refused(steps, Refusal.IN_ACCEPTANCE)
    steps.read(read_as)

    assert steps.line().stands == ("refused", "refused_2xx")


def test_a_refused_line_that_is_gone_stays_refused(steps: Steps) -> None:
    refused(steps)
    steps.read()

    assert steps.line().state == "refused"


# --- attendances that are known already -----------------------------------------------------


@pytest.mark.parametrize("state", ["ready", "excluded", "reopened", "held"])
def test_an_attendance_that_the_erp_moved_to_another_day_moves_along(
    steps: Steps, state: str
) -> None:
    first = steps.read(invited(NUMBER))
    steps.leave(state, reason="gone" if state == "excluded" else None)
    later = replace(TERMS, ask_until=date(2026, 3, 24))
    second = steps.read(invited(NUMBER, Area.EXAMES), day=DAY_BEFORE, terms=later)

    line = steps.line()
    assert (line.day, line.area) == (DAY_BEFORE, "EXAMES")
    assert line.stands == ("held" if state == "held" else "ready", None)
    assert line.ask_until == date(2026, 3, 24)
    assert line.payload is not None
    assert steps.events()[-1][0] == "moved"
    assert steps.counted(first.id) == {"attendances": 1, "other_day": 1}
    assert steps.counted(second.id) == {"attendances": 1}


@pytest.mark.parametrize("state", ["sending", "in_doubt", "accepted", "abandoned", "refused"])
def test_what_was_sent_under_another_day_stays_there_and_is_counted(
    steps: Steps, state: str
) -> None:
    steps.read(invited(NUMBER))
    steps.leave(state, reason="refused_4xx" if state == "refused" else None)
    before = steps.line()
    second = steps.read(invited(NUMBER, name="MARIA DO CARMO"), day=DAY_BEFORE)

    assert steps.line() == before
    assert steps.counted(second.id) == {"attendances": 1, "other_day": 1}


def test_a_day_and_the_day_before_in_one_run_move_and_let_nothing_go(steps: Steps) -> None:
    """Moved first, then gone: else the attendance would be gone on one day, known on the other."""
    steps.read(invited(NUMBER), invited(NUMBER + 1))
    steps.read_days(
        {DAY: [invited(NUMBER)], DAY_BEFORE: [invited(NUMBER + 1)]},
        actor=OTHER_RUN,
    )

    assert [(line.day, *line.stands) for line in steps.lines()] == [
        (DAY, "ready", None),
        (DAY_BEFORE, "ready", None),
    ]


def test_what_moved_within_the_run_is_not_lacking(steps: Steps) -> None:
    attendances = [invited(NUMBER + n) for n in range(40)]
    steps.read(*attendances)
    steps.read_days({DAY: [], DAY_BEFORE: attendances}, actor=OTHER_RUN)

    assert {row["lacking"] or 0 for row in steps.rows(schema.extractions)} == {0}
    assert {line.day for line in steps.lines()} == {DAY_BEFORE}


def test_an_attendance_that_two_days_of_a_run_bring_is_counted_where_it_left(
    steps: Steps,
) -> None:
    """The ERP moved it between the two readings."""
    steps.read_days({DAY: [invited(NUMBER)], DAY_BEFORE: [invited(NUMBER)]})

    by_day = {row["business_day"]: row for row in steps.rows(schema.extractions)}
    assert steps.line().day == DAY_BEFORE
    assert (by_day[DAY.business_day]["attendances"], by_day[DAY.business_day]["other_day"]) == (
        1,
        1,
    )
    assert by_day[DAY_BEFORE.business_day]["other_day"] == 0


def test_an_older_reading_moves_nothing_back(steps: Steps) -> None:
    older = steps.extract(invited(NUMBER), day=DAY_BEFORE, actor=OTHER_RUN)
    steps.read(invited(NUMBER))
    steps.transform((older, [invited(NUMBER)]), actor=OTHER_RUN)

    assert steps.line().day == DAY
    assert steps.counted(older.id) == {"attendances": 1, "other_day": 1}


def test_an_attendance_of_another_hospital_makes_no_second_line(steps: Steps) -> None:
    steps.read(invited(NUMBER))
    before = steps.line()
    second = steps.read(invited(NUMBER), day=HospitalDay("HMSM", DAY.business_day))

    assert steps.line() == before
    assert steps.counted(second.id) == {"attendances": 1, "other_hospital": 1}


def test_attendances_of_another_source_are_other_people(steps: Steps) -> None:
    steps.read(invited(NUMBER))
    steps.read(invited(NUMBER), day=HospitalDay("HSMC", DAY.business_day), source="hsmc")

    assert [(line.source, line.state) for line in steps.lines()] == [
        ("hms", "ready"),
        ("hsmc", "ready"),
    ]


def test_an_attendance_that_was_asked_once_and_forgotten_is_known(two_keys: Steps) -> None:
    """Accepted, deleted after its time, and then the ERP gives it another date."""
    newest, older = two_keys.ledger.keys.attendance_hashes(str(NUMBER))
    for line, found in enumerate((older, older._replace(hash=newest.hash + 1))):
        two_keys.run_sql(
            "insert into forgotten (source, hash, key, line) values ('hms', :hash, :key, :line)",
            hash=found.hash,
            key=found.key,
            line=line,
        )
    second = two_keys.read(invited(NUMBER), invited(NUMBER + 1))

    assert [line.attendance_id for line in two_keys.lines()] == [str(NUMBER + 1)]
    assert two_keys.counted(second.id) == {"attendances": 2, "other_day": 1}
