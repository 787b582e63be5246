"""The transaction between two POSTs: settle one batch, claim the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from ledger_rig import (
    ACTOR,
    DAY,
    TERMS,
    batch_state,
    batches_of,
    claim,
    counts_are_true,
    events_of,
    fill,
    refusing,
    requests_taken,
    rows_of,
    states_of,
    taken,
    wanted,
)
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

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
    from track_dispatch.ledger.database import Ledger


# -- what a claim is -----------------------------------------------------------


def test_a_batch_is_settled_and_the_next_claimed(ledger: Ledger) -> None:
    first, second = fill(ledger, 3), fill(ledger, 2, start=10)
    batch = claim(ledger, first)
    following = claim(ledger, second, settlement=taken(batch))
    settle(ledger, taken(following), actor=ACTOR)

    assert states_of(ledger) == ["accepted"] * 5
    assert events_of(ledger) == [
        ("claimed", "0-2"),
        ("answered", "0-2"),
        ("claimed", "0-1"),
        ("answered", "0-1"),
    ]
    assert counts_are_true(ledger)


def test_a_claim_is_in_the_ledger_before_it_returns(ledger: Ledger) -> None:
    batch = claim(ledger, fill(ledger, 2))

    assert [(line["state"], line["batch"]) for line in rows_of(ledger, schema.lines)] == [
        ("sending", batch.id)
    ] * 2


def test_a_claim_gives_the_lines_as_they_were_sealed(ledger: Ledger) -> None:
    envelope = fill(ledger, 3)
    sealed = wanted(ledger, envelope).read.lines
    batch = claim(ledger, envelope)

    assert batch.lines == sealed
    assert [line.place for line in batch.lines] == [0, 1, 2]
    assert [line.attendance_id for line in batch.lines] == [
        line["attendance_id"] for line in rows_of(ledger, schema.lines)
    ]


def test_a_claimed_batch_shows_no_patient(ledger: Ledger) -> None:
    batch = claim(ledger, fill(ledger, 1))

    assert "9000" not in repr(batch)
    assert "MARIA" not in repr(batch)


def test_the_payload_of_a_claimed_envelope_is_gone(ledger: Ledger) -> None:
    envelope = fill(ledger, 2)
    claim(ledger, envelope)

    (row,) = rows_of(ledger, schema.envelopes)
    assert (row["payload"], row["waiting"], row["version"]) == (None, 0, 1)


def test_a_claim_puts_its_batch_on_record(ledger: Ledger) -> None:
    envelope = fill(ledger, 2)
    batch = claim(ledger, envelope)

    row = batches_of(ledger)[batch.id]
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
def test_a_lease_is_as_long_as_the_terms_say(ledger: Ledger, seconds: float) -> None:
    batch = claim(ledger, fill(ledger, 1), terms=replace(TERMS, lease_seconds=seconds))

    row = batches_of(ledger)[batch.id]
    lasts = (row["lease_until"] - row["created_at"]).total_seconds()
    assert seconds - 60 < lasts <= seconds + 60


def test_a_settled_batch_keeps_status_and_receipt_and_has_no_lease(ledger: Ledger) -> None:
    batch = claim(ledger, fill(ledger, 1))
    claim(ledger, fill(ledger, 1, start=5), settlement=taken(batch))

    row = batches_of(ledger)[batch.id]
    assert (row["state"], row["status"], row["receipt"], row["lease_until"]) == (
        "settled", 200, "r-1", None,
    )  # fmt: skip


def test_a_claim_takes_one_request(ledger: Ledger) -> None:
    claim(ledger, fill(ledger, 2))

    assert requests_taken(ledger) == 1


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
    ledger: Ledger, committed: bool, way: Any
) -> None:
    following = wanted(ledger, fill(ledger, 2))
    with commit_answer_lost(ledger, committed=committed), pytest.raises(CommitUnknownError):
        way(ledger, settlement=None, wanted=following, actor=ACTOR)

    expected = BatchState.SENDING if committed else None
    assert batch_state(ledger, following.batch_id) is expected
    assert states_of(ledger) == (["sending"] if committed else ["ready"]) * 2


@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_joint_commit_holds_for_both_batches_or_for_none(
    ledger: Ledger, committed: bool
) -> None:
    batch = claim(ledger, fill(ledger, 3))
    following = wanted(ledger, fill(ledger, 3, start=10))
    with commit_answer_lost(ledger, committed=committed), pytest.raises(CommitUnknownError):
        settle_and_claim(ledger, settlement=taken(batch), wanted=following, actor=ACTOR)

    settled, claimed = (BatchState.SETTLED, BatchState.SENDING)
    assert batch_state(ledger, batch.id) is (settled if committed else claimed)
    assert batch_state(ledger, following.batch_id) is (claimed if committed else None)
    assert not committed or states_of(ledger) == ["accepted"] * 3 + ["sending"] * 3


def test_a_lost_connection_before_the_commit_is_no_unknown_commit(ledger: Ledger) -> None:
    following = wanted(ledger, fill(ledger, 2))
    with refusing(ledger, "events", "insert"), pytest.raises(LedgerError) as raised:
        settle_and_claim(ledger, settlement=None, wanted=following, actor=ACTOR)

    assert not isinstance(raised.value, CommitUnknownError)
    assert states_of(ledger) == ["ready", "ready"]


def test_the_units_day_is_the_batchs_whatever_today_is(ledger: Ledger) -> None:
    assert claim(ledger, fill(ledger, 1)).unit.business_day == DAY
