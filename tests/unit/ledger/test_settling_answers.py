"""What an answer in time makes of a batch's lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from tests.unit.ledger.claim_steps import ACTOR, DAY, TERMS, people
from track_dispatch.ledger import schema
from track_dispatch.ledger.claims import Hindrance, NotClaimed
from track_dispatch.ledger.settling import Settled, Settlement, settle
from track_dispatch.ledger.sql import moment_in
from track_dispatch.states import BatchState, Refusal

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.batches import Batch
    from track_dispatch.ledger.database import Ledger


def released(batch: Batch, **said: Any) -> Settlement:
    return Settlement(batch, released=batch.places, batch_state=BatchState.NOT_DELIVERED, **said)


def test_each_line_gets_the_fate_that_its_place_has(steps: Steps) -> None:
    batch = steps.claim(steps.fill(5))
    settled = steps.settle(batch, accepted=[0, 3], refused={1: "", 4: ""}, released=[2], status=201)

    assert steps.states() == ["accepted", "refused", "ready", "accepted", "refused"]
    assert settled == Settled(accepted=2, refused=2, released=1, batch_moved=True)
    assert steps.counts_are_true()


@pytest.mark.parametrize("refusal", Refusal)
def test_a_refused_line_says_how_and_its_event_what_was_faulted(
    steps: Steps, refusal: Refusal
) -> None:
    batch = steps.claim(steps.fill(4))
    steps.settle(
        batch,
        accepted=[1],
        refused={0: "invalid email", 2: "too_large", 3: "invalid email"},
        refusal=refusal,
    )

    reasons = [line["reason"] for line in steps.rows(schema.lines)]
    assert reasons == [refusal, None, refusal, refusal]
    refused = [row for row in steps.rows(schema.events) if row["state"] == "refused"]
    assert [(row["places"], row["detail"], row["reason"]) for row in refused] == [
        ("0,3", "invalid email", refusal),
        ("2", "too_large", refusal),
    ]


def test_an_event_names_the_batch_and_who_settled_it(steps: Steps) -> None:
    batch = steps.claim(steps.fill(2))
    steps.settle(batch, accepted=[0], released=[1])

    for row in steps.rows(schema.events)[1:]:
        assert (row["batch"], row["actor"], row["run_id"], row["try_number"]) == (
            batch.id, ACTOR.name, ACTOR.run_id, ACTOR.try_number,
        )  # fmt: skip


def test_an_answer_without_status_or_receipt_keeps_what_is_known(steps: Steps) -> None:
    batch = steps.claim(steps.fill(2))
    steps.settle(batch, accepted=[0], status=201, receipt="r-9", batch_state=BatchState.SPLIT)
    steps.settle(batch, accepted=[1])

    row = steps.batches()[batch.id]
    assert (row["state"], row["status"], row["receipt"]) == ("settled", 201, "r-9")


# -- released lines --------------------------------------------------------------


def test_a_released_line_is_sealed_back_and_goes_again(steps: Steps) -> None:
    envelope = steps.fill(3)
    batch = steps.claim(envelope)
    steps.settle(batch, accepted=[1], released=[0, 2])

    assert [line.place for line in steps.request(envelope).read.lines] == [0, 2]
    assert steps.claim(envelope).lines == (batch.lines[0], batch.lines[2])


def test_lines_released_one_after_the_other_lie_together_again(steps: Steps) -> None:
    envelope = steps.fill([*people(3), *people(1, start=9, state="held")])
    batch = steps.claim(envelope)
    for place in (2, 0):
        steps.settle(batch, released=[place], batch_state=BatchState.SPLIT)

    assert [line.place for line in steps.request(envelope).read.lines] == [0, 2]
    assert steps.states() == ["ready", "sending", "ready", "held"]
    assert steps.counts_are_true()


def test_a_released_line_names_no_batch_but_its_event_does(steps: Steps) -> None:
    batch = steps.claim(steps.fill(1))
    settle(steps.ledger, released(batch), actor=ACTOR)

    assert [line["batch"] for line in steps.rows(schema.lines)] == [None]
    assert steps.rows(schema.events)[-1]["batch"] == batch.id


def test_a_released_batch_frees_its_survey_and_has_no_lease(steps: Steps) -> None:
    batch = steps.claim(steps.fill(1))
    settle(steps.ledger, released(batch, status=429), actor=ACTOR)

    row = steps.batches()[batch.id]
    assert (row["state"], row["status"], row["lease_until"]) == ("not_delivered", 429, None)


def read_meanwhile(ledger: Ledger, hospital: str = "HMS", day: date = DAY, **at: float) -> None:
    """Let another run read a day; what happened to its extraction is told in seconds from now."""
    moments = {"completed_at": -10.0} | at
    with ledger.writing() as connection:
        connection.execute(
            insert(schema.extractions).values(
                id="later",
                source="hms",
                hospital=hospital,
                business_day=day,
                run_id="manual__2",
                try_number=1,
                started_at=moment_in(-7200),
                **{name: moment_in(seconds) for name, seconds in moments.items()},
            )
        )


@pytest.mark.parametrize(
    "at",
    [
        {"applied_at": 5},
        {"completed_at": 5},
        {"completed_at": -10},
    ],
    ids=["applied", "complete", "complete before the claim"],
)
def test_a_line_that_a_reading_passed_by_while_it_was_under_way_is_read_again(
    steps: Steps, at: dict[str, float]
) -> None:
    """That reading may have corrected it, and must not touch what is under way.

    Its transform may be at work, which nobody sees before it commits.
    """
    envelope = steps.fill(2)
    batch = steps.claim(envelope)
    read_meanwhile(steps.ledger, **at)
    settled = steps.settle(batch, accepted=[0], released=[1])

    assert steps.states() == ["accepted", "reopened"]
    assert steps.moves()[-2:] == [("answered", "1"), ("outdated", "1")]
    assert settled.released == 1
    assert steps.counts_are_true()


@pytest.mark.parametrize(
    "reading",
    [
        {"hospital": "HMSM"},
        {"day": DAY.replace(day=9)},
        {"applied_at": -5},
        {"superseded_at": -5},
        {"completed_at": -7000},
    ],
    ids=["another hospital's", "another day's", "applied before", "superseded", "an older one"],
)
def test_no_other_reading_matters_to_a_released_line(steps: Steps, reading: dict[str, Any]) -> None:
    batch = steps.claim(steps.fill(1))
    read_meanwhile(steps.ledger, **reading)
    settle(steps.ledger, released(batch), actor=ACTOR)

    assert steps.states() == ["ready"]


def test_a_reading_that_is_not_complete_will_find_a_released_line_ready(steps: Steps) -> None:
    batch = steps.claim(steps.fill(1))
    read_meanwhile(steps.ledger)
    steps.run_sql("update extractions set completed_at = null where id = 'later'")
    settle(steps.ledger, released(batch), actor=ACTOR)

    assert steps.states() == ["ready"]


# -- in doubt --------------------------------------------------------------------


def test_a_batch_whose_fate_nobody_knows_waits_for_a_person(steps: Steps) -> None:
    batch = steps.claim(steps.fill(2))
    settled = steps.mark_in_doubt(batch, status=502)

    row = steps.batches()[batch.id]
    assert steps.states() == ["in_doubt", "in_doubt"]
    assert (row["state"], row["status"]) == ("in_doubt", 502)
    assert settled == Settled(in_doubt=2, batch_moved=True)
    assert [line["batch"] for line in steps.rows(schema.lines)] == [batch.id] * 2


def test_what_is_in_doubt_has_no_data_at_rest(steps: Steps) -> None:
    steps.mark_in_doubt(steps.claim(steps.fill(2)))

    assert [row["payload"] for row in steps.rows(schema.envelopes)] == [None]


def test_the_lease_of_a_batch_in_doubt_keeps_people_from_deciding_too_soon(steps: Steps) -> None:
    """Track may still be working on it."""
    batch = steps.claim(steps.fill(2))
    steps.mark_in_doubt(batch)

    assert steps.batches()[batch.id]["lease_until"] is not None


def test_a_batch_in_doubt_frees_its_survey(steps: Steps) -> None:
    steps.mark_in_doubt(steps.claim(steps.fill(1)))

    assert len(steps.claim(steps.fill(1, start=5)).lines) == 1


def test_a_batch_stays_in_doubt_while_one_of_its_lines_is(steps: Steps) -> None:
    """Else nobody could decide on the line."""
    batch = steps.claim(steps.fill(2))
    steps.settle(batch, accepted=[0], in_doubt=[1], status=200)

    assert steps.batches()[batch.id]["state"] == "in_doubt"


def test_a_batch_keeps_its_lease_while_one_of_its_lines_is_under_way(steps: Steps) -> None:
    """Else nothing would ever end it."""
    batch = steps.claim(steps.fill(2))
    steps.settle(batch, accepted=[0])

    assert steps.states() == ["accepted", "sending"]
    assert steps.batches()[batch.id]["lease_until"] is not None


# -- twice, and too much -----------------------------------------------------------

SAID: dict[str, dict[str, Any]] = {
    "accepted": {"accepted": [0, 1]},
    "refused": {"refused": {0: "x", 1: "y"}},
    "released": {"released": [0, 1], "batch_state": BatchState.NOT_DELIVERED},
    "in_doubt": {"in_doubt": [0, 1], "batch_state": BatchState.IN_DOUBT},
}


@pytest.mark.parametrize("said", SAID)
def test_to_settle_twice_changes_nothing_more(steps: Steps, said: str) -> None:
    """The first answer of the database may have been lost."""
    batch = steps.claim(steps.fill(2))
    steps.settle(batch, **SAID[said])
    before = [steps.rows(table) for table in (schema.lines, schema.events, schema.envelopes)]
    again = steps.settle(batch, **SAID[said])

    after = [steps.rows(table) for table in (schema.lines, schema.events, schema.envelopes)]
    assert after == before
    assert again == Settled(batch_moved=said == "in_doubt")


@pytest.mark.parametrize("said", SAID)
def test_lines_of_other_batches_are_left_alone(steps: Steps, said: str) -> None:
    other = steps.claim(steps.fill(2, start=10), terms=replace(TERMS, survey="other"))
    batch = steps.claim(steps.fill(2))
    steps.settle(batch, **SAID[said])

    assert steps.states(other.envelope) == ["sending", "sending"]
    assert steps.batches()[other.id]["state"] == "sending"


def test_what_a_claim_left_behind_is_not_settled_with_it(steps: Steps) -> None:
    """Held lines and excluded ones of its envelope were never in the batch."""
    envelope = steps.fill([*people(1), *people(1, start=5, state="held")])
    batch = steps.claim(envelope)
    steps.settle(batch, accepted=batch.places)

    assert steps.states() == ["accepted", "held"]
    assert steps.try_claim(envelope) == NotClaimed(Hindrance.NOTHING_READY)


def test_only_an_answer_that_takes_the_whole_batch_is_plain(steps: Steps) -> None:
    batch = steps.claim(steps.fill(2))

    assert Settlement(batch, accepted=[1, 0]).is_plain
    assert not Settlement(batch, accepted=[0]).is_plain
    assert not Settlement(batch, accepted=[0], refused={1: ""}).is_plain
    assert not Settlement(batch, accepted=[0, 1], batch_state=BatchState.SPLIT).is_plain
