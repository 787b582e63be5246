"""Extractions: complete or not there, and never readable without the keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.ledger.reading_steps import DAY, DAY_BEFORE, OTHER_RUN, RUN, TERMS, TODAY, invited
from tests.unit.ledger.steps import Steps
from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.apply_extraction import applying_extractions
from track_dispatch.ledger.extractions import (
    CHUNKS_A_TRANSACTION,
    Extraction,
    run_extractions,
    stage_extraction,
    staged_columns,
    staged_ids,
    stale_days,
)
from track_dispatch.ledger.retention import erase_staged
from track_dispatch.pipeline.transform import standing_back

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import HospitalDay

PLANTED = "ANASTACIA PLANTADA"
CHUNKS = [
    {"cd_atendimento": ["987654321"], "name": [PLANTED]},
    {"cd_atendimento": ["900000002", "900000003"], "name": ["JOÃO", ""]},
]
MORE = [{"cd_atendimento": [str(n)]} for n in range(CHUNKS_A_TRANSACTION * 3)]


class ErpGoneError(Exception):
    pass


def staging(ledger: Ledger, chunks: Iterable[dict[str, list[str]]], day: HospitalDay = DAY) -> int:
    return stage_extraction(ledger, chunks, source="hms", day=day, actor=RUN)


def breaking_off(chunks: list[dict[str, list[str]]] = CHUNKS) -> Iterator[dict[str, list[str]]]:
    yield from chunks
    raise ErpGoneError


def found(steps: Steps) -> Extraction:
    extraction = steps.newest_extraction()
    assert extraction is not None
    return extraction


@pytest.mark.parametrize("chunks", [CHUNKS, MORE], ids=["few", "several_transactions"])
def test_what_was_staged_comes_back_chunk_by_chunk_in_order(
    steps: Steps, chunks: list[dict[str, list[str]]]
) -> None:
    staging(steps.ledger, chunks)

    id_ = found(steps).id
    with steps.ledger.reading() as connection:
        assert list(staged_columns(connection, steps.ledger.keys, id_)) == chunks
        assert list(staged_ids(connection, steps.ledger.keys, id_)) == [
            chunk["cd_atendimento"] for chunk in chunks
        ]


def test_an_extraction_knows_its_rows_its_run_and_its_try(steps: Steps) -> None:
    assert staging(steps.ledger, CHUNKS) == 3

    (row,) = steps.rows(schema.extractions)
    told = ("source", "hospital", "business_day", "run_id", "try_number", "rows")
    assert [row[name] for name in told] == [
        "hms",
        DAY.hospital,
        DAY.business_day,
        RUN.run_id,
        RUN.try_number,
        3,
    ]


@pytest.mark.parametrize(
    "chunks", [[], [{"cd_atendimento": []}]], ids=["no_chunk", "an_empty_chunk"]
)
def test_a_day_without_patients_is_a_complete_extraction(
    steps: Steps, chunks: list[dict[str, list[str]]]
) -> None:
    assert staging(steps.ledger, chunks) == 0

    assert steps.transform((found(steps), [])) == [True]


def test_an_extraction_that_broke_off_is_on_record_and_incomplete(steps: Steps) -> None:
    with pytest.raises(ErpGoneError):
        staging(steps.ledger, breaking_off())

    (row,) = steps.rows(schema.extractions)
    assert (row["started_at"] is not None, row["completed_at"]) == (True, None)


def test_an_extraction_that_broke_off_before_its_first_row_is_on_record(steps: Steps) -> None:
    with pytest.raises(ErpGoneError):
        staging(steps.ledger, breaking_off([]))

    assert [row["completed_at"] for row in steps.rows(schema.extractions)] == [None]


def test_an_extraction_that_broke_off_is_never_the_newest(steps: Steps) -> None:
    complete = steps.extract(invited(1))
    with pytest.raises(ErpGoneError):
        staging(steps.ledger, breaking_off())

    assert steps.newest_extraction() == complete


def test_an_extraction_is_complete_with_its_last_chunk_or_not_at_all(steps: Steps) -> None:
    with steps.refusing("extractions", "update"), pytest.raises(LedgerError):
        staging(steps.ledger, MORE)

    assert steps.newest_extraction() is None
    assert len(steps.rows(schema.staged, "chunk")) == len(MORE) - CHUNKS_A_TRANSACTION


def test_a_run_finds_its_own_extractions_only(steps: Steps) -> None:
    mine = steps.extract(invited(1))
    steps.extract(invited(1), actor=OTHER_RUN)

    assert steps.newest_extraction() == mine


def test_the_newest_extraction_is_the_one_that_began_last(steps: Steps) -> None:
    """The other one read for so long that a further try began and ended meanwhile."""
    inner: list[Extraction] = []

    def slowly() -> Iterator[dict[str, list[str]]]:
        yield CHUNKS[0]
        inner.append(steps.extract(invited(1)))

    staging(steps.ledger, slowly())

    assert [found(steps)] == inner


def test_a_run_has_one_extraction_of_each_day_the_latest_day_first(steps: Steps) -> None:
    steps.extract(invited(1))
    earlier = steps.extract(invited(1), day=DAY_BEFORE)
    mine = steps.extract(invited(2))

    with steps.ledger.reading() as connection:
        read = run_extractions(connection, hospital=DAY.hospital, run_id=str(RUN.run_id))
    assert read == [mine, earlier]


def test_no_transaction_is_open_while_the_erp_is_read(steps: Steps) -> None:
    """Another session writes between two chunks: on SQLite it would wait for ever."""

    def meanwhile() -> Iterator[dict[str, list[str]]]:
        for chunk in MORE:
            yield chunk
            steps.run_sql("update ledger set next_envelope = next_envelope + 1")

    assert staging(steps.ledger, meanwhile()) == len(MORE)


def test_staged_rows_are_unreadable_in_the_table(steps: Steps) -> None:
    staging(steps.ledger, CHUNKS)

    rows = steps.rows(schema.staged, "chunk")
    tokens = b"".join(row["ids"] + row["payload"] for row in rows)
    assert (PLANTED.encode() in tokens, b"987654321" in tokens) == (False, False)


def test_staged_rows_are_unreadable_in_the_files(sqlite_ledger: Ledger) -> None:
    """The planted source shows that a readable value would be found."""
    stage_extraction(sqlite_ledger, CHUNKS, source="readable", day=DAY, actor=RUN)
    database = sqlite_ledger.engine.url.database
    assert database is not None
    held = b"".join(Path(database + suffix).read_bytes() for suffix in ("", "-wal"))

    planted = [value for value in ("readable", PLANTED, "987654321") if value.encode() in held]
    assert planted == ["readable"]


def test_the_rows_of_another_extraction_are_refused(steps: Steps) -> None:
    first, second = steps.extract(invited(1)), steps.extract(invited(2))
    steps.run_sql("delete from staged where extraction = :id", id=second.id)
    steps.run_sql("update staged set extraction = :id", id=second.id)

    with (
        steps.ledger.reading() as connection,
        pytest.raises(LedgerError, match="another one's rows"),
    ):
        list(staged_columns(connection, steps.ledger.keys, second.id))
    assert first.id != second.id


def apply_while_erased(ledger: Ledger, extraction: Extraction, *, after: int) -> None:
    """Apply an extraction whose rows are erased when so many chunks are read."""
    with applying_extractions(ledger, source="hms", zone=UTC, actor=RUN) as transform:
        day = transform.begin(extraction, TERMS)
        assert day is not None
        chunks = staged_columns(transform.connection, ledger.keys, extraction.id)
        first = [next(chunks) for _ in range(after)]
        erase_staged(ledger)
        for chunk in chain(first, chunks):
            day.take([invited(int(one)) for one in chunk["cd_atendimento"]], lambda _: {})
        day.end_of_reading(rows_merged=0)
        transform.finish(standing_back)


@pytest.mark.parametrize("left", [2, 0], ids=["under_the_reader", "before_the_first"])
def test_rows_that_were_erased_are_not_taken_for_a_smaller_day(
    postgresql_steps: Steps, left: int
) -> None:
    """A transform that is cleared days later meets the night's housekeeping."""
    steps = postgresql_steps
    ids = [str(number) for number in range(1, 5)]
    steps.read(*(invited(int(one)) for one in ids), actor=OTHER_RUN)
    staging(steps.ledger, [{"cd_atendimento": [one]} for one in ids])
    again = found(steps)
    steps.run_sql("update extractions set started_at = started_at - interval '4 days'")
    before = steps.stands()

    with pytest.raises(LedgerError, match=f"{left} of 4 rows"):
        apply_while_erased(steps.ledger, again, after=left)

    assert steps.stands() == before == [("ready", None)] * 4
    applied = {row["id"]: row["applied_at"] for row in steps.rows(schema.extractions)}
    assert applied[again.id] is None


@pytest.mark.parametrize("read", [staged_ids, staged_columns])
def test_a_missing_chunk_is_told(steps: Steps, read: Any) -> None:
    staging(steps.ledger, CHUNKS)
    steps.run_sql("delete from staged where chunk = 0")

    with steps.ledger.reading() as connection, pytest.raises(LedgerError, match="2 of 3 rows"):
        list(read(connection, steps.ledger.keys, found(steps).id))


# --- days that wait and must be read again --------------------------------------------------


def stale(ledger: Ledger, today: date = TODAY) -> list[date]:
    with ledger.reading() as connection:
        return stale_days(connection, hospital=DAY.hospital, today=today)


def grow_old(steps: Steps, hours: int = 24) -> None:
    """Let all that was read be read some hours earlier."""
    for row in steps.rows(schema.extractions):
        steps.run_sql(
            "update extractions set started_at = :earlier where id = :id",
            earlier=f"{row['started_at'] - timedelta(hours=hours):%Y-%m-%d %H:%M:%S.%f}"
            + ("+00" if steps.ledger.on_postgresql else ""),
            id=row["id"],
        )


@pytest.mark.parametrize("state", ["ready", "held"])
def test_a_day_that_still_waits_a_day_later_is_read_again(steps: Steps, state: str) -> None:
    steps.read(invited(1))
    steps.leave(state)
    fresh = stale(steps.ledger)
    grow_old(steps)

    assert (fresh, stale(steps.ledger)) == ([], [DAY.business_day])


def test_a_reopened_day_is_read_again_however_young_its_reading_is(steps: Steps) -> None:
    steps.read(invited(1))
    steps.leave("reopened")

    assert stale(steps.ledger) == [DAY.business_day]


@pytest.mark.parametrize("state", ["sending", "in_doubt", "accepted", "refused", "excluded"])
def test_a_day_in_which_nothing_waits_is_not_read_again(steps: Steps, state: str) -> None:
    steps.read(invited(1))
    steps.leave(state)
    grow_old(steps)

    assert stale(steps.ledger) == []


def test_a_day_whose_patients_may_not_be_asked_any_more_is_not_read_again(steps: Steps) -> None:
    steps.read(invited(1))
    grow_old(steps)
    assert TERMS.ask_until is not None

    last_day = stale(steps.ledger, TERMS.ask_until)
    assert (last_day, stale(steps.ledger, TERMS.ask_until + timedelta(1))) == (
        [DAY.business_day],
        [],
    )


def test_the_latest_of_the_days_comes_first_and_other_hospitals_not_at_all(
    steps: Steps,
) -> None:
    steps.read(invited(1), day=DAY_BEFORE)
    steps.read(invited(2))
    steps.read(invited(3), day=DAY._replace(hospital="HMSM"), source="hmsm")
    grow_old(steps)

    assert stale(steps.ledger) == [DAY.business_day, DAY_BEFORE.business_day]
