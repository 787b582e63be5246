"""What a certain answer still counts for when it comes late."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.ledger.claim_steps import ACTOR, OTHER_SURVEY, OTHER_UNIT, TERMS, TODAY, people
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import Batch
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.ledger.retention import purge
from track_dispatch.ledger.settling import CLAIMED_ANEW, Settled
from track_dispatch.states import BatchState, LineState

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps

#: What is said of a line at place 0, and what becomes of it when it came in doubt meanwhile.
LATE: dict[str, tuple[dict[str, Any], str]] = {
    "accepted": ({"accepted": [0]}, "accepted"),
    "refused": ({"refused": {0: "invalid email"}}, "refused"),
    "released": ({"released": [0], "batch_state": BatchState.NOT_DELIVERED}, "reopened"),
}


def in_doubt(steps: Steps, lines: int = 1) -> Batch:
    """Claim lines whose lease runs out before anybody answers."""
    batch = steps.claim(steps.fill(lines))
    steps.end_leases()
    expire_leases(steps.ledger, actor=ACTOR)
    return batch


def everything(steps: Steps) -> list[Any]:
    tables = (schema.lines, schema.envelopes, schema.batches, schema.events)
    return [steps.rows(table) for table in tables]


@pytest.mark.parametrize("fate", LATE)
def test_an_answer_after_the_lease_counts(steps: Steps, fate: str) -> None:
    batch = in_doubt(steps)
    said, state = LATE[fate]
    steps.settle(batch, **said)

    assert steps.states() == [state]
    assert steps.moves()[-2:] == [("lease_expired", "0"), ("answered_late", "0")]
    assert steps.counts_are_true()
    ended = "not_delivered" if fate == "released" else "settled"
    assert steps.batches()[batch.id]["state"] == ended


@pytest.mark.parametrize("fate", LATE)
def test_an_answer_counts_as_ever_while_nobody_has_looked_at_the_lease(
    steps: Steps, fate: str
) -> None:
    batch = steps.claim(steps.fill(1))
    steps.end_leases()
    said, state = LATE[fate]
    steps.settle(batch, **said)

    assert steps.states() == ["ready" if state == "reopened" else state]


def test_a_late_not_delivered_has_no_payload_to_go_out_with(steps: Steps) -> None:
    batch = in_doubt(steps)
    steps.settle(batch, released=[0])

    (row,) = steps.rows(schema.envelopes)
    assert (row["payload"], row["waiting"], row["reopened"]) == (None, 0, 1)
    assert steps.rows(schema.events)[-1]["batch"] == batch.id
    assert [line["batch"] for line in steps.rows(schema.lines)] == [None]


def test_a_late_refusal_says_what_was_faulted(steps: Steps) -> None:
    steps.settle(in_doubt(steps), refused={0: "invalid email"})

    assert steps.rows(schema.events)[-1]["detail"] == "invalid email"
    assert steps.rows(schema.lines)[0]["reason"] == "refused_4xx"


def test_a_late_answer_about_some_lines_leaves_the_others_to_a_person(steps: Steps) -> None:
    batch = in_doubt(steps, 3)
    steps.settle(batch, accepted=[1])

    assert steps.states() == ["in_doubt", "accepted", "in_doubt"]
    assert steps.batches()[batch.id]["state"] == "in_doubt"


# -- after a person has decided ------------------------------------------------------


def decided(steps: Steps, state: LineState, batch_state: str = "not_delivered") -> Batch:
    """Let a person decide on a batch in doubt, and its line go on to a state."""
    batch = in_doubt(steps)
    if state in (LineState.READY, LineState.HELD):  # read again, sealed again
        envelope = steps.fill(people(1, start=77, state=str(state)))
        steps.run_sql("delete from lines where address / 1000 = :e", e=envelope)
        steps.run_sql("update lines set address = :a", a=envelope * 1000)
    steps.run_sql(f"update lines set state = '{state}'")
    if state is LineState.REOPENED:
        steps.run_sql("update envelopes set reopened = 1")
    steps.run_sql(f"update batches set state = '{batch_state}', lease_until = null")
    return batch


WAITS_OR_ENDED = (
    LineState.READY,
    LineState.HELD,
    LineState.REOPENED,
    LineState.EXCLUDED,
    LineState.ABANDONED,
)


@pytest.mark.parametrize("state", WAITS_OR_ENDED)
def test_a_late_acceptance_knows_better_than_the_person(steps: Steps, state: LineState) -> None:
    batch = decided(steps, state)
    settled = steps.settle(batch, accepted=[0], status=200, receipt="r-1")

    assert steps.states() == ["accepted"]
    assert steps.moves()[-1] == ("accepted_after_all", "0")
    assert settled == Settled(accepted=1)
    assert steps.counts_are_true()


def test_the_payload_of_a_line_accepted_after_all_leaves_the_envelope(steps: Steps) -> None:
    batch = decided(steps, LineState.READY)
    steps.settle(batch, accepted=[0])

    assert [row["payload"] for row in steps.rows(schema.envelopes)] == [None, None]


def test_a_batch_accepted_after_all_keeps_the_receipt(steps: Steps) -> None:
    batch = decided(steps, LineState.REOPENED)
    steps.settle(batch, accepted=[0], status=200, receipt="r-1")

    row = steps.batches()[batch.id]
    assert (row["state"], row["status"], row["receipt"]) == ("settled", 200, "r-1")


@pytest.mark.parametrize("fate", ["refused", "released"])
@pytest.mark.parametrize("state", [*WAITS_OR_ENDED, LineState.ACCEPTED])
def test_nothing_but_an_acceptance_touches_what_a_person_decided(
    steps: Steps, state: LineState, fate: str
) -> None:
    batch = decided(steps, state)
    before = everything(steps)
    steps.settle(batch, **LATE[fate][0])

    assert everything(steps) == before


def test_a_late_doubt_touches_nothing_that_a_person_decided(steps: Steps) -> None:
    batch = decided(steps, LineState.ABANDONED, "settled")
    before = everything(steps)
    steps.mark_in_doubt(batch, status=None)

    assert everything(steps) == before


def lost_with_a_backup(steps: Steps, *, known: bool) -> Batch:
    """Claim a line, and put the ledger back as it was before; the batch may be known all the same.

    The ledger knows nothing of the claim, but its owner knows that Track has the line.
    """
    batch = steps.claim(steps.fill(1))
    steps.run_sql("update lines set state = 'reopened', batch = null")
    steps.run_sql("update envelopes set reopened = 1")
    if not known:
        steps.run_sql("delete from batches")
    return batch


@pytest.mark.parametrize("known", [True, False])
def test_a_line_that_lost_its_claim_with_a_backup_is_accepted_and_names_the_batch(
    steps: Steps, *, known: bool
) -> None:
    batch = lost_with_a_backup(steps, known=known)
    settled = steps.settle(batch, accepted=[0], status=201, receipt="r-1")

    (line,), (row,) = steps.rows(schema.lines), steps.rows(schema.batches)
    assert (line["state"], line["batch"]) == ("accepted", batch.id)
    assert (row["id"], row["state"], row["lease_until"]) == (batch.id, "settled", None)
    assert (row["survey"], row["unit"], row["lines"]) == (batch.survey, batch.unit_id, 1)
    assert (row["status"], row["receipt"]) == (201, "r-1")
    assert steps.rows(schema.events)[-1]["batch"] == batch.id
    assert settled.accepted == 1
    assert steps.counts_are_true()


def test_to_accept_twice_what_lost_its_claim_changes_nothing_more(steps: Steps) -> None:
    batch = lost_with_a_backup(steps, known=False)
    steps.settle(batch, accepted=[0])
    before = everything(steps)
    steps.settle(batch, accepted=[0])

    assert everything(steps) == before


def test_the_batch_of_a_lost_claim_is_written_while_another_one_of_its_survey_is_in_flight(
    steps: Steps,
) -> None:
    batch = lost_with_a_backup(steps, known=False)
    other = steps.claim(steps.fill(1, start=50))
    steps.settle(batch, accepted=[0])

    states = {id_: row["state"] for id_, row in steps.batches().items()}
    assert states == {batch.id: "settled", other.id: "sending"}


def test_who_was_accepted_after_her_claim_was_lost_counts_as_invited(steps: Steps) -> None:
    steps.settle(lost_with_a_backup(steps, known=False), accepted=[0])
    again = steps.fill(1, unit=OTHER_UNIT)
    steps.try_claim(again, terms=replace(TERMS, survey=OTHER_SURVEY))

    assert steps.reasons(again) == ["contact_cap"]


def test_of_who_was_accepted_after_her_claim_was_lost_a_hash_of_the_attendance_stays(
    steps: Steps,
) -> None:
    steps.settle(lost_with_a_backup(steps, known=False), accepted=[0])
    purge(steps.ledger, hospital="HMS", first_known_day=TODAY)

    assert (len(steps.states()), len(steps.rows(schema.forgotten, "hash"))) == (0, 1)


@pytest.mark.parametrize("state", [LineState.IN_DOUBT, LineState.REOPENED])
def test_a_line_that_a_restored_backup_put_in_doubt_is_accepted_all_the_same(
    steps: Steps, state: LineState
) -> None:
    """The batch that `restored` makes was never posted: to name it is to name none."""
    batch = steps.claim(steps.fill(1))
    steps.run_sql(
        "insert into batches (id, claim, survey, unit, state, lines, validity_at, decision,"
        " created_at, changed_at) select 'restored', 'r', survey, unit, 'in_doubt', 1, 0, 1,"
        " created_at, changed_at from batches",
    )
    steps.run_sql(f"update lines set state = '{state}', batch = 'restored'")
    steps.run_sql("update envelopes set reopened = 1")
    steps.settle(batch, accepted=[0])

    assert steps.states() == ["accepted"]
    if state is LineState.IN_DOUBT:  # nothing of it is left to decide on
        assert steps.batches()["restored"]["state"] == "settled"


# -- after the line was claimed anew ---------------------------------------------------


def claimed_anew(steps: Steps) -> tuple[Batch, Batch]:
    """Let a person say "not sent", and the line be read and claimed again."""
    old = in_doubt(steps)
    envelope = steps.fill(people(1, start=77))
    steps.run_sql("delete from lines where address / 1000 = :e", e=envelope)
    steps.run_sql("update lines set address = :a, state = 'ready'", a=envelope * 1000)
    steps.run_sql("update batches set state = 'not_delivered', lease_until = null")
    new = steps.claim(envelope)
    return old, new


@pytest.mark.parametrize("state", ["sending", "accepted", "refused", "in_doubt", "ready"])
def test_an_acceptance_of_a_line_claimed_anew_is_an_event_and_no_more(
    steps: Steps, state: str
) -> None:
    old, new = claimed_anew(steps)
    steps.run_sql(f"update lines set state = '{state}'")
    lines, batches = steps.rows(schema.lines), steps.batches()[new.id]
    settled = steps.settle(old, accepted=[0])

    assert settled.claimed_anew == 1
    assert steps.rows(schema.lines) == lines
    assert steps.batches()[new.id] == batches
    row = steps.rows(schema.events)[-1]
    assert (row["transition"], row["detail"], row["batch"], row["envelope"], row["state"]) == (
        "answered_late", CLAIMED_ANEW, old.id, new.envelope, state,
    )  # fmt: skip


def test_that_a_line_was_taken_twice_is_recorded_once(steps: Steps) -> None:
    old, _ = claimed_anew(steps)
    steps.settle(old, accepted=[0])
    before = everything(steps)
    steps.settle(old, accepted=[0])

    assert everything(steps) == before


@pytest.mark.parametrize("fate", ["refused", "released"])
def test_nothing_but_an_acceptance_is_told_of_a_line_claimed_anew(steps: Steps, fate: str) -> None:
    old, _ = claimed_anew(steps)
    before = everything(steps)
    steps.settle(old, **LATE[fate][0])

    assert everything(steps) == before


# -- what a split left over ------------------------------------------------------------


@pytest.mark.parametrize("fate", LATE)
def test_a_late_answer_finds_what_a_split_left_over(steps: Steps, fate: str) -> None:
    claimed, _ = steps.leave_a_split()
    said, state = LATE[fate]
    two = {
        name: ({2: value[0], 3: value[0]} if isinstance(value, dict) else [2, 3])
        for name, value in said.items()
        if name != "batch_state"
    }
    steps.settle(claimed, **two, batch_state=BatchState.SPLIT)

    assert steps.states() == ["in_doubt", "in_doubt", state, state]


@pytest.mark.parametrize("fate", LATE)
def test_leftovers_that_a_late_answer_ended_leave_no_batch_to_decide_on(
    steps: Steps, fate: str
) -> None:
    claimed, part = steps.leave_a_split()
    name = next(iter(LATE[fate][0]))
    places: Any = {2: "", 3: ""} if name == "refused" else [2, 3]
    steps.settle(claimed, **{name: places})

    in_doubt_now = [id_ for id_, row in steps.batches().items() if row["state"] == "in_doubt"]
    assert in_doubt_now == [part.id]


def test_an_answer_about_one_claim_leaves_others_of_the_unit_in_doubt(steps: Steps) -> None:
    other = in_doubt(steps, 1)
    batch = steps.claim(steps.fill(1, start=50), terms=replace(TERMS, survey=OTHER_SURVEY))
    steps.settle(batch, accepted=[0])

    assert steps.batches()[other.id]["state"] == "in_doubt"
    assert steps.states(other.envelope) == ["in_doubt"]
