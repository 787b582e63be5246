"""What ran where: each reading and each batch says it, and the ledger tells who differs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.unit.ledger.claim_steps import ACTOR, OTHER_SURVEY, SOFTWARE, TERMS, UNIT
from track_dispatch.ledger import schema
from track_dispatch.ledger.extractions import stage_extraction
from track_dispatch.ledger.history import SoftwareUse, recent_software, software_of_run
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.ledger.parts import begin_rehearsal, start_part
from track_dispatch.records import Actor, HospitalDay, Software

if TYPE_CHECKING:
    from sqlalchemy import Table

    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger

DAY = HospitalDay(UNIT.hospital, UNIT.business_day)
OTHER = SOFTWARE._replace(include_digest="000000000000")


def noted(steps: Steps, table: Table) -> list[Software]:
    return [Software(row["package_version"], row["include_digest"]) for row in steps.rows(table)]


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


def test_a_reading_says_what_read(steps: Steps) -> None:
    read(steps.ledger)

    assert noted(steps, schema.extractions) == [SOFTWARE]


def test_every_batch_says_what_posted_it(steps: Steps) -> None:
    """Also a part of it, what a part leaves over, and a rehearsal."""
    claimed = steps.claim(steps.fill(4))
    start_part(steps.ledger, claimed, claimed.lines[:2], terms=TERMS, status=422, actor=ACTOR)
    steps.end_leases()
    expire_leases(steps.ledger, hospital=None, actor=Actor("a person"))
    begin_rehearsal(
        steps.ledger, "r1", lines=3, terms=replace(TERMS, survey=OTHER_SURVEY), actor=ACTOR
    )

    assert noted(steps, schema.batches) == [SOFTWARE] * 4


# -- who reads it ------------------------------------------------------------------


def test_a_run_on_one_software_is_told_once(steps: Steps) -> None:
    read(steps.ledger)
    read(steps.ledger)
    steps.claim(steps.fill())

    assert of_run(steps.ledger) == [SOFTWARE]


def test_a_reading_and_a_batch_of_other_software_are_told_in_turn(steps: Steps) -> None:
    steps.claim(steps.fill())
    steps.run_sql("update batches set created_at = '2026-03-11 12:00:00'")
    read(steps.ledger, OTHER)

    assert of_run(steps.ledger) == [SOFTWARE, OTHER]


def test_other_runs_and_days_are_not_the_runs(steps: Steps) -> None:
    day_before = HospitalDay(DAY.hospital, DAY.business_day - timedelta(days=1))
    read(steps.ledger)
    read(steps.ledger, OTHER, day=day_before)
    steps.claim(steps.fill())

    assert of_run(steps.ledger) == [SOFTWARE]
    assert of_run(steps.ledger, DAY, day_before) == [SOFTWARE, OTHER]
    assert of_run(steps.ledger, run_id="another") == []


def test_who_does_not_say_what_it_is_is_nobody(ledger: Ledger) -> None:
    read(ledger, None)

    assert of_run(ledger) == []
    assert recent(ledger) == []


def test_a_software_is_seen_from_its_first_reading_to_its_last_batch(steps: Steps) -> None:
    before = datetime.now(UTC)
    read(steps.ledger)
    steps.claim(steps.fill())

    [seen] = recent(steps.ledger)

    assert seen.software == SOFTWARE
    assert seen.first < seen.last
    assert abs(seen.first - before) < timedelta(minutes=5)


def test_what_ran_days_ago_is_not_recent(steps: Steps) -> None:
    read(steps.ledger, OTHER)
    steps.claim(steps.fill())
    steps.run_sql("update extractions set started_at = '2026-03-11 12:00:00'")
    steps.run_sql("update batches set created_at = '2026-03-11 12:00:00'")
    read(steps.ledger)

    assert [use.software for use in recent(steps.ledger)] == [SOFTWARE]
