"""The life of an attendance and the refusals, as the ledger tells them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from tests.unit.ledger.put_steps import DAY, HMS_DAY, TODAY
from track_dispatch.ledger.decisions import Decision, decide_batch, retry_refused
from track_dispatch.ledger.history import (
    AttendanceHistory,
    RefusedLines,
    attendance_history,
    refused_lines,
)
from track_dispatch.ledger.transitions import Transition, append_events
from track_dispatch.records import Actor, HospitalDay
from track_dispatch.states import LineState, Verb

if TYPE_CHECKING:
    from tests.unit.ledger.put_steps import Put
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger

NUMBER = "900000001"
NEXT = HospitalDay("HMS", TODAY)
ACTOR = Actor("dispatch", run_id="scheduled__1", try_number=1)


def life(ledger: Ledger, number: str = NUMBER, source: str = "hms") -> AttendanceHistory | None:
    with ledger.reading() as connection:
        return attendance_history(connection, source=source, attendance_id=number)


def note(ledger: Ledger, put: Put, transition: Transition, state: str, *places: int) -> None:
    """Append the event of a batch's lines."""
    with ledger.writing() as connection:
        append_events(
            connection,
            transition,
            LineState(state),
            [put.envelope * 1000 + place for place in places or range(len(put.ids))],
            actor=ACTOR,
            batch=put.batch,
            detail="invalid_email email" if state == "refused" else None,
        )


def test_it_tells_when_and_in_which_batch_with_which_receipt_it_was_sent(steps: Steps) -> None:
    put = steps.put_batch(2, "accepted", batch_state="settled", batch={"receipt": "dist-7"})
    note(steps.ledger, put, Transition.CLAIMED, "sending")
    note(steps.ledger, put, Transition.ANSWERED, "accepted", 0)
    note(steps.ledger, put, Transition.ANSWERED, "refused", 1)

    found = life(steps.ledger)

    assert found is not None
    assert (found.hospital, found.business_day, found.area) == ("HMS", DAY, "EXAMES")
    assert (found.state, found.reason) == ("accepted", None)
    assert [(step.transition, step.state, step.receipt) for step in found.steps] == [
        ("found", "accepted", "dist-7"),
        ("claimed", "sending", "dist-7"),
        ("answered", "accepted", "dist-7"),
    ]


def test_it_tells_who_decided_and_why(steps: Steps) -> None:
    put = steps.put_batch(1)
    decide_batch(
        steps.ledger, str(put.batch), Decision(Verb.ABANDON, "ana", "ninguém sabe"), today=TODAY
    )

    found = life(steps.ledger)

    assert found is not None
    assert (found.steps[-1].actor, found.steps[-1].why) == ("ana", "ninguém sabe")


def test_the_whole_life_is_told_of_a_line_that_was_moved_and_evaluated_anew(
    steps: Steps,
) -> None:
    """Its address changes each time; others of its old envelope go their own way."""
    put = steps.put_lines(3)
    note(steps.ledger, put, Transition.OUTDATED, "reopened", 1)
    moved = steps.put_move(put, day=NEXT)
    note(steps.ledger, put, Transition.GONE, "excluded", 0, 1, 2)  # of later days: not of this line
    again = steps.put_move(moved, day=NEXT, transition=Transition.REEVALUATED)
    note(steps.ledger, again, Transition.EXPIRED, "excluded")

    found = life(steps.ledger, "900000002")

    assert found is not None
    assert found.business_day == TODAY
    assert [step.transition for step in found.steps] == [
        "found",
        "outdated",
        "moved",
        "reevaluated",
        "expired",
    ]


def test_a_life_whose_beginning_was_deleted_is_told_from_where_it_is_known(steps: Steps) -> None:
    steps.put_move(steps.put_lines(1), day=NEXT)
    steps.run_sql("delete from events where transition = 'found'")

    found = life(steps.ledger)

    assert found is not None
    assert [step.transition for step in found.steps] == ["moved"]


def test_it_tells_which_kinds_of_identity_are_kept_and_no_value(steps: Steps) -> None:
    steps.put_lines(1)

    found = life(steps.ledger)

    assert found is not None
    assert found.identities == ("contact", "other", "person")
    shown = repr(found)
    for secret in (NUMBER, "MARIA", "example.test", "00000000001"):
        assert secret not in shown


def test_an_attendance_of_another_source_is_another_one(steps: Steps) -> None:
    steps.put_lines(1)

    assert life(steps.ledger, source="hac") is None


# -- refusals ----------------------------------------------------------------------


def refusals(ledger: Ledger, since: date = DAY) -> list[RefusedLines]:
    with ledger.reading() as connection:
        return refused_lines(connection, since=since)


def test_refusals_are_counted_by_what_track_faulted(steps: Steps) -> None:
    put = steps.put_batch(3, "refused", batch_state="settled", reason="refused_4xx")
    note(steps.ledger, put, Transition.ANSWERED, "refused", 0, 2)
    with steps.ledger.writing() as connection:
        append_events(
            connection,
            Transition.ANSWERED,
            LineState.REFUSED,
            [put.ids[1]],
            actor=ACTOR,
            detail="missing name",
        )
    other = steps.put_batch(
        1, "refused", batch_state="settled", reason="refused_2xx", day=NEXT, first=9
    )
    note(steps.ledger, other, Transition.ANSWERED, "refused")

    found = refusals(steps.ledger)

    assert found == [
        RefusedLines("HMS", TODAY, "EXAMES", "email", "refused_2xx", "invalid_email email", 1),
        RefusedLines("HMS", DAY, "EXAMES", "email", "refused_4xx", "invalid_email email", 2),
        RefusedLines("HMS", DAY, "EXAMES", "email", "refused_4xx", "missing name", 1),
    ]


def test_what_is_no_longer_refused_is_not_listed(steps: Steps) -> None:
    put = steps.put_batch(2, "refused", batch_state="settled", reason="refused_4xx")
    note(steps.ledger, put, Transition.ANSWERED, "refused")
    before = refusals(steps.ledger)
    retry_refused(
        steps.ledger, HMS_DAY, Decision(Verb.RETRY_REFUSED, "ana", "corrigido"), today=TODAY
    )

    assert [one.lines for one in before] == [2]
    assert refusals(steps.ledger) == []


def test_old_days_are_listed_when_they_are_asked_for(steps: Steps) -> None:
    put = steps.put_batch(1, "refused", batch_state="settled", reason="refused_4xx")
    note(steps.ledger, put, Transition.ANSWERED, "refused")

    assert refusals(steps.ledger, since=DAY + timedelta(days=1)) == []
    assert len(refusals(steps.ledger, since=DAY)) == 1
