"""Leases, by the database's clock, and what becomes of a claim whose owner comes late or never."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

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
    sql,
    states_of,
    take,
)

from track_dispatch.ledger.claims import lease_left, start_part
from track_dispatch.ledger.settling import Settlement, doubt, expire_leases, settle
from track_dispatch.ledger.units import in_flight_seconds

if TYPE_CHECKING:
    from track_dispatch.ledger.batches import Batch
    from track_dispatch.ledger.database import Ledger


def expire(ledger: Ledger, hospital: str = UNIT.hospital) -> int:
    return expire_leases(ledger, hospital=hospital, actor=ACTOR)


def left_over(ledger: Ledger) -> Batch:
    """Claim four lines, have them refused, post the first two as a part, and come no further."""
    fill(ledger, 4)
    claimed = take(ledger)
    part = start_part(
        ledger, claimed, claimed.lines[:2], lease_seconds=TERMS.lease_seconds, actor=ACTOR
    )
    assert part is not None
    end_leases(ledger)
    expire(ledger)
    return claimed


@pytest.mark.parametrize("seconds", [600, 3600])
def test_a_lease_is_as_long_as_the_terms_say(ledger: Ledger, seconds: float) -> None:
    fill(ledger, 1)
    take(ledger, terms=replace(TERMS, lease_seconds=seconds))

    # both moments are the database's, and the lease begins before the batch is written
    (batch,) = batches_of(ledger)
    lasts = (batch["lease_until"] - batch["created_at"]).total_seconds()
    assert seconds - 300 < lasts <= seconds


def test_a_batch_and_its_lines_share_one_lease(ledger: Ledger) -> None:
    fill(ledger, 2)
    take(ledger)

    (batch,) = batches_of(ledger)
    assert {line["lease_until"] for line in lines_of(ledger)} == {batch["lease_until"]}


def test_what_is_left_of_a_lease_is_never_more_than_it_was(ledger: Ledger) -> None:
    fill(ledger, 1)

    assert 0 < lease_left(ledger, take(ledger)) <= TERMS.lease_seconds


def test_nothing_is_left_of_a_lease_that_is_over(ledger: Ledger) -> None:
    fill(ledger, 1)
    batch = take(ledger)
    end_leases(ledger)

    assert lease_left(ledger, batch) == 0


@pytest.mark.parametrize(
    "taken", ["claim_id = 'a person'", "state = 'in_doubt'", "state = 'ready', batch_id = null"]
)
def test_nothing_is_left_of_a_lease_when_one_line_is_no_longer_ours(
    ledger: Ledger, taken: str
) -> None:
    fill(ledger, 3)
    batch = take(ledger)
    sql(ledger, f"update lines set {taken} where id = (select min(id) from lines)")

    assert lease_left(ledger, batch) == 0


def test_a_running_lease_keeps_its_lines(ledger: Ledger) -> None:
    fill(ledger, 2)
    take(ledger)
    before = everything(ledger)

    assert expire(ledger) == 0
    assert everything(ledger) == before


def test_when_a_lease_is_over_lines_and_batch_are_in_doubt(ledger: Ledger) -> None:
    fill(ledger, 3)
    take(ledger, limit=2)
    end_leases(ledger)

    assert expire(ledger) == 2
    assert states_of(ledger) == ["in_doubt", "in_doubt", "ready"]
    assert [batch["state"] for batch in batches_of(ledger)] == ["in_doubt"]


def test_a_line_in_doubt_keeps_what_a_person_needs_to_send_it_again(ledger: Ledger) -> None:
    fill(ledger, 1)
    batch = take(ledger)
    end_leases(ledger)
    expire(ledger)

    (line,) = lines_of(ledger)
    assert ledger.keys.decrypt(line["payload"]) == batch.lines[0].fields
    assert (line["claim_id"], line["batch_id"]) == (batch.claim_id, batch.id)


def test_leases_of_another_hospital_are_left_alone(ledger: Ledger) -> None:
    fill(ledger, 1)
    take(ledger)
    end_leases(ledger)
    before = everything(ledger)

    assert expire(ledger, hospital="HMSM") == 0
    assert everything(ledger) == before


def test_a_lease_that_is_over_frees_its_survey(ledger: Ledger) -> None:
    lines = fill(ledger, 2)
    take(ledger, limit=1)
    end_leases(ledger)
    expire(ledger)

    assert ids(take(ledger)) == lines[1:]


def test_a_lease_expires_once(ledger: Ledger) -> None:
    fill(ledger, 1)
    take(ledger)
    end_leases(ledger)
    expire(ledger)
    before = everything(ledger)

    assert expire(ledger) == 0
    assert everything(ledger) == before


def test_lines_left_over_from_a_split_batch_get_a_batch_of_their_own(ledger: Ledger) -> None:
    """The old key must not go out again with other content."""
    claimed = left_over(ledger)
    old, part, new = batches_of(ledger)[0], *batches_of(ledger)[1:]
    if part["id"] == lines_of(ledger)[2]["batch_id"]:
        part, new = new, part

    assert [line["batch_id"] for line in lines_of(ledger)] == [part["id"]] * 2 + [new["id"]] * 2
    assert (new["state"], new["lines"], new["split_from"]) == ("in_doubt", 2, claimed.id)
    assert new["id"] not in {old["id"], part["id"]}


def test_a_split_batch_stays_split_when_its_rest_is_in_doubt(ledger: Ledger) -> None:
    claimed = left_over(ledger)

    states = {batch["id"]: batch["state"] for batch in batches_of(ledger)}
    assert states.pop(claimed.id) == "split"
    assert list(states.values()) == ["in_doubt", "in_doubt"]


def test_a_late_release_of_leftovers_leaves_no_batch_to_decide_on(ledger: Ledger) -> None:
    claimed = left_over(ledger)
    settle(ledger, claimed, Settlement(released=ids(claimed)[2:]), actor=ACTOR)

    decidable = {batch["id"] for batch in batches_of(ledger) if batch["state"] == "in_doubt"}
    assert states_of(ledger) == ["in_doubt", "in_doubt", "ready", "ready"]
    assert decidable == {line["batch_id"] for line in lines_of(ledger)[:2]}


LATE: dict[str, tuple[dict[str, Any], str]] = {
    "accepted": ({"accepted": [0]}, "accepted"),
    "refused": ({"refused": {0: "invalid_email"}}, "refused"),
    "released": ({"released": [0]}, "ready"),
}


def answer(fate: str, batch: Batch) -> Settlement:
    """Say the fate of a batch's only line."""
    ((name, said),) = LATE[fate][0].items()
    line = batch.lines[0].id
    return Settlement(**{name: {line: said[0]} if isinstance(said, dict) else [line]})


@pytest.mark.parametrize("fate", LATE)
def test_a_late_answer_of_the_owner_counts(ledger: Ledger, fate: str) -> None:
    fill(ledger, 1)
    batch = take(ledger)
    end_leases(ledger)
    expire(ledger)
    settle(ledger, batch, answer(fate, batch), actor=ACTOR)

    assert states_of(ledger) == [LATE[fate][1]]
    assert [batch["state"] for batch in batches_of(ledger)] == ["settled"]
    assert events_of(ledger)[-2:] == ["lease_over", "answered_late"]


@pytest.mark.parametrize("fate", LATE)
def test_an_answer_after_the_lease_but_before_anybody_looked_counts(
    ledger: Ledger, fate: str
) -> None:
    fill(ledger, 1)
    batch = take(ledger)
    end_leases(ledger)
    settle(ledger, batch, answer(fate, batch), actor=ACTOR)

    assert states_of(ledger) == [LATE[fate][1]]


SENT_AGAIN = (
    "update lines set state = 'sending', claim_id = 'a person'",
    "update batches set state = 'sending', claim_id = 'a person'",
)
ABANDONED = (
    "update lines set state = 'abandoned', claim_id = null, payload = null",
    "update batches set state = 'settled', claim_id = 'a person'",
)


@pytest.mark.parametrize("decision", [SENT_AGAIN, ABANDONED], ids=["sent_again", "abandoned"])
@pytest.mark.parametrize("fate", LATE)
def test_a_late_answer_does_not_touch_what_a_person_decided(
    ledger: Ledger, fate: str, decision: tuple[str, ...]
) -> None:
    fill(ledger, 1)
    batch = take(ledger)
    end_leases(ledger)
    expire(ledger)
    for statement in decision:
        sql(ledger, statement)
    before = everything(ledger)
    settle(ledger, batch, answer(fate, batch), actor=ACTOR)

    assert everything(ledger) == before


def test_a_late_doubt_does_not_touch_what_a_person_sends_again(ledger: Ledger) -> None:
    fill(ledger, 1)
    batch = take(ledger)
    end_leases(ledger)
    expire(ledger)
    for statement in SENT_AGAIN:
        sql(ledger, statement)
    before = everything(ledger)
    doubt(ledger, batch, status=None, actor=ACTOR)

    assert everything(ledger) == before


def test_a_unit_tells_how_long_its_lines_are_in_flight(ledger: Ledger) -> None:
    fill(ledger, 2)
    take(ledger, limit=1)
    with ledger.reading() as connection:
        seconds = in_flight_seconds(connection, UNIT)

    assert seconds is not None
    assert 0 < seconds <= TERMS.lease_seconds


def test_a_unit_without_lines_in_flight_says_so(ledger: Ledger) -> None:
    read_day(ledger, invited(900_000_001))
    with ledger.reading() as connection:
        assert in_flight_seconds(connection, UNIT) is None
