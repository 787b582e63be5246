"""What a certain answer still counts for when it comes late."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from ledger_rig import (
    ACTOR,
    OTHER_SURVEY,
    OTHER_UNIT,
    TERMS,
    TODAY,
    batches_of,
    claim,
    counts_are_true,
    end_leases,
    events_of,
    fill,
    mark_in_doubt,
    people,
    reasons_of,
    rows_of,
    run_sql,
    states_of,
    try_claim,
)

from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import Batch, expire_leases
from track_dispatch.ledger.parts import start_part
from track_dispatch.ledger.retention import purge
from track_dispatch.ledger.settling import CLAIMED_ANEW, Settled, Settlement, settle
from track_dispatch.states import BatchState, LineState

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

#: What is said of a line at place 0, and what becomes of it when it came in doubt meanwhile.
LATE: dict[str, tuple[dict[str, Any], str]] = {
    "accepted": ({"accepted": [0]}, "accepted"),
    "refused": ({"refused": {0: "invalid email"}}, "refused"),
    "released": ({"released": [0], "batch_state": BatchState.NOT_DELIVERED}, "reopened"),
}


def in_doubt(ledger: Ledger, lines: int = 1) -> Batch:
    """Claim lines whose lease runs out before anybody answers."""
    batch = claim(ledger, fill(ledger, lines))
    end_leases(ledger)
    expire_leases(ledger, actor=ACTOR)
    return batch


def answer(ledger: Ledger, batch: Batch, **said: Any) -> Settled:
    return settle(ledger, Settlement(batch, **said), actor=ACTOR)


def everything(ledger: Ledger) -> list[Any]:
    tables = (schema.lines, schema.envelopes, schema.batches, schema.events)
    return [rows_of(ledger, table) for table in tables]


@pytest.mark.parametrize("fate", LATE)
def test_an_answer_after_the_lease_counts(ledger: Ledger, fate: str) -> None:
    batch = in_doubt(ledger)
    said, state = LATE[fate]
    answer(ledger, batch, **said)

    assert states_of(ledger) == [state]
    assert events_of(ledger)[-2:] == [("lease_expired", "0"), ("answered_late", "0")]
    assert counts_are_true(ledger)
    ended = "not_delivered" if fate == "released" else "settled"
    assert batches_of(ledger)[batch.id]["state"] == ended


@pytest.mark.parametrize("fate", LATE)
def test_an_answer_counts_as_ever_while_nobody_has_looked_at_the_lease(
    ledger: Ledger, fate: str
) -> None:
    batch = claim(ledger, fill(ledger, 1))
    end_leases(ledger)
    said, state = LATE[fate]
    answer(ledger, batch, **said)

    assert states_of(ledger) == ["ready" if state == "reopened" else state]


def test_a_late_not_delivered_has_no_payload_to_go_out_with(ledger: Ledger) -> None:
    batch = in_doubt(ledger)
    answer(ledger, batch, released=[0])

    (row,) = rows_of(ledger, schema.envelopes)
    assert (row["payload"], row["waiting"], row["reopened"]) == (None, 0, 1)
    assert rows_of(ledger, schema.events)[-1]["batch"] == batch.id
    assert [line["batch"] for line in rows_of(ledger, schema.lines)] == [None]


def test_a_late_refusal_says_what_was_faulted(ledger: Ledger) -> None:
    answer(ledger, in_doubt(ledger), refused={0: "invalid email"})

    assert rows_of(ledger, schema.events)[-1]["detail"] == "invalid email"
    assert rows_of(ledger, schema.lines)[0]["reason"] == "refused_4xx"


def test_a_late_answer_about_some_lines_leaves_the_others_to_a_person(ledger: Ledger) -> None:
    batch = in_doubt(ledger, 3)
    answer(ledger, batch, accepted=[1])

    assert states_of(ledger) == ["in_doubt", "accepted", "in_doubt"]
    assert batches_of(ledger)[batch.id]["state"] == "in_doubt"


# -- after a person has decided ------------------------------------------------------


def decided(ledger: Ledger, state: LineState, batch_state: str = "not_delivered") -> Batch:
    """Let a person decide on a batch in doubt, and its line go on to a state."""
    batch = in_doubt(ledger)
    if state in (LineState.READY, LineState.HELD):  # read again, sealed again
        envelope = fill(ledger, people(1, start=77, state=str(state)))
        run_sql(ledger, "delete from lines where address / 1000 = :e", e=envelope)
        run_sql(ledger, "update lines set address = :a", a=envelope * 1000)
    run_sql(ledger, f"update lines set state = '{state}'")
    if state is LineState.REOPENED:
        run_sql(ledger, "update envelopes set reopened = 1")
    run_sql(ledger, f"update batches set state = '{batch_state}', lease_until = null")
    return batch


WAITS_OR_ENDED = (
    LineState.READY,
    LineState.HELD,
    LineState.REOPENED,
    LineState.EXCLUDED,
    LineState.ABANDONED,
)


@pytest.mark.parametrize("state", WAITS_OR_ENDED)
def test_a_late_acceptance_knows_better_than_the_person(ledger: Ledger, state: LineState) -> None:
    batch = decided(ledger, state)
    settled = answer(ledger, batch, accepted=[0], status=200, receipt="r-1")

    assert states_of(ledger) == ["accepted"]
    assert events_of(ledger)[-1] == ("accepted_after_all", "0")
    assert settled == Settled(accepted=1)
    assert counts_are_true(ledger)


def test_the_payload_of_a_line_accepted_after_all_leaves_the_envelope(ledger: Ledger) -> None:
    batch = decided(ledger, LineState.READY)
    answer(ledger, batch, accepted=[0])

    assert [row["payload"] for row in rows_of(ledger, schema.envelopes)] == [None, None]


def test_a_batch_accepted_after_all_keeps_the_receipt(ledger: Ledger) -> None:
    batch = decided(ledger, LineState.REOPENED)
    answer(ledger, batch, accepted=[0], status=200, receipt="r-1")

    row = batches_of(ledger)[batch.id]
    assert (row["state"], row["status"], row["receipt"]) == ("settled", 200, "r-1")


@pytest.mark.parametrize("fate", ["refused", "released"])
@pytest.mark.parametrize("state", [*WAITS_OR_ENDED, LineState.ACCEPTED])
def test_nothing_but_an_acceptance_touches_what_a_person_decided(
    ledger: Ledger, state: LineState, fate: str
) -> None:
    batch = decided(ledger, state)
    before = everything(ledger)
    answer(ledger, batch, **LATE[fate][0])

    assert everything(ledger) == before


def test_a_late_doubt_touches_nothing_that_a_person_decided(ledger: Ledger) -> None:
    batch = decided(ledger, LineState.ABANDONED, "settled")
    before = everything(ledger)
    mark_in_doubt(ledger, batch, status=None)

    assert everything(ledger) == before


def lost_with_a_backup(ledger: Ledger, *, known: bool) -> Batch:
    """Claim a line, and put the ledger back as it was before; the batch may be known all the same.

    The ledger knows nothing of the claim, but its owner knows that Track has the line.
    """
    batch = claim(ledger, fill(ledger, 1))
    run_sql(ledger, "update lines set state = 'reopened', batch = null")
    run_sql(ledger, "update envelopes set reopened = 1")
    if not known:
        run_sql(ledger, "delete from batches")
    return batch


@pytest.mark.parametrize("known", [True, False])
def test_a_line_that_lost_its_claim_with_a_backup_is_accepted_and_names_the_batch(
    ledger: Ledger, *, known: bool
) -> None:
    batch = lost_with_a_backup(ledger, known=known)
    settled = answer(ledger, batch, accepted=[0], status=201, receipt="r-1")

    (line,), (row,) = rows_of(ledger, schema.lines), rows_of(ledger, schema.batches)
    assert (line["state"], line["batch"]) == ("accepted", batch.id)
    assert (row["id"], row["state"], row["lease_until"]) == (batch.id, "settled", None)
    assert (row["survey"], row["unit"], row["lines"]) == (batch.survey, batch.unit_id, 1)
    assert (row["status"], row["receipt"]) == (201, "r-1")
    assert rows_of(ledger, schema.events)[-1]["batch"] == batch.id
    assert settled.accepted == 1
    assert counts_are_true(ledger)


def test_to_accept_twice_what_lost_its_claim_changes_nothing_more(ledger: Ledger) -> None:
    batch = lost_with_a_backup(ledger, known=False)
    answer(ledger, batch, accepted=[0])
    before = everything(ledger)
    answer(ledger, batch, accepted=[0])

    assert everything(ledger) == before


def test_the_batch_of_a_lost_claim_is_written_while_another_one_of_its_survey_is_in_flight(
    ledger: Ledger,
) -> None:
    batch = lost_with_a_backup(ledger, known=False)
    other = claim(ledger, fill(ledger, 1, start=50))
    answer(ledger, batch, accepted=[0])

    states = {id_: row["state"] for id_, row in batches_of(ledger).items()}
    assert states == {batch.id: "settled", other.id: "sending"}


def test_who_was_accepted_after_her_claim_was_lost_counts_as_invited(ledger: Ledger) -> None:
    answer(ledger, lost_with_a_backup(ledger, known=False), accepted=[0])
    again = fill(ledger, 1, unit=OTHER_UNIT)
    try_claim(ledger, again, terms=replace(TERMS, survey=OTHER_SURVEY))

    assert reasons_of(ledger, again) == ["contact_cap"]


def test_of_who_was_accepted_after_her_claim_was_lost_a_hash_of_the_attendance_stays(
    ledger: Ledger,
) -> None:
    answer(ledger, lost_with_a_backup(ledger, known=False), accepted=[0])
    purge(ledger, hospital="HMS", first_known_day=TODAY)

    assert (len(states_of(ledger)), len(rows_of(ledger, schema.forgotten, "hash"))) == (0, 1)


@pytest.mark.parametrize("state", [LineState.IN_DOUBT, LineState.REOPENED])
def test_a_line_that_a_restored_backup_put_in_doubt_is_accepted_all_the_same(
    ledger: Ledger, state: LineState
) -> None:
    """The batch that `restored` makes was never posted: to name it is to name none."""
    batch = claim(ledger, fill(ledger, 1))
    run_sql(
        ledger,
        "insert into batches (id, claim, survey, unit, state, lines, validity_at, decision,"
        " created_at, changed_at) select 'restored', 'r', survey, unit, 'in_doubt', 1, 0, 1,"
        " created_at, changed_at from batches",
    )
    run_sql(ledger, f"update lines set state = '{state}', batch = 'restored'")
    run_sql(ledger, "update envelopes set reopened = 1")
    answer(ledger, batch, accepted=[0])

    assert states_of(ledger) == ["accepted"]
    if state is LineState.IN_DOUBT:  # nothing of it is left to decide on
        assert batches_of(ledger)["restored"]["state"] == "settled"


# -- after the line was claimed anew ---------------------------------------------------


def claimed_anew(ledger: Ledger) -> tuple[Batch, Batch]:
    """Let a person say "not sent", and the line be read and claimed again."""
    old = in_doubt(ledger)
    envelope = fill(ledger, people(1, start=77))
    run_sql(ledger, "delete from lines where address / 1000 = :e", e=envelope)
    run_sql(ledger, "update lines set address = :a, state = 'ready'", a=envelope * 1000)
    run_sql(ledger, "update batches set state = 'not_delivered', lease_until = null")
    new = claim(ledger, envelope)
    return old, new


@pytest.mark.parametrize("state", ["sending", "accepted", "refused", "in_doubt", "ready"])
def test_an_acceptance_of_a_line_claimed_anew_is_an_event_and_no_more(
    ledger: Ledger, state: str
) -> None:
    old, new = claimed_anew(ledger)
    run_sql(ledger, f"update lines set state = '{state}'")
    lines, batches = rows_of(ledger, schema.lines), batches_of(ledger)[new.id]
    settled = answer(ledger, old, accepted=[0])

    assert settled.claimed_anew == 1
    assert rows_of(ledger, schema.lines) == lines
    assert batches_of(ledger)[new.id] == batches
    row = rows_of(ledger, schema.events)[-1]
    assert (row["transition"], row["detail"], row["batch"], row["envelope"], row["state"]) == (
        "answered_late", CLAIMED_ANEW, old.id, new.envelope, state,
    )  # fmt: skip


def test_that_a_line_was_taken_twice_is_recorded_once(ledger: Ledger) -> None:
    old, _ = claimed_anew(ledger)
    answer(ledger, old, accepted=[0])
    before = everything(ledger)
    answer(ledger, old, accepted=[0])

    assert everything(ledger) == before


@pytest.mark.parametrize("fate", ["refused", "released"])
def test_nothing_but_an_acceptance_is_told_of_a_line_claimed_anew(
    ledger: Ledger, fate: str
) -> None:
    old, _ = claimed_anew(ledger)
    before = everything(ledger)
    answer(ledger, old, **LATE[fate][0])

    assert everything(ledger) == before


# -- what a split left over ------------------------------------------------------------


def left_over(ledger: Ledger) -> tuple[Batch, Batch]:
    """Claim four lines, have them refused, post two as a part, and come no further."""
    claimed = claim(ledger, fill(ledger, 4))
    part = start_part(ledger, claimed, claimed.lines[:2], terms=TERMS, status=422, actor=ACTOR)
    assert isinstance(part, Batch)
    end_leases(ledger)
    expire_leases(ledger, actor=ACTOR)
    return claimed, part


@pytest.mark.parametrize("fate", LATE)
def test_a_late_answer_finds_what_a_split_left_over(ledger: Ledger, fate: str) -> None:
    claimed, _ = left_over(ledger)
    said, state = LATE[fate]
    two = {
        name: ({2: value[0], 3: value[0]} if isinstance(value, dict) else [2, 3])
        for name, value in said.items()
        if name != "batch_state"
    }
    answer(ledger, claimed, **two, batch_state=BatchState.SPLIT)

    assert states_of(ledger) == ["in_doubt", "in_doubt", state, state]


@pytest.mark.parametrize("fate", LATE)
def test_leftovers_that_a_late_answer_ended_leave_no_batch_to_decide_on(
    ledger: Ledger, fate: str
) -> None:
    claimed, part = left_over(ledger)
    name = next(iter(LATE[fate][0]))
    places: Any = {2: "", 3: ""} if name == "refused" else [2, 3]
    answer(ledger, claimed, **{name: places})

    in_doubt_now = [id_ for id_, row in batches_of(ledger).items() if row["state"] == "in_doubt"]
    assert in_doubt_now == [part.id]


def test_an_answer_about_one_claim_leaves_others_of_the_unit_in_doubt(ledger: Ledger) -> None:
    other = in_doubt(ledger, 1)
    batch = claim(ledger, fill(ledger, 1, start=50), terms=replace(TERMS, survey=OTHER_SURVEY))
    answer(ledger, batch, accepted=[0])

    assert batches_of(ledger)[other.id]["state"] == "in_doubt"
    assert states_of(ledger, other.envelope) == ["in_doubt"]
