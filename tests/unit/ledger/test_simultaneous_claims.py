"""Two sessions never get one line, however they interleave."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from ledger_steps import (
    ACTOR,
    OTHER_SURVEY,
    TERMS,
    UNIT,
    blocked,
    fill,
    ids,
    states_of,
    take,
)
from sqlalchemy import insert, select, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import SurveyBusyError
from track_dispatch.ledger.claims import claim
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.units import ready_lines

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from track_dispatch.ledger.database import Ledger

SESSIONS, LINES = 4, 60


def everybody_claims(ledger: Ledger, surveys: list[str]) -> Counter[int]:
    """Let sessions claim and settle at once until nothing is ready; count what each line got."""
    barrier = Barrier(len(surveys))

    def session(survey: str) -> list[int]:
        taken: list[int] = []
        barrier.wait(30)
        while _ready(ledger):
            try:
                terms = replace(TERMS, survey_uuid=survey)
                batch = claim(ledger, UNIT, terms, limit=3, after=0, actor=ACTOR)
            except SurveyBusyError:
                continue
            if batch is not None:
                taken += ids(batch)
                settle(ledger, batch, Settlement(accepted=ids(batch)), actor=ACTOR)
        return taken

    with ThreadPoolExecutor(len(surveys)) as pool:
        return Counter(line for taken in pool.map(session, surveys) for line in taken)


@pytest.mark.parametrize("surveys", [1, SESSIONS], ids=["one_survey", "a_survey_each"])
def test_sessions_that_claim_at_once_share_the_lines_without_overlap(
    ledger: Ledger, surveys: int
) -> None:
    lines = fill(ledger, LINES)
    claims = everybody_claims(ledger, [f"survey-{n % surveys}" for n in range(SESSIONS)])

    assert claims == Counter(lines)
    assert states_of(ledger) == ["accepted"] * LINES


def test_lines_that_another_session_holds_are_passed_over(postgresql_ledger: Ledger) -> None:
    lines = fill(postgresql_ledger, 4)
    with postgresql_ledger.writing() as connection:
        _hold(connection, lines[:2])
        batch = take(postgresql_ledger, limit=9)

    assert ids(batch) == lines[2:]


def test_where_another_session_holds_all_there_is_nothing_is_claimed(
    postgresql_ledger: Ledger,
) -> None:
    lines = fill(postgresql_ledger, 2)
    with postgresql_ledger.writing() as connection:
        _hold(connection, lines)
        batch = claim(postgresql_ledger, UNIT, TERMS, limit=9, after=0, actor=ACTOR)

    assert (batch, states_of(postgresql_ledger)) == (None, ["ready", "ready"])


@pytest.mark.parametrize("limit", [1, 9])
def test_lines_that_another_session_is_claiming_are_never_claimed_again(
    ledger: Ledger, limit: int
) -> None:
    """The first claim is not committed yet when the second begins, under another survey."""
    lines = fill(ledger, 3)
    with ledger.writing() as connection:
        _claim_by_hand(connection, lines[:1], OTHER_SURVEY)
        if ledger.on_postgresql:
            batch = take(ledger, limit=limit)
        else:
            with blocked(ledger, lambda: take(ledger, limit=limit)) as second:
                connection.commit()
            batch = second.result(30)

    assert ids(batch) == lines[1:][:limit]


def test_a_second_claim_of_a_survey_waits_for_the_first_and_finds_it_busy(
    ledger: Ledger,
) -> None:
    lines = fill(ledger, 3)
    with ledger.writing() as connection:
        _claim_by_hand(connection, lines[:1], TERMS.survey_uuid)
        with blocked(ledger, lambda: take(ledger)) as second:
            connection.commit()
        error = second.exception(30)

    assert isinstance(error, SurveyBusyError)
    assert states_of(ledger) == ["sending", "ready", "ready"]


def test_a_second_claim_of_a_survey_goes_ahead_when_the_first_fails(ledger: Ledger) -> None:
    lines = fill(ledger, 3)
    with ledger.writing() as connection:
        _claim_by_hand(connection, lines[:1], TERMS.survey_uuid)
        with blocked(ledger, lambda: take(ledger)) as second:
            connection.rollback()
        batch = second.result(30)

    assert ids(batch) == lines


def test_a_claim_does_not_wait_for_a_transform_that_reads_the_day_again(
    postgresql_ledger: Ledger,
) -> None:
    lines = fill(postgresql_ledger, 2)
    with postgresql_ledger.writing() as connection:
        seen = update(schema.lines).where(schema.lines.c.id == lines[0])
        connection.execute(seen.values(extraction_id=schema.lines.c.extraction_id))
        batch = take(postgresql_ledger)

    assert ids(batch) == lines[1:]


def _ready(ledger: Ledger) -> int:
    with ledger.reading() as connection:
        return ready_lines(connection, UNIT)


def _hold(connection: Connection, lines: list[int]) -> None:
    held = select(schema.lines.c.id).where(schema.lines.c.id.in_(lines)).with_for_update()
    assert len(connection.execute(held).all()) == len(lines)


def _claim_by_hand(connection: Connection, lines: list[int], survey: str) -> None:
    """Claim as another session does, up to its commit."""
    lease = moment_in(TERMS.lease_seconds)
    connection.execute(
        insert(schema.batches).values(
            id="theirs",
            claim_id="theirs",
            survey_uuid=survey,
            hospital=UNIT.hospital,
            business_day=UNIT.business_day,
            area=UNIT.area,
            channel=UNIT.channel,
            state="sending",
            lines=len(lines),
            validity_at=TERMS.validity_at,
            lease_until=lease,
            created_at=moment_in(),
            changed_at=moment_in(),
        )
    )
    connection.execute(
        update(schema.lines)
        .where(schema.lines.c.id.in_(lines))
        .values(state="sending", claim_id="theirs", batch_id="theirs", lease_until=lease)
    )
