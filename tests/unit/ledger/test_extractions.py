"""Extractions: complete or not there, and never readable without the keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from reading_steps import (
    DAY,
    DAY_BEFORE,
    OTHER_RUN,
    RUN,
    TERMS,
    TODAY,
    apply,
    change,
    invited,
    leave,
    newest_extraction,
    read_day,
    refusing,
    rows_of,
    stage,
    stands,
)

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


def found(ledger: Ledger) -> Extraction:
    extraction = newest_extraction(ledger)
    assert extraction is not None
    return extraction


@pytest.mark.parametrize("chunks", [CHUNKS, MORE], ids=["few", "several_transactions"])
def test_what_was_staged_comes_back_chunk_by_chunk_in_order(
    ledger: Ledger, chunks: list[dict[str, list[str]]]
) -> None:
    staging(ledger, chunks)

    id_ = found(ledger).id
    with ledger.reading() as connection:
        assert list(staged_columns(connection, ledger.keys, id_)) == chunks
        assert list(staged_ids(connection, ledger.keys, id_)) == [
            chunk["cd_atendimento"] for chunk in chunks
        ]


def test_an_extraction_knows_its_rows_its_run_and_its_try(ledger: Ledger) -> None:
    assert staging(ledger, CHUNKS) == 3

    (row,) = rows_of(ledger, schema.extractions)
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
    ledger: Ledger, chunks: list[dict[str, list[str]]]
) -> None:
    assert staging(ledger, chunks) == 0

    assert apply(ledger, (found(ledger), [])) == [True]


def test_an_extraction_that_broke_off_is_on_record_and_incomplete(ledger: Ledger) -> None:
    with pytest.raises(ErpGoneError):
        staging(ledger, breaking_off())

    (row,) = rows_of(ledger, schema.extractions)
    assert (row["started_at"] is not None, row["completed_at"]) == (True, None)


def test_an_extraction_that_broke_off_before_its_first_row_is_on_record(ledger: Ledger) -> None:
    with pytest.raises(ErpGoneError):
        staging(ledger, breaking_off([]))

    assert [row["completed_at"] for row in rows_of(ledger, schema.extractions)] == [None]


def test_an_extraction_that_broke_off_is_never_the_newest(ledger: Ledger) -> None:
    complete = stage(ledger, invited(1))
    with pytest.raises(ErpGoneError):
        staging(ledger, breaking_off())

    assert newest_extraction(ledger) == complete


def test_an_extraction_is_complete_with_its_last_chunk_or_not_at_all(ledger: Ledger) -> None:
    with refusing(ledger, "extractions", "update"), pytest.raises(LedgerError):
        staging(ledger, MORE)

    assert newest_extraction(ledger) is None
    assert len(rows_of(ledger, schema.staged, "chunk")) == len(MORE) - CHUNKS_A_TRANSACTION


def test_a_run_finds_its_own_extractions_only(ledger: Ledger) -> None:
    mine = stage(ledger, invited(1))
    stage(ledger, invited(1), actor=OTHER_RUN)

    assert newest_extraction(ledger) == mine


def test_the_newest_extraction_is_the_one_that_began_last(ledger: Ledger) -> None:
    """The other one read for so long that a further try began and ended meanwhile."""
    inner: list[Extraction] = []

    def slowly() -> Iterator[dict[str, list[str]]]:
        yield CHUNKS[0]
        inner.append(stage(ledger, invited(1)))

    staging(ledger, slowly())

    assert [found(ledger)] == inner


def test_a_run_has_one_extraction_of_each_day_the_latest_day_first(ledger: Ledger) -> None:
    stage(ledger, invited(1))
    earlier = stage(ledger, invited(1), day=DAY_BEFORE)
    mine = stage(ledger, invited(2))

    with ledger.reading() as connection:
        read = run_extractions(connection, hospital=DAY.hospital, run_id=str(RUN.run_id))
    assert read == [mine, earlier]


def test_no_transaction_is_open_while_the_erp_is_read(ledger: Ledger) -> None:
    """Another session writes between two chunks: on SQLite it would wait for ever."""

    def meanwhile() -> Iterator[dict[str, list[str]]]:
        for chunk in MORE:
            yield chunk
            change(ledger, "update ledger set next_envelope = next_envelope + 1")

    assert staging(ledger, meanwhile()) == len(MORE)


def test_staged_rows_are_unreadable_in_the_table(ledger: Ledger) -> None:
    staging(ledger, CHUNKS)

    rows = rows_of(ledger, schema.staged, "chunk")
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


def test_the_rows_of_another_extraction_are_refused(ledger: Ledger) -> None:
    first, second = stage(ledger, invited(1)), stage(ledger, invited(2))
    change(ledger, "delete from staged where extraction = :id", id=second.id)
    change(ledger, "update staged set extraction = :id", id=second.id)

    with ledger.reading() as connection, pytest.raises(LedgerError, match="another one's rows"):
        list(staged_columns(connection, ledger.keys, second.id))
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
    postgresql_ledger: Ledger, left: int
) -> None:
    """A transform that is cleared days later meets the night's housekeeping."""
    ledger = postgresql_ledger
    ids = [str(number) for number in range(1, 5)]
    read_day(ledger, *(invited(int(one)) for one in ids), actor=OTHER_RUN)
    staging(ledger, [{"cd_atendimento": [one]} for one in ids])
    again = found(ledger)
    change(ledger, "update extractions set started_at = started_at - interval '4 days'")
    before = stands(ledger)

    with pytest.raises(LedgerError, match=f"{left} of 4 rows"):
        apply_while_erased(ledger, again, after=left)

    assert stands(ledger) == before == [("ready", None)] * 4
    applied = {row["id"]: row["applied_at"] for row in rows_of(ledger, schema.extractions)}
    assert applied[again.id] is None


@pytest.mark.parametrize("read", [staged_ids, staged_columns])
def test_a_missing_chunk_is_told(ledger: Ledger, read: Any) -> None:
    staging(ledger, CHUNKS)
    change(ledger, "delete from staged where chunk = 0")

    with ledger.reading() as connection, pytest.raises(LedgerError, match="2 of 3 rows"):
        list(read(connection, ledger.keys, found(ledger).id))


# --- days that wait and must be read again --------------------------------------------------


def stale(ledger: Ledger, today: date = TODAY) -> list[date]:
    with ledger.reading() as connection:
        return stale_days(connection, hospital=DAY.hospital, today=today)


def grow_old(ledger: Ledger, hours: int = 24) -> None:
    """Let all that was read be read some hours earlier."""
    for row in rows_of(ledger, schema.extractions):
        change(
            ledger,
            "update extractions set started_at = :earlier where id = :id",
            earlier=f"{row['started_at'] - timedelta(hours=hours):%Y-%m-%d %H:%M:%S.%f}"
            + ("+00" if ledger.on_postgresql else ""),
            id=row["id"],
        )


@pytest.mark.parametrize("state", ["ready", "held"])
def test_a_day_that_still_waits_a_day_later_is_read_again(ledger: Ledger, state: str) -> None:
    read_day(ledger, invited(1))
    leave(ledger, state)
    fresh = stale(ledger)
    grow_old(ledger)

    assert (fresh, stale(ledger)) == ([], [DAY.business_day])


def test_a_reopened_day_is_read_again_however_young_its_reading_is(ledger: Ledger) -> None:
    read_day(ledger, invited(1))
    leave(ledger, "reopened")

    assert stale(ledger) == [DAY.business_day]


@pytest.mark.parametrize("state", ["sending", "in_doubt", "accepted", "refused", "excluded"])
def test_a_day_in_which_nothing_waits_is_not_read_again(ledger: Ledger, state: str) -> None:
    read_day(ledger, invited(1))
    leave(ledger, state)
    grow_old(ledger)

    assert stale(ledger) == []


def test_a_day_whose_patients_may_not_be_asked_any_more_is_not_read_again(ledger: Ledger) -> None:
    read_day(ledger, invited(1))
    grow_old(ledger)
    assert TERMS.ask_until is not None

    last_day = stale(ledger, TERMS.ask_until)
    assert (last_day, stale(ledger, TERMS.ask_until + timedelta(1))) == ([DAY.business_day], [])


def test_the_latest_of_the_days_comes_first_and_other_hospitals_not_at_all(
    ledger: Ledger,
) -> None:
    read_day(ledger, invited(1), day=DAY_BEFORE)
    read_day(ledger, invited(2))
    read_day(ledger, invited(3), day=DAY._replace(hospital="HMSM"), source="hmsm")
    grow_old(ledger)

    assert stale(ledger) == [DAY.business_day, DAY_BEFORE.business_day]
