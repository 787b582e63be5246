"""What becomes of a claim: the certain answer, once; the doubt; and what a settled line keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ledger_steps import (
    ACTOR,
    UNIT,
    batches_of,
    everything,
    fill,
    ids,
    invited,
    lines_of,
    not_invited,
    read_day,
    refusing,
    rows_of,
    sql,
    states_of,
    take,
)
from sqlalchemy.exc import IntegrityError

from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.settling import Settlement, close_unit, doubt, settle
from track_dispatch.records import BatchState, Channel, LineState, Reason, Refusal

if TYPE_CHECKING:
    from track_dispatch.ledger.batches import Batch
    from track_dispatch.ledger.database import Ledger


@pytest.fixture
def batch(ledger: Ledger) -> Batch:
    """Claim three lines."""
    fill(ledger, 3)
    return take(ledger)


def mixed(batch: Batch) -> Settlement:
    """Say of three lines that one is accepted, one refused, one released."""
    first, second, third = ids(batch)
    return Settlement(
        accepted=[first],
        refused={second: "invalid_email email"},
        released=[third],
        status=207,
        receipt="receipt-1",
    )


def test_each_line_gets_its_fate(ledger: Ledger, batch: Batch) -> None:
    settle(ledger, batch, mixed(batch), actor=ACTOR)

    assert states_of(ledger) == ["accepted", "refused", "ready"]


def test_a_settled_batch_keeps_status_and_receipt(ledger: Ledger, batch: Batch) -> None:
    settle(ledger, batch, mixed(batch), actor=ACTOR)

    (found,) = batches_of(ledger)
    assert (found["state"], found["status"], found["receipt"]) == ("settled", 207, "receipt-1")


@pytest.mark.parametrize("end", [BatchState.SETTLED, BatchState.SPLIT, BatchState.NOT_DELIVERED])
def test_a_batch_ends_as_the_settlement_says(ledger: Ledger, batch: Batch, end: BatchState) -> None:
    settle(ledger, batch, Settlement(released=ids(batch), batch_state=end), actor=ACTOR)

    assert [found["state"] for found in batches_of(ledger)] == [end]


def test_a_later_word_without_a_status_keeps_the_first(ledger: Ledger, batch: Batch) -> None:
    first, *rest = ids(batch)
    settle(
        ledger,
        batch,
        Settlement(refused={first: "x"}, status=422, batch_state=BatchState.SPLIT),
        actor=ACTOR,
    )
    settle(ledger, batch, Settlement(released=rest), actor=ACTOR)

    assert [found["status"] for found in batches_of(ledger)] == [422]


def test_settling_twice_is_settling_once(ledger: Ledger, batch: Batch) -> None:
    settle(ledger, batch, mixed(batch), actor=ACTOR)
    before = everything(ledger)
    settle(ledger, batch, mixed(batch), actor=ACTOR)

    assert everything(ledger) == before


def test_a_released_line_claimed_again_is_out_of_its_old_owners_reach(
    ledger: Ledger, batch: Batch
) -> None:
    settle(ledger, batch, Settlement(released=ids(batch)), actor=ACTOR)
    take(ledger)
    before = everything(ledger)
    settle(ledger, batch, Settlement(accepted=ids(batch)), actor=ACTOR)

    assert everything(ledger) == before


@pytest.mark.parametrize("kind", ["accepted", "refused", "released"])
def test_a_wrong_claim_moves_nothing(ledger: Ledger, batch: Batch, kind: str) -> None:
    fate = dict.fromkeys(ids(batch), "x") if kind == "refused" else ids(batch)
    before = everything(ledger)
    settle(ledger, replace(batch, claim_id="another"), Settlement(**{kind: fate}), actor=ACTOR)

    assert everything(ledger) == before


def test_a_doubt_under_a_wrong_claim_moves_nothing(ledger: Ledger, batch: Batch) -> None:
    before = everything(ledger)
    doubt(ledger, replace(batch, claim_id="another"), status=None, actor=ACTOR)

    assert everything(ledger) == before


def test_a_settlement_that_fails_on_its_way_leaves_lines_batch_and_events(
    ledger: Ledger, batch: Batch
) -> None:
    before = everything(ledger)
    with refusing(ledger, "batches", "update"), pytest.raises(LedgerError):
        settle(ledger, batch, mixed(batch), actor=ACTOR)

    assert everything(ledger) == before


def test_a_settled_line_keeps_no_payload_and_a_waiting_one_does(
    ledger: Ledger, batch: Batch
) -> None:
    settle(ledger, batch, mixed(batch), actor=ACTOR)

    assert [line["payload"] is None for line in lines_of(ledger)] == [True, True, False]


def test_a_settled_line_is_under_no_claim(ledger: Ledger, batch: Batch) -> None:
    settle(ledger, batch, mixed(batch), actor=ACTOR)

    claims = [(line["claim_id"], line["lease_until"]) for line in lines_of(ledger)]
    assert claims == [(None, None)] * 3


def test_a_line_remembers_the_batch_that_it_went_out_in(ledger: Ledger, batch: Batch) -> None:
    settle(ledger, batch, mixed(batch), actor=ACTOR)

    assert [line["batch_id"] for line in lines_of(ledger)] == [batch.id, batch.id, None]


@pytest.mark.parametrize("state", sorted(set(LineState) - set(schema.WAITING)))
def test_the_database_itself_refuses_a_payload_in_a_settled_state(
    ledger: Ledger, state: LineState
) -> None:
    read_day(ledger, not_invited(900_000_001))
    sql(ledger, "update lines set state = :state", state=state)
    with pytest.raises(IntegrityError):
        sql(ledger, "update lines set payload = :payload", payload=b"anything")

    assert lines_of(ledger)[0]["payload"] is None


@pytest.mark.parametrize("missing", ["claim_id", "lease_until", "batch_id"])
def test_the_database_itself_refuses_a_line_in_flight_under_no_claim(
    ledger: Ledger, batch: Batch, missing: str
) -> None:
    with pytest.raises(IntegrityError):
        sql(ledger, f"update lines set {missing} = null")


@pytest.mark.parametrize("table", ["lines", "batches"])
def test_the_database_itself_refuses_a_state_nobody_knows(
    ledger: Ledger, batch: Batch, table: str
) -> None:
    with pytest.raises(IntegrityError):
        sql(ledger, f"update {table} set state = 'lost'")


@pytest.mark.parametrize("refusal", list(Refusal))
def test_a_refused_line_says_how_it_was_refused(
    ledger: Ledger, batch: Batch, refusal: Refusal
) -> None:
    refused = Settlement(refused=dict.fromkeys(ids(batch), "x"), refusal=refusal)
    settle(ledger, batch, refused, actor=ACTOR)

    assert {line["reason"] for line in lines_of(ledger)} == {refusal.value}


def test_the_event_of_a_refusal_says_what_track_faulted(ledger: Ledger, batch: Batch) -> None:
    settle(ledger, batch, mixed(batch), actor=ACTOR)

    answers = rows_of(ledger, schema.events)[-3:]
    told = {event["line_id"]: (event["reason"], event["detail"]) for event in answers}
    assert list(told.values()).count((None, None)) == 2
    assert told[ids(batch)[1]] == ("refused_4xx", "invalid_email email")


def test_a_new_refusal_takes_back_the_permission_to_try_again(ledger: Ledger, batch: Batch) -> None:
    sql(ledger, "update lines set retry_allowed = true")
    settle(ledger, batch, Settlement(refused=dict.fromkeys(ids(batch), "x")), actor=ACTOR)

    assert {bool(line["retry_allowed"]) for line in lines_of(ledger)} == {False}


def test_an_unknown_answer_puts_the_batch_in_doubt(ledger: Ledger, batch: Batch) -> None:
    doubt(ledger, batch, status=504, actor=ACTOR)

    (found,) = batches_of(ledger)
    assert (found["state"], found["status"]) == ("in_doubt", 504)
    assert states_of(ledger) == ["in_doubt"] * 3


def test_the_owner_may_still_learn_the_answer_after_a_doubt(ledger: Ledger, batch: Batch) -> None:
    doubt(ledger, batch, status=None, actor=ACTOR)
    settle(ledger, batch, Settlement(accepted=ids(batch)), actor=ACTOR)

    assert states_of(ledger) == ["accepted"] * 3
    assert [found["state"] for found in batches_of(ledger)] == ["settled"]


def test_closing_a_unit_takes_nothing_from_another(ledger: Ledger) -> None:
    other = replace(UNIT, channel=Channel.WHATSAPP)
    read_day(ledger, invited(900_000_001), invited(900_000_002, other))

    assert close_unit(ledger, UNIT, reason=Reason.NO_SURVEY, actor=ACTOR) == 1
    assert [(line["state"], line["reason"]) for line in lines_of(ledger)] == [
        ("excluded", "no_survey"),
        ("ready", None),
    ]


def test_closing_a_unit_leaves_what_is_in_flight(ledger: Ledger) -> None:
    fill(ledger, 2)
    take(ledger, limit=1)

    assert close_unit(ledger, UNIT, actor=ACTOR) == 1
    assert states_of(ledger) == ["sending", "expired"]
