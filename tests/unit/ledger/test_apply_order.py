"""Extractions are applied once, in the order in which they began, whatever their size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.ledger.reading_steps import (
    DAY,
    DAY_BEFORE,
    NUMBER,
    OTHER_RUN,
    RUN,
    SAME,
    TERMS,
    invited,
    not_invited,
)
from tests.unit.ledger.steps import Steps
from track_dispatch.ledger import envelope_writer, schema
from track_dispatch.ledger.extractions import CHUNKS_A_TRANSACTION, stage_extraction
from track_dispatch.ledger.views import day_facts
from track_dispatch.states import Reason

if TYPE_CHECKING:
    from track_dispatch.ledger.extractions import Extraction


# --- once, and in the order in which the readings began ------------------------------------


def test_an_extraction_is_applied_once(steps: Steps) -> None:
    extraction = steps.extract(invited(NUMBER))
    steps.transform((extraction, [invited(NUMBER)]))
    before = steps.everything()

    assert steps.transform((extraction, [not_invited(NUMBER)])) == [False]
    assert steps.everything() == before


def test_an_older_extraction_is_superseded_by_a_newer_one_and_its_rows_are_erased(
    steps: Steps,
) -> None:
    older = steps.extract(invited(NUMBER), actor=OTHER_RUN)
    steps.read(invited(NUMBER))

    assert steps.transform((older, [not_invited(NUMBER)]), actor=OTHER_RUN) == [False]
    found = steps.extraction(older.id)
    assert (found["applied_at"], found["superseded_at"] is not None) == (None, True)
    assert (steps.stands(), steps.rows(schema.staged, "chunk")) == ([("ready", None)], [])


def test_a_slow_reading_is_superseded_by_one_that_began_after_it_and_ended_before(
    steps: Steps,
) -> None:
    """It shows the day as it was before the patient's death was entered."""
    slow = steps.extract_around(lambda: steps.read(not_invited(NUMBER, Reason.DEATH)))

    assert steps.transform((slow, [invited(NUMBER)]), actor=OTHER_RUN) == [False]
    assert steps.extraction(slow.id)["superseded_at"] is not None
    assert steps.stands() == [("excluded", "death")]


def test_a_reading_that_began_after_a_slow_one_is_applied_after_it(steps: Steps) -> None:
    newer: list[Extraction] = []
    slow = steps.extract_around(lambda: newer.append(steps.extract(not_invited(NUMBER))))
    steps.transform((slow, [invited(NUMBER)]), actor=OTHER_RUN)

    assert steps.transform((newer[0], [not_invited(NUMBER)])) == [True]
    assert steps.stands() == [("excluded", "no_contact")]


def test_a_day_is_balanced_by_the_reading_that_began_last(steps: Steps) -> None:
    """Also what leaves it afterwards is counted there, not with the one that ended last."""
    both = [not_invited(NUMBER), not_invited(NUMBER + 1)]
    newer: list[Extraction] = []
    slow = steps.extract_around(lambda: newer.append(steps.extract(*both)))
    steps.transform((slow, [invited(NUMBER)]), actor=OTHER_RUN)
    steps.transform((newer[0], both))
    steps.read(not_invited(NUMBER), day=DAY_BEFORE)

    with steps.ledger.reading() as connection:
        equation = day_facts(connection, [DAY])[DAY].equation
    assert equation is not None
    assert (equation.rows, equation.other_day, equation.holds) == (2, 1, True)


def test_a_slow_reading_moves_nothing_back(steps: Steps) -> None:
    """The ERP moved the attendance after it had begun."""
    slow = steps.extract_around(lambda: steps.read(invited(NUMBER)), day=DAY_BEFORE)
    steps.transform((slow, [invited(NUMBER)]), actor=OTHER_RUN)

    assert steps.line().day == DAY
    assert steps.counted(slow.id) == {"attendances": 1, "other_day": 1}


def test_a_newer_extraction_that_is_not_applied_supersedes_nothing(steps: Steps) -> None:
    older = steps.extract(invited(NUMBER), actor=OTHER_RUN)
    steps.extract(invited(NUMBER))

    assert steps.transform((older, [invited(NUMBER)]), actor=OTHER_RUN) == [True]


def test_an_extraction_of_another_day_supersedes_nothing(steps: Steps) -> None:
    extraction = steps.extract(invited(NUMBER))
    steps.read(day=DAY_BEFORE)

    assert steps.transform((extraction, [invited(NUMBER)])) == [True]


def test_what_tries_of_the_run_left_behind_is_erased_and_that_of_others_not(
    steps: Steps,
) -> None:
    steps.extract(invited(NUMBER))  # an earlier try of the run
    steps.extract(invited(NUMBER), actor=OTHER_RUN)
    steps.extract(invited(NUMBER), day=DAY_BEFORE)
    steps.read(invited(NUMBER))

    assert len(steps.rows(schema.staged, "chunk")) == 2


def test_what_a_later_try_is_staging_is_left_alone(steps: Steps) -> None:
    mine = steps.extract(invited(NUMBER))
    steps.extract(invited(NUMBER))
    steps.transform((mine, [invited(NUMBER)]))

    assert len(steps.rows(schema.staged, "chunk")) == 1


def test_a_lost_try_that_ends_after_all_is_not_applied_without_its_rows(steps: Steps) -> None:
    """Its first rows were erased with those of the try that took its place."""

    def slowly() -> Iterator[dict[str, list[str]]]:
        for number in range(CHUNKS_A_TRANSACTION + 1):
            yield {"cd_atendimento": [str(NUMBER + number)]}
        steps.read(invited(NUMBER), invited(NUMBER + 1))

    stage_extraction(steps.ledger, slowly(), source="hms", day=DAY, actor=RUN)
    lost = steps.newest_extraction()
    assert lost is not None

    assert steps.transform((lost, [invited(NUMBER + 2)])) == [False]
    assert steps.stands() == [("ready", None)] * 2


def test_an_extraction_notes_what_it_came_to(steps: Steps) -> None:
    first = steps.read(invited(NUMBER), invited(NUMBER + 1), not_invited(NUMBER + 2))

    row = steps.extraction(first.id)
    assert row["applied_at"] is not None
    assert (row["rows"], row["rows_merged"], row["attendances"], row["volume"]) == (3, 0, 3, 2)


# --- days of any size -----------------------------------------------------------------------


def test_postgresql_counts_its_tables_after_a_large_day(postgresql_steps: Steps) -> None:
    """Without it the plans of the claims that follow would be guesses."""
    steps = postgresql_steps
    steps.run_sql("analyze lines")
    steps.read(*(invited(NUMBER + n) for n in range(1000)))

    with steps.ledger.reading() as connection:
        counted = connection.exec_driver_sql(
            "select reltuples from pg_class where oid = 'lines'::regclass"
        ).scalar_one()
    assert counted == 1000


@pytest.fixture
def small_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few lines be as many as a large day has: they are written in several parts."""
    monkeypatch.setattr(envelope_writer, "_LINES_A_WRITE", 3)
    monkeypatch.setattr(envelope_writer, "_IDENTITIES_A_WRITE", 10)
    monkeypatch.setattr(envelope_writer, "_RESERVED", 1)


def test_a_day_that_is_written_in_parts_is_whole(steps: Steps, small_writes: None) -> None:
    attendances = [invited(NUMBER + n) for n in range(20)]
    steps.read(*attendances, terms=replace(TERMS, batch_size=2))

    lines = steps.lines()
    assert steps.stands() == [("ready", None)] * 20
    assert all(line.payload for line in lines)
    assert {line.attendance_id: steps.identities(line.id) for line in lines} == {
        one.attendance_id: steps.hashed(one) for one in attendances
    }


def test_a_person_is_found_twice_although_the_lines_were_written_apart(
    steps: Steps, small_writes: None
) -> None:
    crowd = [invited(NUMBER + n) for n in range(1, 9)]
    both = invited(NUMBER, person=SAME), invited(NUMBER + 9, person=SAME)
    steps.read(both[0], *crowd, both[1], terms=replace(TERMS, batch_size=2))

    assert steps.stands() == [("ready", None)] * 9 + [("excluded", "same_person")]


def test_an_attendance_that_moves_within_the_run_keeps_the_identities_it_has_now(
    steps: Steps, small_writes: None
) -> None:
    """Those of the day it left may be written already, or not yet."""
    days = {
        DAY: [invited(NUMBER + n) for n in range(8)],
        DAY_BEFORE: [invited(NUMBER + n, email=f"new{n}@example.test") for n in (0, 7)],
    }
    steps.read_days(days, terms=replace(TERMS, batch_size=2))

    moved = [line for line in steps.lines() if line.day == DAY_BEFORE]
    assert [steps.identities(line.id) for line in moved] == [
        steps.hashed(one) for one in days[DAY_BEFORE]
    ]
