"""Extractions are applied once, in the order in which they began, whatever their size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from reading_steps import (
    DAY,
    DAY_BEFORE,
    NUMBER,
    OTHER_RUN,
    RUN,
    SAME,
    TERMS,
    apply,
    change,
    counted,
    everything,
    extraction_of,
    hashed,
    identities_of,
    invited,
    line_of,
    lines_of,
    newest_extraction,
    not_invited,
    read_day,
    read_days,
    rows_of,
    stage,
    staged_around,
    stands,
)

from track_dispatch.ledger import envelope_writer, schema
from track_dispatch.ledger.extractions import CHUNKS_A_TRANSACTION, stage_extraction
from track_dispatch.ledger.views import day_facts
from track_dispatch.states import Reason

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.extractions import Extraction


# --- once, and in the order in which the readings began ------------------------------------


def test_an_extraction_is_applied_once(ledger: Ledger) -> None:
    extraction = stage(ledger, invited(NUMBER))
    apply(ledger, (extraction, [invited(NUMBER)]))
    before = everything(ledger)

    assert apply(ledger, (extraction, [not_invited(NUMBER)])) == [False]
    assert everything(ledger) == before


def test_an_older_extraction_is_superseded_by_a_newer_one_and_its_rows_are_erased(
    ledger: Ledger,
) -> None:
    older = stage(ledger, invited(NUMBER), actor=OTHER_RUN)
    read_day(ledger, invited(NUMBER))

    assert apply(ledger, (older, [not_invited(NUMBER)]), actor=OTHER_RUN) == [False]
    found = extraction_of(ledger, older.id)
    assert (found["applied_at"], found["superseded_at"] is not None) == (None, True)
    assert (stands(ledger), rows_of(ledger, schema.staged, "chunk")) == ([("ready", None)], [])


def test_a_slow_reading_is_superseded_by_one_that_began_after_it_and_ended_before(
    ledger: Ledger,
) -> None:
    """It shows the day as it was before the patient's death was entered."""
    slow = staged_around(ledger, lambda: read_day(ledger, not_invited(NUMBER, Reason.DEATH)))

    assert apply(ledger, (slow, [invited(NUMBER)]), actor=OTHER_RUN) == [False]
    assert extraction_of(ledger, slow.id)["superseded_at"] is not None
    assert stands(ledger) == [("excluded", "death")]


def test_a_reading_that_began_after_a_slow_one_is_applied_after_it(ledger: Ledger) -> None:
    newer: list[Extraction] = []
    slow = staged_around(ledger, lambda: newer.append(stage(ledger, not_invited(NUMBER))))
    apply(ledger, (slow, [invited(NUMBER)]), actor=OTHER_RUN)

    assert apply(ledger, (newer[0], [not_invited(NUMBER)])) == [True]
    assert stands(ledger) == [("excluded", "no_contact")]


def test_a_day_is_balanced_by_the_reading_that_began_last(ledger: Ledger) -> None:
    """Also what leaves it afterwards is counted there, not with the one that ended last."""
    both = [not_invited(NUMBER), not_invited(NUMBER + 1)]
    newer: list[Extraction] = []
    slow = staged_around(ledger, lambda: newer.append(stage(ledger, *both)))
    apply(ledger, (slow, [invited(NUMBER)]), actor=OTHER_RUN)
    apply(ledger, (newer[0], both))
    read_day(ledger, not_invited(NUMBER), day=DAY_BEFORE)

    with ledger.reading() as connection:
        equation = day_facts(connection, [DAY])[DAY].equation
    assert equation is not None
    assert (equation.rows, equation.other_day, equation.holds) == (2, 1, True)


def test_a_slow_reading_moves_nothing_back(ledger: Ledger) -> None:
    """The ERP moved the attendance after it had begun."""
    slow = staged_around(ledger, lambda: read_day(ledger, invited(NUMBER)), day=DAY_BEFORE)
    apply(ledger, (slow, [invited(NUMBER)]), actor=OTHER_RUN)

    assert line_of(ledger).day == DAY
    assert counted(ledger, slow.id) == {"attendances": 1, "other_day": 1}


def test_a_newer_extraction_that_is_not_applied_supersedes_nothing(ledger: Ledger) -> None:
    older = stage(ledger, invited(NUMBER), actor=OTHER_RUN)
    stage(ledger, invited(NUMBER))

    assert apply(ledger, (older, [invited(NUMBER)]), actor=OTHER_RUN) == [True]


def test_an_extraction_of_another_day_supersedes_nothing(ledger: Ledger) -> None:
    extraction = stage(ledger, invited(NUMBER))
    read_day(ledger, day=DAY_BEFORE)

    assert apply(ledger, (extraction, [invited(NUMBER)])) == [True]


def test_what_tries_of_the_run_left_behind_is_erased_and_that_of_others_not(
    ledger: Ledger,
) -> None:
    stage(ledger, invited(NUMBER))  # an earlier try of the run
    stage(ledger, invited(NUMBER), actor=OTHER_RUN)
    stage(ledger, invited(NUMBER), day=DAY_BEFORE)
    read_day(ledger, invited(NUMBER))

    assert len(rows_of(ledger, schema.staged, "chunk")) == 2


def test_what_a_later_try_is_staging_is_left_alone(ledger: Ledger) -> None:
    mine = stage(ledger, invited(NUMBER))
    stage(ledger, invited(NUMBER))
    apply(ledger, (mine, [invited(NUMBER)]))

    assert len(rows_of(ledger, schema.staged, "chunk")) == 1


def test_a_lost_try_that_ends_after_all_is_not_applied_without_its_rows(ledger: Ledger) -> None:
    """Its first rows were erased with those of the try that took its place."""

    def slowly() -> Iterator[dict[str, list[str]]]:
        for number in range(CHUNKS_A_TRANSACTION + 1):
            yield {"cd_atendimento": [str(NUMBER + number)]}
        read_day(ledger, invited(NUMBER), invited(NUMBER + 1))

    stage_extraction(ledger, slowly(), source="hms", day=DAY, actor=RUN)
    lost = newest_extraction(ledger)
    assert lost is not None

    assert apply(ledger, (lost, [invited(NUMBER + 2)])) == [False]
    assert stands(ledger) == [("ready", None)] * 2


def test_an_extraction_notes_what_it_came_to(ledger: Ledger) -> None:
    first = read_day(ledger, invited(NUMBER), invited(NUMBER + 1), not_invited(NUMBER + 2))

    row = extraction_of(ledger, first.id)
    assert row["applied_at"] is not None
    assert (row["rows"], row["rows_merged"], row["attendances"], row["volume"]) == (3, 0, 3, 2)


# --- days of any size -----------------------------------------------------------------------


def test_postgresql_counts_its_tables_after_a_large_day(postgresql_ledger: Ledger) -> None:
    """Without it the plans of the claims that follow would be guesses."""
    ledger = postgresql_ledger
    change(ledger, "analyze lines")
    read_day(ledger, *(invited(NUMBER + n) for n in range(1000)))

    with ledger.reading() as connection:
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


def test_a_day_that_is_written_in_parts_is_whole(ledger: Ledger, small_writes: None) -> None:
    attendances = [invited(NUMBER + n) for n in range(20)]
    read_day(ledger, *attendances, terms=replace(TERMS, batch_size=2))

    lines = lines_of(ledger)
    assert stands(ledger) == [("ready", None)] * 20
    assert all(line.payload for line in lines)
    assert {line.attendance_id: identities_of(ledger, line.id) for line in lines} == {
        one.attendance_id: hashed(ledger, one) for one in attendances
    }


def test_a_person_is_found_twice_although_the_lines_were_written_apart(
    ledger: Ledger, small_writes: None
) -> None:
    crowd = [invited(NUMBER + n) for n in range(1, 9)]
    both = invited(NUMBER, person=SAME), invited(NUMBER + 9, person=SAME)
    read_day(ledger, both[0], *crowd, both[1], terms=replace(TERMS, batch_size=2))

    assert stands(ledger) == [("ready", None)] * 9 + [("excluded", "same_person")]


def test_an_attendance_that_moves_within_the_run_keeps_the_identities_it_has_now(
    ledger: Ledger, small_writes: None
) -> None:
    """Those of the day it left may be written already, or not yet."""
    days = {
        DAY: [invited(NUMBER + n) for n in range(8)],
        DAY_BEFORE: [invited(NUMBER + n, email=f"new{n}@example.test") for n in (0, 7)],
    }
    read_days(ledger, days, terms=replace(TERMS, batch_size=2))

    moved = [line for line in lines_of(ledger) if line.day == DAY_BEFORE]
    assert [identities_of(ledger, line.id) for line in moved] == [
        hashed(ledger, one) for one in days[DAY_BEFORE]
    ]
