"""Extractions: complete or not there, and never readable without the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ledger_steps import (
    ACTOR,
    DAY,
    OTHER_RUN,
    UNIT,
    apply,
    refusing,
    rows_of,
    stage,
)

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.staging import newest_extraction, stage_extraction, staged_chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.staging import Extraction
    from track_dispatch.records import ErpRow

PLANTED = "ANASTACIA PLANTADA"
CHUNKS: list[list[ErpRow]] = [
    [{"name": PLANTED, "cd_atendimento": "987654321"}],
    [{"name": "JOÃO", "cd_atendimento": "900000002"}] * 2,
    [],
]


class ErpGoneError(Exception):
    pass


def breaking_off() -> Iterator[list[ErpRow]]:
    yield from CHUNKS
    raise ErpGoneError


def broken_off(ledger: Ledger) -> None:
    with pytest.raises(ErpGoneError):
        stage_extraction(
            ledger,
            breaking_off(),
            source="hms",
            hospital=UNIT.hospital,
            business_day=DAY,
            actor=ACTOR,
        )


def newest(ledger: Ledger, run_id: str | None = ACTOR.run_id) -> Extraction | None:
    with ledger.reading() as connection:
        return newest_extraction(
            connection, hospital=UNIT.hospital, business_day=DAY, run_id=str(run_id)
        )


def staged(ledger: Ledger, extraction: Extraction) -> list[list[ErpRow]]:
    with ledger.reading() as connection:
        return list(staged_chunks(ledger, connection, extraction.id))


def test_what_was_staged_comes_back_chunk_by_chunk(ledger: Ledger) -> None:
    assert staged(ledger, stage(ledger, *CHUNKS)) == CHUNKS


def test_more_chunks_than_digits_stay_in_order(ledger: Ledger) -> None:
    chunks = [[{"cd_atendimento": str(n)}] for n in range(12)]

    assert staged(ledger, stage(ledger, *chunks)) == chunks


def test_an_extraction_knows_its_rows_its_run_and_its_try(ledger: Ledger) -> None:
    stage(ledger, *CHUNKS)

    (found,) = rows_of(ledger, schema.extractions)
    told = ("source", "hospital", "business_day", "run_id", "try_number", "rows")
    assert [found[name] for name in told] == [
        "hms",
        UNIT.hospital,
        DAY,
        ACTOR.run_id,
        ACTOR.try_number,
        3,
    ]


@pytest.mark.parametrize("chunks", [[], [[]]], ids=["no_chunk", "an_empty_chunk"])
def test_a_day_without_patients_is_a_complete_extraction(
    ledger: Ledger, chunks: list[list[ErpRow]]
) -> None:
    extraction = stage(ledger, *chunks)

    (found,) = rows_of(ledger, schema.extractions)
    assert (found["rows"], found["completed_at"] is not None) == (0, True)
    assert apply(ledger, extraction)


def test_an_extraction_that_broke_off_is_on_record_and_incomplete(ledger: Ledger) -> None:
    broken_off(ledger)

    (found,) = rows_of(ledger, schema.extractions)
    assert (found["started_at"] is not None, found["completed_at"]) == (True, None)


def test_an_extraction_that_broke_off_is_never_the_newest(ledger: Ledger) -> None:
    complete = stage(ledger, *CHUNKS)
    broken_off(ledger)

    assert newest(ledger) == complete


def test_an_extraction_is_complete_with_its_last_chunk_or_not_at_all(ledger: Ledger) -> None:
    with refusing(ledger, "extractions", "update"), pytest.raises(LedgerError):
        stage(ledger, *CHUNKS)

    assert newest(ledger) is None
    assert len(rows_of(ledger, schema.staged_rows, "chunk")) == len(CHUNKS) - 1


def test_where_no_extraction_is_complete_there_is_no_newest(ledger: Ledger) -> None:
    broken_off(ledger)

    assert newest(ledger) is None


def test_a_run_finds_its_own_extractions_only(ledger: Ledger) -> None:
    mine = stage(ledger, *CHUNKS)
    stage(ledger, *CHUNKS, actor=OTHER_RUN)

    assert newest(ledger) == mine


def test_the_newest_extraction_is_the_one_that_ended_last(ledger: Ledger) -> None:
    """It began first, and read for so long that another try began and ended meanwhile."""
    inner: list[Extraction] = []

    def slowly() -> Iterator[list[ErpRow]]:
        yield CHUNKS[0]
        inner.append(stage(ledger, *CHUNKS))

    stage_extraction(
        ledger, slowly(), source="hms", hospital=UNIT.hospital, business_day=DAY, actor=ACTOR
    )

    found = newest(ledger)
    assert found is not None
    assert found.completed_at > inner[0].completed_at


def test_no_transaction_is_open_while_the_erp_is_read(ledger: Ledger) -> None:
    """Another session writes between two chunks: on SQLite it would wait for ever."""

    def meanwhile() -> Iterator[list[ErpRow]]:
        yield CHUNKS[0]
        stage(ledger, *CHUNKS, actor=OTHER_RUN)
        yield CHUNKS[1]

    assert (
        stage_extraction(
            ledger,
            meanwhile(),
            source="hms",
            hospital=UNIT.hospital,
            business_day=DAY,
            actor=ACTOR,
        )
        == 3
    )


def test_staged_rows_are_unreadable_in_the_table(ledger: Ledger) -> None:
    stage(ledger, *CHUNKS)

    payloads = b"".join(row["payload"] for row in rows_of(ledger, schema.staged_rows, "chunk"))
    assert (PLANTED.encode() in payloads, b"987654321" in payloads) == (False, False)


def test_staged_rows_are_unreadable_in_the_files(sqlite_ledger: Ledger) -> None:
    """The planted source shows that a readable value would be found."""
    stage(sqlite_ledger, *CHUNKS, source="readable")
    database = sqlite_ledger.engine.url.database
    assert database is not None
    held = b""
    for suffix in ("", "-wal"):
        with open(database + suffix, "rb") as file:  # noqa: PTH123 - a suffix, not a path
            held += file.read()

    found = [value for value in ("readable", PLANTED, "987654321") if value.encode() in held]
    assert found == ["readable"]
