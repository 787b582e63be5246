"""Leases, by the database's clock, and what becomes of a claim whose owner never comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.ledger.claim_steps import ACTOR, OTHER_SURVEY, OTHER_UNIT, TERMS, UNIT
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import Batch, lines_in_flight
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.ledger.parts import begin_rehearsal, start_part
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger


def expire(ledger: Ledger, hospital: str | None = UNIT.hospital) -> int:
    return expire_leases(ledger, hospital=hospital, actor=ACTOR)


def everything(steps: Steps) -> list[Any]:
    return [steps.rows(table) for table in (schema.lines, schema.batches, schema.events)]


def in_flight(ledger: Ledger, hospital: str = UNIT.hospital) -> float | None:
    with ledger.reading() as connection:
        return lines_in_flight(connection, hospital)


# -- what is in flight --------------------------------------------------------------


def test_a_hospital_tells_how_long_its_lines_are_in_flight(steps: Steps) -> None:
    steps.claim(steps.fill(2))

    assert 0 < (in_flight(steps.ledger) or 0) <= TERMS.lease_seconds
    assert in_flight(steps.ledger, "HMSM") is None


@pytest.mark.parametrize("ended", ["settled", "in doubt", "expired"])
def test_lines_whose_batch_has_ended_are_not_in_flight(steps: Steps, ended: str) -> None:
    batch = steps.claim(steps.fill(2))
    match ended:
        case "settled":
            steps.settle(batch, accepted=batch.places)
        case "in doubt":
            steps.mark_in_doubt(batch)
        case "expired":
            steps.end_leases()
            expire(steps.ledger)

    assert in_flight(steps.ledger) is None


def test_what_is_left_over_of_a_split_is_in_flight(steps: Steps) -> None:
    claimed = steps.claim(steps.fill(3))
    part = start_part(steps.ledger, claimed, claimed.lines[:1], terms=TERMS, actor=ACTOR)
    assert isinstance(part, Batch)
    steps.settle(part, accepted=part.places)

    assert in_flight(steps.ledger)


def test_a_split_batch_of_which_nothing_is_left_is_not_in_flight(steps: Steps) -> None:
    claimed = steps.claim(steps.fill(1))
    part = start_part(steps.ledger, claimed, claimed.lines, terms=TERMS, actor=ACTOR)
    assert isinstance(part, Batch)
    steps.settle(part, accepted=part.places)

    assert in_flight(steps.ledger) is None


# -- when it is over -------------------------------------------------------------------


def test_a_running_lease_keeps_its_lines(steps: Steps) -> None:
    steps.claim(steps.fill(2))
    before = everything(steps)

    assert expire(steps.ledger) == 0
    assert everything(steps) == before


def test_when_a_lease_is_over_lines_and_batch_are_in_doubt(steps: Steps) -> None:
    steps.fill(1, start=10)
    batch = steps.claim(steps.fill(2))
    steps.end_leases()

    assert expire(steps.ledger) == 2
    assert steps.states() == ["ready", "in_doubt", "in_doubt"]
    row = steps.batches()[batch.id]
    assert (row["state"], row["lease_until"]) == ("in_doubt", None)
    assert steps.moves()[-1] == ("lease_expired", "0-1")
    assert steps.rows(schema.events)[-1]["batch"] == batch.id


@pytest.mark.parametrize(("hospital", "moved"), [("HMSM", 0), ("HMS", 2), (None, 2)])
def test_leases_expire_by_the_hospital_or_for_all(
    steps: Steps, hospital: str | None, moved: int
) -> None:
    steps.claim(steps.fill(2))
    steps.end_leases()

    assert expire(steps.ledger, hospital) == moved
    assert steps.states() == ["in_doubt" if moved else "sending"] * 2


def test_a_lease_that_is_over_frees_its_survey(steps: Steps) -> None:
    steps.claim(steps.fill(1))
    steps.end_leases()
    expire(steps.ledger)

    assert len(steps.claim(steps.fill(1, start=10)).lines) == 1


def test_a_lease_expires_once(steps: Steps) -> None:
    steps.claim(steps.fill(1))
    steps.end_leases()
    expire(steps.ledger)
    before = everything(steps)

    assert expire(steps.ledger) == 0
    assert everything(steps) == before


def test_several_leases_expire_together(steps: Steps) -> None:
    steps.claim(steps.fill(2))
    steps.claim(
        steps.fill(1, start=10, unit=OTHER_UNIT),
        terms=replace(TERMS, survey=OTHER_SURVEY),
    )
    steps.end_leases()

    assert expire(steps.ledger) == 3


def test_the_lease_of_a_batch_in_doubt_just_ends(steps: Steps) -> None:
    batch = steps.claim(steps.fill(1))
    steps.mark_in_doubt(batch, status=502)
    steps.end_leases()

    assert expire(steps.ledger) == 0
    row = steps.batches()[batch.id]
    assert (row["state"], row["status"], row["lease_until"]) == ("in_doubt", 502, None)


# -- what a split leaves over ------------------------------------------------------------


def test_leftovers_of_a_split_get_a_batch_of_their_own(steps: Steps) -> None:
    """The old key must never stand for other content."""
    claimed, part = steps.leave_a_split()
    batches = steps.batches()
    (new,) = [row for id_, row in batches.items() if id_ not in (claimed.id, part.id)]

    assert [line["batch"] for line in steps.rows(schema.lines)] == [part.id] * 2 + [new["id"]] * 2
    assert steps.states() == ["in_doubt"] * 4
    expected = {
        "state": "in_doubt",
        "lines": 2,
        "parent": claimed.id,
        "claim": claimed.claim,
        "survey": claimed.survey,
        "unit": claimed.unit_id,
        "envelope": claimed.envelope,
        "status": 422,
        "lease_until": None,
    }
    assert {name: new[name] for name in expected} == expected


def test_a_split_batch_stays_split_when_its_rest_is_in_doubt(steps: Steps) -> None:
    claimed, part = steps.leave_a_split()
    batches = steps.batches()

    assert (batches[claimed.id]["state"], batches[claimed.id]["lease_until"]) == ("split", None)
    assert batches[part.id]["state"] == "in_doubt"


def test_the_event_of_leftovers_names_their_new_batch(steps: Steps) -> None:
    steps.leave_a_split()
    by_places = {row["places"]: row["batch"] for row in steps.rows(schema.events)[-2:]}

    assert by_places["2-3"] == steps.rows(schema.lines)[2]["batch"]


# -- rehearsals ----------------------------------------------------------------------------


@pytest.mark.parametrize("hospital", ["HMS", None])
def test_a_rehearsal_whose_lease_is_over_just_ends(steps: Steps, hospital: str | None) -> None:
    begin_rehearsal(steps.ledger, "r1", lines=3, terms=TERMS, actor=ACTOR)
    steps.end_leases()

    assert expire(steps.ledger, hospital) == 0
    row = steps.batches()["r1"]
    assert (row["state"], row["lease_until"]) == (BatchState.SETTLED, None)
    assert len(steps.claim(steps.fill(1)).lines) == 1
