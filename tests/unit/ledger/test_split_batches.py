"""A refused batch is posted again in parts: each a batch of its own, under the same claim."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ledger_steps import (
    ACTOR,
    TERMS,
    UNIT,
    batches_of,
    end_leases,
    events_of,
    everything,
    fill,
    ids,
    invited,
    lines_of,
    read_day,
    refusing,
    sql,
    states_of,
    take,
)
from sqlalchemy import update

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import Batch, SurveyBusyError
from track_dispatch.ledger.claims import lease_left, start_part
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.settling import Settlement, doubt, expire_leases, settle
from track_dispatch.records import Channel

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger


def part_of(ledger: Ledger, batch: Batch, start: int, end: int) -> Batch | None:
    """Start a part of a refused batch."""
    return start_part(
        ledger,
        batch,
        batch.lines[start:end],
        lease_seconds=TERMS.lease_seconds,
        status=422,
        actor=ACTOR,
    )


def started(ledger: Ledger, batch: Batch, start: int, end: int) -> Batch:
    """Start a part of a refused batch that is still ours."""
    part = part_of(ledger, batch, start, end)
    assert part is not None
    return part


@pytest.fixture
def claimed(ledger: Ledger) -> Batch:
    """Claim four lines."""
    fill(ledger, 4)
    return take(ledger)


def test_a_part_is_a_new_batch_under_the_same_claim(ledger: Ledger, claimed: Batch) -> None:
    part = started(ledger, claimed, 0, 2)

    assert part == replace(claimed, id=part.id, lines=claimed.lines[:2])
    assert part.id != claimed.id


def test_the_refused_batch_is_split_and_the_part_in_flight(ledger: Ledger, claimed: Batch) -> None:
    part = started(ledger, claimed, 0, 2)

    told = ("state", "status", "lines", "split_from")
    assert {batch["id"]: [batch[name] for name in told] for batch in batches_of(ledger)} == {
        claimed.id: ["split", 422, 4, None],
        part.id: ["sending", None, 2, claimed.id],
    }


def test_the_parts_lines_move_and_the_rest_waits(ledger: Ledger, claimed: Batch) -> None:
    part = started(ledger, claimed, 0, 2)

    assert [line["batch_id"] for line in lines_of(ledger)] == [part.id] * 2 + [claimed.id] * 2
    assert states_of(ledger) == ["sending"] * 4
    assert events_of(ledger)[-2:] == ["split", "split"]


def test_the_lines_not_posted_yet_share_the_renewed_lease(ledger: Ledger, claimed: Batch) -> None:
    with ledger.writing() as connection:
        connection.execute(update(schema.lines).values(lease_until=moment_in(60)))
    part = started(ledger, claimed, 0, 2)

    (lease,) = {line["lease_until"] for line in lines_of(ledger)}
    (flying,) = {batch["lease_until"] for batch in batches_of(ledger) if batch["id"] == part.id}
    assert (lease, lease_left(ledger, part) > 60) == (flying, True)


def test_a_settled_line_of_the_claim_gets_no_lease_again(ledger: Ledger, claimed: Batch) -> None:
    settle(ledger, claimed, Settlement(refused={ids(claimed)[3]: "x"}), actor=ACTOR)
    started(ledger, claimed, 0, 2)

    assert lines_of(ledger)[3]["lease_until"] is None


def test_parts_follow_one_another(ledger: Ledger, claimed: Batch) -> None:
    first = started(ledger, claimed, 0, 2)
    settle(ledger, first, Settlement(accepted=ids(first)), actor=ACTOR)
    second = started(ledger, claimed, 2, 4)
    settle(ledger, second, Settlement(accepted=ids(second)), actor=ACTOR)

    assert states_of(ledger) == ["accepted"] * 4
    assert [batch["state"] for batch in batches_of(ledger)] == ["split", "settled", "settled"]


def test_a_part_of_a_part_stays_in_the_claim(ledger: Ledger, claimed: Batch) -> None:
    half = started(ledger, claimed, 0, 2)
    single = started(ledger, half, 0, 1)

    states = {batch["id"]: batch["state"] for batch in batches_of(ledger)}
    assert states == {claimed.id: "split", half.id: "split", single.id: "sending"}
    assert [line["batch_id"] for line in lines_of(ledger)] == [
        single.id,
        half.id,
        claimed.id,
        claimed.id,
    ]


@pytest.mark.parametrize("noticed", [True, False], ids=["in_doubt", "still_sending"])
def test_after_the_lease_nothing_is_split(ledger: Ledger, claimed: Batch, noticed: bool) -> None:
    end_leases(ledger)
    if noticed:
        expire_leases(ledger, hospital=UNIT.hospital, actor=ACTOR)
    before = everything(ledger)

    assert part_of(ledger, claimed, 0, 2) is None
    assert everything(ledger) == before


def test_when_one_line_of_a_part_is_gone_nothing_is_split(ledger: Ledger, claimed: Batch) -> None:
    sql(ledger, "update lines set claim_id = 'a person' where id = :id", id=ids(claimed)[0])
    before = everything(ledger)

    assert part_of(ledger, claimed, 0, 2) is None
    assert everything(ledger) == before


def busy_between_parts(ledger: Ledger) -> Batch:
    """Let another batch of the survey go in flight between two parts of a claim."""
    other = replace(UNIT, channel=Channel.WHATSAPP)
    invitations = [invited(900_000_001 + n) for n in range(4)]
    read_day(ledger, *invitations, invited(900_000_009, other))
    claimed = take(ledger)
    first = started(ledger, claimed, 0, 2)
    settle(ledger, first, Settlement(accepted=ids(first)), actor=ACTOR)
    take(ledger, other)
    return claimed


def test_a_part_waits_while_its_survey_is_busy(ledger: Ledger) -> None:
    claimed = busy_between_parts(ledger)
    with pytest.raises(SurveyBusyError) as busy:
        part_of(ledger, claimed, 2, 4)

    assert 0 < busy.value.seconds <= TERMS.lease_seconds


def test_a_busy_survey_leaves_the_claim_as_it_was(ledger: Ledger) -> None:
    claimed = busy_between_parts(ledger)
    before = everything(ledger)
    with pytest.raises(SurveyBusyError):
        part_of(ledger, claimed, 2, 4)

    assert everything(ledger) == before


def test_a_part_that_fails_on_its_way_leaves_the_claim_as_it_was(
    ledger: Ledger, claimed: Batch
) -> None:
    before = everything(ledger)
    with refusing(ledger, "batches", "insert"), pytest.raises(LedgerError):
        part_of(ledger, claimed, 0, 2)

    assert everything(ledger) == before


def test_a_doubt_about_a_part_leaves_the_rest_of_the_claim(ledger: Ledger, claimed: Batch) -> None:
    part = started(ledger, claimed, 0, 2)
    doubt(ledger, part, status=502, actor=ACTOR)

    assert states_of(ledger) == ["in_doubt", "in_doubt", "sending", "sending"]


def test_a_part_has_a_lease_of_its_own_lines(ledger: Ledger, claimed: Batch) -> None:
    part = started(ledger, claimed, 0, 2)

    assert (lease_left(ledger, part) > 0, lease_left(ledger, claimed)) == (True, 0)
