"""What an answer in time makes of a batch's lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from ledger_rig import (
    ACTOR,
    DAY,
    TERMS,
    batches_of,
    claim,
    counts_are_true,
    events_of,
    fill,
    mark_in_doubt,
    people,
    rows_of,
    run_sql,
    states_of,
    try_claim,
    wanted,
)
from sqlalchemy import insert

from track_dispatch.ledger import schema
from track_dispatch.ledger.claims import Hindrance, NotClaimed
from track_dispatch.ledger.settling import Settled, Settlement, settle
from track_dispatch.ledger.sql import moment_in
from track_dispatch.states import BatchState, Refusal

if TYPE_CHECKING:
    from track_dispatch.ledger.batches import Batch
    from track_dispatch.ledger.database import Ledger


def answer(ledger: Ledger, batch: Batch, **said: Any) -> Settled:
    return settle(ledger, Settlement(batch, **said), actor=ACTOR)


def released(batch: Batch, **said: Any) -> Settlement:
    return Settlement(batch, released=batch.places, batch_state=BatchState.NOT_DELIVERED, **said)


def test_each_line_gets_the_fate_that_its_place_has(ledger: Ledger) -> None:
    batch = claim(ledger, fill(ledger, 5))
    settled = answer(
        ledger, batch, accepted=[0, 3], refused={1: "", 4: ""}, released=[2], status=201
    )

    assert states_of(ledger) == ["accepted", "refused", "ready", "accepted", "refused"]
    assert settled == Settled(accepted=2, refused=2, released=1, batch_moved=True)
    assert counts_are_true(ledger)


@pytest.mark.parametrize("refusal", Refusal)
def test_a_refused_line_says_how_and_its_event_what_was_faulted(
    ledger: Ledger, refusal: Refusal
) -> None:
    batch = claim(ledger, fill(ledger, 4))
    answer(
        ledger,
        batch,
        accepted=[1],
        refused={0: "invalid email", 2: "too_large", 3: "invalid email"},
        refusal=refusal,
    )

    reasons = [line["reason"] for line in rows_of(ledger, schema.lines)]
    assert reasons == [refusal, None, refusal, refusal]
    refused = [row for row in rows_of(ledger, schema.events) if row["state"] == "refused"]
    assert [(row["places"], row["detail"], row["reason"]) for row in refused] == [
        ("0,3", "invalid email", refusal),
        ("2", "too_large", refusal),
    ]


def test_an_event_names_the_batch_and_who_settled_it(ledger: Ledger) -> None:
    batch = claim(ledger, fill(ledger, 2))
    answer(ledger, batch, accepted=[0], released=[1])

    for row in rows_of(ledger, schema.events)[1:]:
        assert (row["batch"], row["actor"], row["run_id"], row["try_number"]) == (
            batch.id, ACTOR.name, ACTOR.run_id, ACTOR.try_number,
        )  # fmt: skip


def test_an_answer_without_status_or_receipt_keeps_what_is_known(ledger: Ledger) -> None:
    batch = claim(ledger, fill(ledger, 2))
    answer(ledger, batch, accepted=[0], status=201, receipt="r-9", batch_state=BatchState.SPLIT)
    answer(ledger, batch, accepted=[1])

    row = batches_of(ledger)[batch.id]
    assert (row["state"], row["status"], row["receipt"]) == ("settled", 201, "r-9")


# -- released lines --------------------------------------------------------------


def test_a_released_line_is_sealed_back_and_goes_again(ledger: Ledger) -> None:
    envelope = fill(ledger, 3)
    batch = claim(ledger, envelope)
    answer(ledger, batch, accepted=[1], released=[0, 2])

    assert [line.place for line in wanted(ledger, envelope).read.lines] == [0, 2]
    assert claim(ledger, envelope).lines == (batch.lines[0], batch.lines[2])


def test_lines_released_one_after_the_other_lie_together_again(ledger: Ledger) -> None:
    envelope = fill(ledger, [*people(3), *people(1, start=9, state="held")])
    batch = claim(ledger, envelope)
    for place in (2, 0):
        answer(ledger, batch, released=[place], batch_state=BatchState.SPLIT)

    assert [line.place for line in wanted(ledger, envelope).read.lines] == [0, 2]
    assert states_of(ledger) == ["ready", "sending", "ready", "held"]
    assert counts_are_true(ledger)


def test_a_released_line_names_no_batch_but_its_event_does(ledger: Ledger) -> None:
    batch = claim(ledger, fill(ledger, 1))
    settle(ledger, released(batch), actor=ACTOR)

    assert [line["batch"] for line in rows_of(ledger, schema.lines)] == [None]
    assert rows_of(ledger, schema.events)[-1]["batch"] == batch.id


def test_a_released_batch_frees_its_survey_and_has_no_lease(ledger: Ledger) -> None:
    batch = claim(ledger, fill(ledger, 1))
    settle(ledger, released(batch, status=429), actor=ACTOR)

    row = batches_of(ledger)[batch.id]
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
    ledger: Ledger, at: dict[str, float]
) -> None:
    """That reading may have corrected it, and must not touch what is under way.

    Its transform may be at work, which nobody sees before it commits.
    """
    envelope = fill(ledger, 2)
    batch = claim(ledger, envelope)
    read_meanwhile(ledger, **at)
    settled = answer(ledger, batch, accepted=[0], released=[1])

    assert states_of(ledger) == ["accepted", "reopened"]
    assert events_of(ledger)[-2:] == [("answered", "1"), ("outdated", "1")]
    assert settled.released == 1
    assert counts_are_true(ledger)


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
def test_no_other_reading_matters_to_a_released_line(
    ledger: Ledger, reading: dict[str, Any]
) -> None:
    batch = claim(ledger, fill(ledger, 1))
    read_meanwhile(ledger, **reading)
    settle(ledger, released(batch), actor=ACTOR)

    assert states_of(ledger) == ["ready"]


def test_a_reading_that_is_not_complete_will_find_a_released_line_ready(ledger: Ledger) -> None:
    batch = claim(ledger, fill(ledger, 1))
    read_meanwhile(ledger)
    run_sql(ledger, "update extractions set completed_at = null where id = 'later'")
    settle(ledger, released(batch), actor=ACTOR)

    assert states_of(ledger) == ["ready"]


# -- in doubt --------------------------------------------------------------------


def test_a_batch_whose_fate_nobody_knows_waits_for_a_person(ledger: Ledger) -> None:
    batch = claim(ledger, fill(ledger, 2))
    settled = mark_in_doubt(ledger, batch, status=502)

    row = batches_of(ledger)[batch.id]
    assert states_of(ledger) == ["in_doubt", "in_doubt"]
    assert (row["state"], row["status"]) == ("in_doubt", 502)
    assert settled == Settled(in_doubt=2, batch_moved=True)
    assert [line["batch"] for line in rows_of(ledger, schema.lines)] == [batch.id] * 2


def test_what_is_in_doubt_has_no_data_at_rest(ledger: Ledger) -> None:
    mark_in_doubt(ledger, claim(ledger, fill(ledger, 2)))

    assert [row["payload"] for row in rows_of(ledger, schema.envelopes)] == [None]


def test_the_lease_of_a_batch_in_doubt_keeps_people_from_deciding_too_soon(ledger: Ledger) -> None:
    """Track may still be working on it."""
    batch = claim(ledger, fill(ledger, 2))
    mark_in_doubt(ledger, batch)

    assert batches_of(ledger)[batch.id]["lease_until"] is not None


def test_a_batch_in_doubt_frees_its_survey(ledger: Ledger) -> None:
    mark_in_doubt(ledger, claim(ledger, fill(ledger, 1)))

    assert len(claim(ledger, fill(ledger, 1, start=5)).lines) == 1


def test_a_batch_stays_in_doubt_while_one_of_its_lines_is(ledger: Ledger) -> None:
    """Else nobody could decide on the line."""
    batch = claim(ledger, fill(ledger, 2))
    answer(ledger, batch, accepted=[0], in_doubt=[1], status=200)

    assert batches_of(ledger)[batch.id]["state"] == "in_doubt"


def test_a_batch_keeps_its_lease_while_one_of_its_lines_is_under_way(ledger: Ledger) -> None:
    """Else nothing would ever end it."""
    batch = claim(ledger, fill(ledger, 2))
    answer(ledger, batch, accepted=[0])

    assert states_of(ledger) == ["accepted", "sending"]
    assert batches_of(ledger)[batch.id]["lease_until"] is not None


# -- twice, and too much -----------------------------------------------------------

SAID: dict[str, dict[str, Any]] = {
    "accepted": {"accepted": [0, 1]},
    "refused": {"refused": {0: "x", 1: "y"}},
    "released": {"released": [0, 1], "batch_state": BatchState.NOT_DELIVERED},
    "in_doubt": {"in_doubt": [0, 1], "batch_state": BatchState.IN_DOUBT},
}


@pytest.mark.parametrize("said", SAID)
def test_to_settle_twice_changes_nothing_more(ledger: Ledger, said: str) -> None:
    """The first answer of the database may have been lost."""
    batch = claim(ledger, fill(ledger, 2))
    answer(ledger, batch, **SAID[said])
    before = [rows_of(ledger, table) for table in (schema.lines, schema.events, schema.envelopes)]
    again = answer(ledger, batch, **SAID[said])

    after = [rows_of(ledger, table) for table in (schema.lines, schema.events, schema.envelopes)]
    assert after == before
    assert again == Settled(batch_moved=said == "in_doubt")


@pytest.mark.parametrize("said", SAID)
def test_lines_of_other_batches_are_left_alone(ledger: Ledger, said: str) -> None:
    other = claim(ledger, fill(ledger, 2, start=10), terms=replace(TERMS, survey="other"))
    batch = claim(ledger, fill(ledger, 2))
    answer(ledger, batch, **SAID[said])

    assert states_of(ledger, other.envelope) == ["sending", "sending"]
    assert batches_of(ledger)[other.id]["state"] == "sending"


def test_what_a_claim_left_behind_is_not_settled_with_it(ledger: Ledger) -> None:
    """Held lines and excluded ones of its envelope were never in the batch."""
    envelope = fill(ledger, [*people(1), *people(1, start=5, state="held")])
    batch = claim(ledger, envelope)
    answer(ledger, batch, accepted=batch.places)

    assert states_of(ledger) == ["accepted", "held"]
    assert try_claim(ledger, envelope) == NotClaimed(Hindrance.NOTHING_READY)


def test_only_an_answer_that_takes_the_whole_batch_is_plain(ledger: Ledger) -> None:
    batch = claim(ledger, fill(ledger, 2))

    assert Settlement(batch, accepted=[1, 0]).is_plain
    assert not Settlement(batch, accepted=[0]).is_plain
    assert not Settlement(batch, accepted=[0], refused={1: ""}).is_plain
    assert not Settlement(batch, accepted=[0, 1], batch_state=BatchState.SPLIT).is_plain
