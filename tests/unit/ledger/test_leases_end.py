"""Leases, by the database's clock, and what becomes of a claim whose owner never comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from ledger_rig import (
    ACTOR,
    OTHER_SURVEY,
    OTHER_UNIT,
    TERMS,
    UNIT,
    batches_of,
    claim,
    end_leases,
    events_of,
    fill,
    mark_in_doubt,
    rows_of,
    states_of,
)

from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import Batch, expire_leases, lines_in_flight
from track_dispatch.ledger.parts import begin_rehearsal, start_part
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger


def expire(ledger: Ledger, hospital: str | None = UNIT.hospital) -> int:
    return expire_leases(ledger, hospital=hospital, actor=ACTOR)


def everything(ledger: Ledger) -> list[Any]:
    return [rows_of(ledger, table) for table in (schema.lines, schema.batches, schema.events)]


def in_flight(ledger: Ledger, hospital: str = UNIT.hospital) -> float | None:
    with ledger.reading() as connection:
        return lines_in_flight(connection, hospital)


def left_over(ledger: Ledger) -> tuple[Batch, Batch]:
    """Claim four lines, have them refused, post two as a part, and come no further."""
    claimed = claim(ledger, fill(ledger, 4))
    part = start_part(ledger, claimed, claimed.lines[:2], terms=TERMS, status=422, actor=ACTOR)
    assert isinstance(part, Batch)
    end_leases(ledger)
    expire(ledger)
    return claimed, part


# -- what is in flight --------------------------------------------------------------


def test_a_hospital_tells_how_long_its_lines_are_in_flight(ledger: Ledger) -> None:
    claim(ledger, fill(ledger, 2))

    assert 0 < (in_flight(ledger) or 0) <= TERMS.lease_seconds
    assert in_flight(ledger, "HMSM") is None


@pytest.mark.parametrize("ended", ["settled", "in doubt", "expired"])
def test_lines_whose_batch_has_ended_are_not_in_flight(ledger: Ledger, ended: str) -> None:
    batch = claim(ledger, fill(ledger, 2))
    match ended:
        case "settled":
            settle(ledger, Settlement(batch, accepted=batch.places), actor=ACTOR)
        case "in doubt":
            mark_in_doubt(ledger, batch)
        case "expired":
            end_leases(ledger)
            expire(ledger)

    assert in_flight(ledger) is None


def test_what_is_left_over_of_a_split_is_in_flight(ledger: Ledger) -> None:
    claimed = claim(ledger, fill(ledger, 3))
    part = start_part(ledger, claimed, claimed.lines[:1], terms=TERMS, actor=ACTOR)
    assert isinstance(part, Batch)
    settle(ledger, Settlement(part, accepted=part.places), actor=ACTOR)

    assert in_flight(ledger)


def test_a_split_batch_of_which_nothing_is_left_is_not_in_flight(ledger: Ledger) -> None:
    claimed = claim(ledger, fill(ledger, 1))
    part = start_part(ledger, claimed, claimed.lines, terms=TERMS, actor=ACTOR)
    assert isinstance(part, Batch)
    settle(ledger, Settlement(part, accepted=part.places), actor=ACTOR)

    assert in_flight(ledger) is None


# -- when it is over -------------------------------------------------------------------


def test_a_running_lease_keeps_its_lines(ledger: Ledger) -> None:
    claim(ledger, fill(ledger, 2))
    before = everything(ledger)

    assert expire(ledger) == 0
    assert everything(ledger) == before


def test_when_a_lease_is_over_lines_and_batch_are_in_doubt(ledger: Ledger) -> None:
    fill(ledger, 1, start=10)
    batch = claim(ledger, fill(ledger, 2))
    end_leases(ledger)

    assert expire(ledger) == 2
    assert states_of(ledger) == ["ready", "in_doubt", "in_doubt"]
    row = batches_of(ledger)[batch.id]
    assert (row["state"], row["lease_until"]) == ("in_doubt", None)
    assert events_of(ledger)[-1] == ("lease_expired", "0-1")
    assert rows_of(ledger, schema.events)[-1]["batch"] == batch.id


@pytest.mark.parametrize(("hospital", "moved"), [("HMSM", 0), ("HMS", 2), (None, 2)])
def test_leases_expire_by_the_hospital_or_for_all(
    ledger: Ledger, hospital: str | None, moved: int
) -> None:
    claim(ledger, fill(ledger, 2))
    end_leases(ledger)

    assert expire(ledger, hospital) == moved
    assert states_of(ledger) == ["in_doubt" if moved else "sending"] * 2


def test_a_lease_that_is_over_frees_its_survey(ledger: Ledger) -> None:
    claim(ledger, fill(ledger, 1))
    end_leases(ledger)
    expire(ledger)

    assert len(claim(ledger, fill(ledger, 1, start=10)).lines) == 1


def test_a_lease_expires_once(ledger: Ledger) -> None:
    claim(ledger, fill(ledger, 1))
    end_leases(ledger)
    expire(ledger)
    before = everything(ledger)

    assert expire(ledger) == 0
    assert everything(ledger) == before


def test_several_leases_expire_together(ledger: Ledger) -> None:
    claim(ledger, fill(ledger, 2))
    claim(
        ledger,
        fill(ledger, 1, start=10, unit=OTHER_UNIT),
        terms=replace(TERMS, survey=OTHER_SURVEY),
    )
    end_leases(ledger)

    assert expire(ledger) == 3


def test_the_lease_of_a_batch_in_doubt_just_ends(ledger: Ledger) -> None:
    batch = claim(ledger, fill(ledger, 1))
    mark_in_doubt(ledger, batch, status=502)
    end_leases(ledger)

    assert expire(ledger) == 0
    row = batches_of(ledger)[batch.id]
    assert (row["state"], row["status"], row["lease_until"]) == ("in_doubt", 502, None)


# -- what a split leaves over ------------------------------------------------------------


def test_leftovers_of_a_split_get_a_batch_of_their_own(ledger: Ledger) -> None:
    """The old key must never stand for other content."""
    claimed, part = left_over(ledger)
    batches = batches_of(ledger)
    (new,) = [row for id_, row in batches.items() if id_ not in (claimed.id, part.id)]

    assert [line["batch"] for line in rows_of(ledger, schema.lines)] == [part.id] * 2 + [
        new["id"]
    ] * 2
    assert states_of(ledger) == ["in_doubt"] * 4
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


def test_a_split_batch_stays_split_when_its_rest_is_in_doubt(ledger: Ledger) -> None:
    claimed, part = left_over(ledger)
    batches = batches_of(ledger)

    assert (batches[claimed.id]["state"], batches[claimed.id]["lease_until"]) == ("split", None)
    assert batches[part.id]["state"] == "in_doubt"


def test_the_event_of_leftovers_names_their_new_batch(ledger: Ledger) -> None:
    left_over(ledger)
    by_places = {row["places"]: row["batch"] for row in rows_of(ledger, schema.events)[-2:]}

    assert by_places["2-3"] == rows_of(ledger, schema.lines)[2]["batch"]


# -- rehearsals ----------------------------------------------------------------------------


@pytest.mark.parametrize("hospital", ["HMS", None])
def test_a_rehearsal_whose_lease_is_over_just_ends(ledger: Ledger, hospital: str | None) -> None:
    begin_rehearsal(ledger, "r1", lines=3, terms=TERMS, actor=ACTOR)
    end_leases(ledger)

    assert expire(ledger, hospital) == 0
    row = batches_of(ledger)["r1"]
    assert (row["state"], row["lease_until"]) == (BatchState.SETTLED, None)
    assert len(claim(ledger, fill(ledger, 1)).lines) == 1
