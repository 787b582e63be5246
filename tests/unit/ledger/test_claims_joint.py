"""The transaction between two POSTs: settle one batch, claim the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.unit.ledger.claim_steps import ACTOR, DAY, TERMS, taken
from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import CommitUnknownError
from track_dispatch.ledger.claims import (
    settle_and_claim,
    settle_and_claim_with_care,
)
from track_dispatch.ledger.settling import settle
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger


# -- what a claim is -----------------------------------------------------------


def test_a_batch_is_settled_and_the_next_claimed(steps: Steps) -> None:
    first, second = steps.fill(3), steps.fill(2, start=10)
    batch = steps.claim(first)
    following = steps.claim(second, settlement=taken(batch))
    settle(steps.ledger, taken(following), actor=ACTOR)

    assert steps.states() == ["accepted"] * 5
    assert steps.moves() == [
        ("claimed", "0-2"),
        ("answered", "0-2"),
        ("claimed", "0-1"),
        ("answered", "0-1"),
    ]
    assert steps.counts_are_true()


def test_a_claim_is_in_the_ledger_before_it_returns(steps: Steps) -> None:
    batch = steps.claim(steps.fill(2))

    assert [(line["state"], line["batch"]) for line in steps.rows(schema.lines)] == [
        ("sending", batch.id)
    ] * 2


def test_a_claim_gives_the_lines_as_they_were_sealed(steps: Steps) -> None:
    envelope = steps.fill(3)
    sealed = steps.request(envelope).read.lines
    batch = steps.claim(envelope)

    assert batch.lines == sealed
    assert [line.place for line in batch.lines] == [0, 1, 2]
    assert [line.attendance_id for line in batch.lines] == [
        line["attendance_id"] for line in steps.rows(schema.lines)
    ]


def test_a_claimed_batch_shows_no_patient(steps: Steps) -> None:
    batch = steps.claim(steps.fill(1))

    assert "9000" not in repr(batch)
    assert "MARIA" not in repr(batch)


def test_the_payload_of_a_claimed_envelope_is_gone(steps: Steps) -> None:
    envelope = steps.fill(2)
    steps.claim(envelope)

    (row,) = steps.rows(schema.envelopes)
    assert (row["payload"], row["waiting"], row["version"]) == (None, 0, 1)


def test_a_claim_puts_its_batch_on_record(steps: Steps) -> None:
    envelope = steps.fill(2)
    batch = steps.claim(envelope)

    row = steps.batches()[batch.id]
    expected = {
        "claim": batch.claim,
        "survey": TERMS.survey,
        "unit": batch.unit_id,
        "envelope": envelope,
        "state": "sending",
        "lines": 2,
        "validity_at": TERMS.validity_at,
        "reminder_at": TERMS.reminder_at,
        "parent": None,
        "run_id": ACTOR.run_id,
        "try_number": ACTOR.try_number,
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize("seconds", [600, 3600])
def test_a_lease_is_as_long_as_the_terms_say(steps: Steps, seconds: float) -> None:
    batch = steps.claim(steps.fill(1), terms=replace(TERMS, lease_seconds=seconds))

    row = steps.batches()[batch.id]
    lasts = (row["lease_until"] - row["created_at"]).total_seconds()
    assert seconds - 60 < lasts <= seconds + 60


def test_a_settled_batch_keeps_status_and_receipt_and_has_no_lease(steps: Steps) -> None:
    batch = steps.claim(steps.fill(1))
    steps.claim(steps.fill(1, start=5), settlement=taken(batch))

    row = steps.batches()[batch.id]
    assert (row["state"], row["status"], row["receipt"], row["lease_until"]) == (
        "settled", 200, "r-1", None,
    )  # fmt: skip


def test_a_claim_takes_one_request(steps: Steps) -> None:
    steps.claim(steps.fill(2))

    assert steps.requests_taken() == 1


# -- a commit whose answer is lost -----------------------------------------------


@contextmanager
def commit_answer_lost(ledger: Ledger, *, committed: bool) -> Iterator[None]:
    """Let the next commit fail as when the connection breaks, before or after it is done."""

    def lose(connection: Any) -> None:
        event.remove(ledger.engine, "commit", lose)
        if committed:
            connection.connection.driver_connection.commit()
        raise OperationalError("COMMIT", {}, Exception("the connection is gone"))

    event.listen(ledger.engine, "commit", lose)
    yield


@pytest.mark.parametrize("way", [settle_and_claim, settle_and_claim_with_care])
@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_commit_is_told_and_the_ids_say_what_became_of_it(
    steps: Steps, committed: bool, way: Any
) -> None:
    following = steps.request(steps.fill(2))
    with commit_answer_lost(steps.ledger, committed=committed), pytest.raises(CommitUnknownError):
        way(steps.ledger, settlement=None, request=following, actor=ACTOR)

    expected = BatchState.SENDING if committed else None
    assert steps.batch_state(following.batch_id) is expected
    assert steps.states() == (["sending"] if committed else ["ready"]) * 2


@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_joint_commit_holds_for_both_batches_or_for_none(
    steps: Steps, committed: bool
) -> None:
    batch = steps.claim(steps.fill(3))
    following = steps.request(steps.fill(3, start=10))
    with commit_answer_lost(steps.ledger, committed=committed), pytest.raises(CommitUnknownError):
        settle_and_claim(steps.ledger, settlement=taken(batch), request=following, actor=ACTOR)

    settled, claimed = (BatchState.SETTLED, BatchState.SENDING)
    assert steps.batch_state(batch.id) is (settled if committed else claimed)
    assert steps.batch_state(following.batch_id) is (claimed if committed else None)
    assert not committed or steps.states() == ["accepted"] * 3 + ["sending"] * 3


def test_a_lost_connection_before_the_commit_is_no_unknown_commit(steps: Steps) -> None:
    following = steps.request(steps.fill(2))
    with steps.refusing("events", "insert"), pytest.raises(LedgerError) as raised:
        settle_and_claim(steps.ledger, settlement=None, request=following, actor=ACTOR)

    assert not isinstance(raised.value, CommitUnknownError)
    assert steps.states() == ["ready", "ready"]


def test_the_units_day_is_the_batchs_whatever_today_is(steps: Steps) -> None:
    assert steps.claim(steps.fill(1)).unit.business_day == DAY
