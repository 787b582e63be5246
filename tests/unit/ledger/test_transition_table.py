"""The table of design.md, section 4: what it says, and that the store does exactly that."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ledger_steps import (
    ACTOR,
    DAY,
    NOBODY,
    TERMS,
    UNIT,
    events_of,
    everything,
    invited,
    lines_of,
    not_invited,
    read_day,
    refusing,
    rows_of,
    sql,
)
from sqlalchemy import insert, select

import track_dispatch
from track_dispatch.errors import ConfigError, LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.approvals import hold_day
from track_dispatch.ledger.batches import Batch, ClaimedLine
from track_dispatch.ledger.claims import claim, start_part
from track_dispatch.ledger.deciding import allow_retry, release_day, settle_doubt
from track_dispatch.ledger.moves import move
from track_dispatch.ledger.reclaiming import reclaim
from track_dispatch.ledger.restoring import restore
from track_dispatch.ledger.retention import expire_day_and_before
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.settling import Settlement, close_unit, doubt, expire_leases, settle
from track_dispatch.ledger.transitions import TABLE, Transition
from track_dispatch.records import Decision, LineState, Reason, Verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from track_dispatch.ledger.database import Ledger

#: The design's rows, copied: what each transition may leave, and what it may enter.
DESIGN = {
    "found": ("", "ready excluded"),
    "reevaluated": ("ready excluded", "ready excluded"),
    "refusal_reopened": ("refused", "ready excluded"),
    "gone": ("ready held", "excluded"),
    "held_for_approval": ("ready", "held"),
    "approved": ("held", "ready"),
    "excluded_at_claim": ("ready", "excluded"),
    "expired": ("ready held", "expired"),
    "claimed": ("ready", "sending"),
    "split": ("sending", "sending"),
    "answered": ("sending", "accepted refused ready"),
    "doubted": ("sending", "in_doubt"),
    "lease_over": ("sending", "in_doubt"),
    "answered_late": ("in_doubt", "accepted refused ready"),
    "decided": ("in_doubt", "accepted abandoned ready"),
    "sent_again": ("in_doubt", "sending"),
    "restored": ("ready held", "in_doubt"),
    "retry_allowed": ("refused", "refused"),
}

NUMBER = 900_000_001
DECISION = Decision(Verb.ABANDON, person="ana", why="visto no Track", run_id="manual__1")
AS_OF = datetime(2026, 3, 10, 23, tzinfo=UTC)
WHOLE_DAY: dict[str, Any] = {"hospital": UNIT.hospital, "business_day": DAY}

Step = tuple["Callable[[Ledger, Batch], Any]", frozenset[Transition]]


def _step(perform: Callable[[Ledger, Batch], Any], *transitions: Transition) -> Step:
    return perform, frozenset(transitions)


def _decided(what: Verb, decide: Callable[[Ledger, Decision], Any]) -> Callable[..., None]:
    """Let a person decide, who is told where there is nothing to decide."""

    def perform(ledger: Ledger, _: Batch) -> None:
        with suppress(ConfigError):
            decide(ledger, replace(DECISION, what=what))

    return perform


def _sent_again(ledger: Ledger, decision: Decision) -> None:
    reclaim(
        ledger, "b1", decision, validity_at=1, reminder_at=None, lease_seconds=9, admission=NOBODY
    )


def _settled(**fate: Any) -> Callable[[Ledger, Batch], None]:
    return lambda ledger, batch: settle(ledger, batch, Settlement(**fate), actor=ACTOR)


#: What the store can do to a line, and the transitions that it does it by. The line's id is 1.
STEPS: dict[str, Step] = {
    "read_again": _step(
        lambda ledger, _: read_day(ledger, invited(NUMBER)),
        Transition.FOUND,
        Transition.REEVALUATED,
        Transition.REFUSAL_REOPENED,
    ),
    "read_again_as_excluded": _step(
        lambda ledger, _: read_day(ledger, not_invited(NUMBER, Reason.DEATH)),
        Transition.FOUND,
        Transition.REEVALUATED,
        Transition.REFUSAL_REOPENED,
    ),
    "not_read_again": _step(lambda ledger, _: read_day(ledger), Transition.GONE),
    "claim": _step(
        lambda ledger, _: claim(ledger, UNIT, TERMS, limit=9, after=0, actor=ACTOR),
        Transition.CLAIMED,
    ),
    "exclude_unit": _step(
        lambda ledger, _: close_unit(ledger, UNIT, reason=Reason.NO_SURVEY, actor=ACTOR),
        Transition.EXCLUDED_AT_CLAIM,
    ),
    "expire_unit": _step(
        lambda ledger, _: close_unit(ledger, UNIT, actor=ACTOR), Transition.EXPIRED
    ),
    "start_part": _step(
        lambda ledger, batch: start_part(ledger, batch, batch.lines, lease_seconds=9, actor=ACTOR),
        Transition.SPLIT,
    ),
    "accept": _step(_settled(accepted=[1]), Transition.ANSWERED, Transition.ANSWERED_LATE),
    "refuse": _step(
        _settled(refused={1: "invalid_email"}), Transition.ANSWERED, Transition.ANSWERED_LATE
    ),
    "release": _step(_settled(released=[1]), Transition.ANSWERED, Transition.ANSWERED_LATE),
    "doubt": _step(
        lambda ledger, batch: doubt(ledger, batch, status=None, actor=ACTOR), Transition.DOUBTED
    ),
    "expire_leases": _step(
        lambda ledger, _: expire_leases(ledger, hospital=UNIT.hospital, actor=ACTOR),
        Transition.LEASE_OVER,
    ),
    "expire_day": _step(
        lambda ledger, _: expire_day_and_before(
            ledger, hospital=UNIT.hospital, last=DAY, actor=ACTOR
        ),
        Transition.EXPIRED,
    ),
    "hold_day": _step(
        lambda ledger, _: hold_day(ledger, **WHOLE_DAY, lines=1, usual=9, actor=ACTOR),
        Transition.HELD_FOR_APPROVAL,
    ),
    "settle_sent": _step(
        _decided(Verb.SETTLE_SENT, lambda ledger, why: settle_doubt(ledger, "b1", why)),
        Transition.DECIDED,
    ),
    "abandon": _step(
        _decided(Verb.ABANDON, lambda ledger, why: settle_doubt(ledger, "b1", why)),
        Transition.DECIDED,
    ),
    "send_again": _step(_decided(Verb.SEND_AGAIN, _sent_again), Transition.SENT_AGAIN),
    "release_day": _step(
        _decided(
            Verb.RELEASE,
            lambda ledger, why: release_day(ledger, **WHOLE_DAY, decision=why),
        ),
        Transition.APPROVED,
    ),
    "allow_retry": _step(
        _decided(
            Verb.RETRY_REFUSED,
            lambda ledger, why: allow_retry(ledger, **WHOLE_DAY, decision=why),
        ),
        Transition.RETRY_ALLOWED,
    ),
    "restore": _step(
        _decided(
            Verb.RESTORED,
            lambda ledger, why: restore(ledger, as_of=AS_OF, decision=why),
        ),
        Transition.RESTORED,
    ),
}
#: The steps of people, and those that a running lease keeps from doing anything.
OF_PEOPLE = ("settle_sent", "abandon", "send_again", "release_day", "allow_retry", "restore")
AFTER_THE_LEASE = ("expire_leases", *OF_PEOPLE)

WALK = [pytest.param(name, state, id=f"{name}-{state}") for name in STEPS for state in LineState]
MOVES = [
    pytest.param(name, state, transition, id=f"{name}-{state}")
    for name, (_, transitions) in STEPS.items()
    for transition in sorted(transitions)
    for state in sorted(TABLE[transition].leaves)
]


def put(ledger: Ledger, state: LineState, *, lease_seconds: float) -> Batch:
    """Put one line into a state by SQL, with a claim whatever the state, and return its batch."""
    batch = Batch(
        id="b1",
        claim_id="c1",
        survey_uuid=TERMS.survey_uuid,
        unit=UNIT,
        validity_at=TERMS.validity_at,
        reminder_at=None,
        lines=(ClaimedLine(1, str(NUMBER), {}),),
    )
    unit = {"hospital": UNIT.hospital, "business_day": DAY}
    kind = {"area": UNIT.area, "channel": UNIT.channel}
    claimed = {"claim_id": batch.claim_id, "lease_until": moment_in(lease_seconds)}
    under_way = state in {LineState.SENDING, LineState.IN_DOUBT}
    reasons = {LineState.REFUSED: "refused_4xx", LineState.EXCLUDED: "no_contact"}
    with ledger.writing() as connection:
        connection.execute(
            insert(schema.extractions).values(
                id="e1", source="hms", run_id="r1", try_number=1, started_at=moment_in(-60), **unit
            )
        )
        connection.execute(
            insert(schema.batches).values(
                id=batch.id,
                survey_uuid=batch.survey_uuid,
                state=state if under_way else "settled",
                lines=1,
                validity_at=batch.validity_at,
                created_at=moment_in(-60),
                changed_at=moment_in(-60),
                **unit,
                **kind,
                **claimed,
            )
        )
        connection.execute(
            insert(schema.lines).values(
                id=1,
                source="hms",
                attendance_id=str(NUMBER),
                state=state,
                reason=reasons.get(state),
                payload=ledger.keys.encrypt({}) if state in schema.WAITING else None,
                digest="k0:before",
                extraction_id="e1",
                batch_id=batch.id,
                found_at=moment_in(-60),
                changed_at=moment_in(-60),
                **unit,
                **kind,
                **claimed,
            )
        )
    return batch


def test_the_table_is_the_designs() -> None:
    said = {str(transition): (rule.leaves, rule.enters) for transition, rule in TABLE.items()}

    assert said == {
        name: (frozenset(leaves.split()), frozenset(enters.split()))
        for name, (leaves, enters) in DESIGN.items()
    }


def test_what_is_final_no_transition_leaves() -> None:
    left = frozenset[LineState]().union(*(rule.leaves for rule in TABLE.values()))

    assert set(LineState) - left == {LineState.ACCEPTED, LineState.ABANDONED, LineState.EXPIRED}


def test_transform_never_takes_a_line_from_its_way() -> None:
    taken = frozenset[LineState]().union(
        *(rule.leaves for rule in TABLE.values() if rule.who == "transform")
    )

    assert not taken & {LineState.SENDING, LineState.IN_DOUBT}


def test_only_the_built_transitions_are_taken_by_any_code() -> None:
    package = Path(track_dispatch.__file__).parent
    taken = {
        name
        for file in package.rglob("*.py")
        if file.name != "transitions.py"
        for name in re.findall(r"\bTransition\.([A-Z_]+)\b", file.read_text(encoding="utf-8"))
    }

    assert taken == {transition.name for transition, rule in TABLE.items() if rule.built}


def test_the_walk_covers_every_built_transition() -> None:
    walked = frozenset[Transition]().union(*(transitions for _, transitions in STEPS.values()))

    assert walked == {transition for transition, rule in TABLE.items() if rule.built}


@pytest.mark.parametrize("proposed", [invited(NUMBER), not_invited(NUMBER)], ids=["in", "out"])
def test_an_attendance_that_is_not_there_is_found(ledger: Ledger, proposed: Any) -> None:
    read_day(ledger, proposed)

    (line,) = lines_of(ledger)
    assert line["state"] in TABLE[Transition.FOUND].enters
    assert events_of(ledger) == ["found"]


@pytest.mark.parametrize(("name", "state"), WALK)
def test_a_step_moves_a_line_from_the_states_of_the_table_only(
    ledger: Ledger, name: str, state: LineState
) -> None:
    do, transitions = STEPS[name]
    batch = put(ledger, state, lease_seconds=lease_for(name))
    before = core_of(ledger)
    do(ledger, batch)

    expected = [transition for transition in transitions if state in TABLE[transition].leaves]
    after = core_of(ledger)
    assert events_of(ledger) == expected
    assert after["state"] in (TABLE[expected[0]].enters if expected else {state})
    assert (after == before) == (not expected)


@pytest.mark.parametrize("transition", [name for name, rule in TABLE.items() if rule.leaves])
def test_a_move_takes_no_line_that_its_transition_may_not_leave(
    ledger: Ledger, transition: Transition
) -> None:
    """Whatever its caller selected: of two sessions that chose one line, the second gets none."""
    rule = TABLE[transition]
    put(ledger, LineState.ACCEPTED, lease_seconds=60)
    for state in sorted(set(LineState) - rule.leaves):
        sql(ledger, "update lines set state = :state", state=state)
        with ledger.writing() as connection:
            mine = schema.lines.c.id == 1
            moved = move(connection, transition, min(rule.enters), mine, actor=ACTOR)

        assert (list(moved), core_of(ledger)["state"]) == ([], state)


@pytest.mark.parametrize(("name", "state", "transition"), MOVES)
def test_a_move_leaves_one_event_with_its_actor_and_the_databases_time(
    ledger: Ledger, name: str, state: LineState, transition: Transition
) -> None:
    do, _ = STEPS[name]
    batch = put(ledger, state, lease_seconds=lease_for(name))
    before = now_of(ledger)
    do(ledger, batch)
    after = now_of(ledger)

    (event,) = rows_of(ledger, schema.events)
    (line,) = lines_of(ledger)
    actor = DECISION.actor if name in OF_PEOPLE else ACTOR
    told = ("line_id", "transition", "state", "actor", "run_id", "try_number")
    assert [event[name] for name in told] == [
        line["id"],
        transition,
        line["state"],
        actor.name,
        actor.run_id,
        actor.try_number,
    ]
    assert (event["decision_id"] is not None) == (name in OF_PEOPLE)
    assert before <= event["at"] <= after


@pytest.mark.parametrize(("name", "state", "transition"), MOVES)
def test_a_move_whose_event_fails_does_not_happen(
    ledger: Ledger, name: str, state: LineState, transition: Transition
) -> None:
    do, _ = STEPS[name]
    batch = put(ledger, state, lease_seconds=lease_for(name))
    before = everything(ledger, "lines", "batches")
    with refusing(ledger, "events", "insert"), pytest.raises(LedgerError):
        do(ledger, batch)

    assert everything(ledger, "lines", "batches") == before


def lease_for(name: str) -> float:
    """Return what is left of the line's lease, in seconds, for a step to have something to do."""
    return -1 if name in AFTER_THE_LEASE else 300


def core_of(ledger: Ledger) -> dict[str, Any]:
    """Return the line without the note of who saw it last, which is no move."""
    (line,) = lines_of(ledger)
    return {name: value for name, value in line.items() if name != "extraction_id"}


def now_of(ledger: Ledger) -> Any:
    """Return the database's time."""
    with ledger.reading() as connection:
        return connection.scalar(select(moment_in()))
