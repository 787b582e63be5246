"""What ran where: each reading and each batch says it, and the ledger tells who differs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ledger_rig import (
    ACTOR,
    OTHER_SURVEY,
    SOFTWARE,
    TERMS,
    UNIT,
    claim,
    end_leases,
    fill,
    rows_of,
    run_sql,
)

from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import expire_leases
from track_dispatch.ledger.extractions import stage_extraction
from track_dispatch.ledger.history import SoftwareUse, recent_software, software_of_run
from track_dispatch.ledger.parts import begin_rehearsal, start_part
from track_dispatch.records import Actor, HospitalDay, Software

if TYPE_CHECKING:
    from sqlalchemy import Table

    from track_dispatch.ledger.database import Ledger

DAY = HospitalDay(UNIT.hospital, UNIT.business_day)
OTHER = SOFTWARE._replace(include_digest="000000000000")


def noted(ledger: Ledger, table: Table) -> list[Software]:
    return [
        Software(row["package_version"], row["include_digest"]) for row in rows_of(ledger, table)
    ]


def read(ledger: Ledger, software: Software | None = SOFTWARE, *, day: HospitalDay = DAY) -> None:
    columns = {"cd_atendimento": ["1"]}
    actor = replace(ACTOR, software=software)
    stage_extraction(ledger, [columns], source="hms", day=day, actor=actor)


def of_run(ledger: Ledger, *days: HospitalDay, run_id: str = str(ACTOR.run_id)) -> list[Software]:
    with ledger.reading() as connection:
        found = software_of_run(connection, days or (DAY,), run_id=run_id)
    return [use.software for use in found]


def recent(ledger: Ledger) -> list[SoftwareUse]:
    with ledger.reading() as connection:
        return recent_software(connection, hours=26)


# -- who writes it -----------------------------------------------------------------


def test_a_reading_says_what_read(ledger: Ledger) -> None:
    read(ledger)

    assert noted(ledger, schema.extractions) == [SOFTWARE]


def test_every_batch_says_what_posted_it(ledger: Ledger) -> None:
    """Also a part of it, what a part leaves over, and a rehearsal."""
    claimed = claim(ledger, fill(ledger, 4))
    start_part(ledger, claimed, claimed.lines[:2], terms=TERMS, status=422, actor=ACTOR)
    end_leases(ledger)
    expire_leases(ledger, hospital=None, actor=Actor("a person"))
    begin_rehearsal(ledger, "r1", lines=3, terms=replace(TERMS, survey=OTHER_SURVEY), actor=ACTOR)

    assert noted(ledger, schema.batches) == [SOFTWARE] * 4


# -- who reads it ------------------------------------------------------------------


def test_a_run_on_one_software_is_told_once(ledger: Ledger) -> None:
    read(ledger)
    read(ledger)
    claim(ledger, fill(ledger))

    assert of_run(ledger) == [SOFTWARE]


def test_a_reading_and_a_batch_of_other_software_are_told_in_turn(ledger: Ledger) -> None:
    claim(ledger, fill(ledger))
    run_sql(ledger, "update batches set created_at = '2026-03-11 12:00:00'")
    read(ledger, OTHER)

    assert of_run(ledger) == [SOFTWARE, OTHER]


def test_other_runs_and_days_are_not_the_runs(ledger: Ledger) -> None:
    day_before = HospitalDay(DAY.hospital, DAY.business_day - timedelta(days=1))
    read(ledger)
    read(ledger, OTHER, day=day_before)
    claim(ledger, fill(ledger))

    assert of_run(ledger) == [SOFTWARE]
    assert of_run(ledger, DAY, day_before) == [SOFTWARE, OTHER]
    assert of_run(ledger, run_id="another") == []


def test_who_does_not_say_what_it_is_is_nobody(ledger: Ledger) -> None:
    read(ledger, None)

    assert of_run(ledger) == []
    assert recent(ledger) == []


def test_a_software_is_seen_from_its_first_reading_to_its_last_batch(ledger: Ledger) -> None:
    before = datetime.now(UTC)
    read(ledger)
    claim(ledger, fill(ledger))

    [seen] = recent(ledger)

    assert seen.software == SOFTWARE
    assert seen.first < seen.last
    assert abs(seen.first - before) < timedelta(minutes=5)


def test_what_ran_days_ago_is_not_recent(ledger: Ledger) -> None:
    read(ledger, OTHER)
    claim(ledger, fill(ledger))
    run_sql(ledger, "update extractions set started_at = '2026-03-11 12:00:00'")
    run_sql(ledger, "update batches set created_at = '2026-03-11 12:00:00'")
    read(ledger)

    assert [use.software for use in recent(ledger)] == [SOFTWARE]
