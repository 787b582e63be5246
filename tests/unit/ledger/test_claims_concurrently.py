"""Sessions that claim, settle and read at once: no line twice, nobody waits for long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from tests.unit.ledger.claim_steps import ACTOR, OTHER_SURVEY, OTHER_UNIT, TERMS, UNIT, Line, people
from tests.unit.ledger.steps import Steps
from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import Batch
from track_dispatch.ledger.claims import (
    Hindrance,
    NotClaimed,
    settle_and_claim,
    settle_and_claim_with_care,
)
from track_dispatch.ledger.envelopes import span
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.sql import take_turn
from track_dispatch.ledger.transitions import Transition, apply_transition
from track_dispatch.states import LineState, Reason

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from track_dispatch.ledger.database import Ledger

SESSIONS = 8
HOSPITALS = ("HMS", "HMSM", "HVV", "HSC")
WAYS = pytest.mark.parametrize(
    "way", [settle_and_claim, settle_and_claim_with_care], ids=["short", "careful"]
)


def side_by_side(count: int, session: Callable[[int], list[int]]) -> list[list[int]]:
    """Let sessions begin together; return what each of them brought."""
    barrier = Barrier(count)

    def begin(number: int) -> list[int]:
        barrier.wait(30)
        return session(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def waiting_of(steps: Steps, unit_id: int) -> list[int]:
    return [
        row["id"]
        for row in steps.rows(schema.envelopes)
        if row["unit"] == unit_id and row["waiting"] > 0 and row["payload"] is not None
    ]


def unit_of(steps: Steps, envelope: int) -> int:
    return steps.request(envelope).unit_id


@WAYS
@pytest.mark.parametrize("surveys", [1, SESSIONS], ids=["one_survey", "a_survey_each"])
def test_sessions_that_claim_at_once_share_the_lines_without_overlap(
    steps: Steps, surveys: int, way: Callable[..., Batch | NotClaimed]
) -> None:
    envelopes = [steps.fill(3, start=10 * n) for n in range(1, 13)]
    unit_id = unit_of(steps, envelopes[0])

    def session(number: int) -> list[int]:
        terms = replace(TERMS, survey=f"survey-{number % surveys}")
        taken: list[int] = []
        answered: Settlement | None = None
        while left := waiting_of(steps, unit_id):
            following = steps.request(left[number % len(left)], terms=terms)
            batch = way(steps.ledger, settlement=answered, request=following, actor=ACTOR)
            answered = None
            if isinstance(batch, Batch):
                taken += [line.line for line in batch.lines]
                answered = Settlement(batch, accepted=batch.places)
        if answered is not None:
            settle(steps.ledger, answered, actor=ACTOR)
        return taken

    claims = Counter(line for taken in side_by_side(SESSIONS, session) for line in taken)

    assert claims == Counter(line["id"] for line in steps.rows(schema.lines))
    assert set(steps.states()) == {"accepted"}
    assert {row["state"] for row in steps.batches().values()} == {"settled"}


@WAYS
def test_hospitals_that_settle_and_claim_crosswise_do_not_stop_each_other(
    steps: Steps, way: Callable[..., Batch | NotClaimed]
) -> None:
    """Each has patients of the others; each of them is invited once, and no session fails."""
    rounds = 6
    envelopes = {
        (hospital, n): steps.fill(
            [
                Line(person=f"cpf:{n}-{i}", contact=f"email:{hospital}{n}-{i}@example.test")
                for i in range(4)
            ],
            unit=replace(UNIT, hospital=hospital),
        )
        for n in range(rounds)
        for hospital in HOSPITALS
    }

    def session(number: int) -> list[int]:
        # in turn forwards and backwards, so that they meet crosswise
        order = list(range(rounds)) if number % 2 else list(reversed(range(rounds)))
        terms = replace(TERMS, survey=f"survey-{number}")
        answered: Settlement | None = None
        taken: list[int] = []
        for n in order:
            following = steps.request(envelopes[HOSPITALS[number], n], terms=terms)
            batch = way(steps.ledger, settlement=answered, request=following, actor=ACTOR)
            answered = None
            if isinstance(batch, Batch):
                answered = Settlement(batch, accepted=batch.places)
                taken += [hash_ for line in batch.lines for hash_ in line.persons]
        if answered is not None:
            settle(steps.ledger, answered, actor=ACTOR)
        return taken

    taken = [one for found in side_by_side(len(HOSPITALS), session) for one in found]

    assert max(Counter(taken).values()) == 1
    assert len(taken) == 4 * rounds
    assert Counter(steps.states()) == {"accepted": 4 * rounds, "excluded": 12 * rounds}
    assert steps.counts_are_true()


@WAYS
def test_who_is_being_claimed_elsewhere_counts_as_invited(
    steps: Steps, way: Callable[..., Batch | NotClaimed]
) -> None:
    """The other claim is not committed yet when ours begins: ours waits for its turn."""
    first, second = steps.fill(people(1)), steps.fill(people(2), unit=OTHER_UNIT)
    batch = steps.claim(steps.fill(1, start=30))
    steps.settle(batch, accepted=batch.places)
    following = steps.request(second, terms=replace(TERMS, survey=OTHER_SURVEY))
    with steps.ledger.writing() as connection:
        take_turn(connection)
        _claim_by_hand(connection, first, batch.id)
        with steps.blocked(
            lambda: way(steps.ledger, settlement=None, request=following, actor=ACTOR)
        ) as ours:
            connection.commit()
        claimed = ours.result(30)

    assert isinstance(claimed, Batch)
    assert [line.place for line in claimed.lines] == [1]
    assert steps.reasons(second) == ["contact_cap", None]


def _claim_by_hand(connection: Connection, envelope: int, batch: str) -> None:
    """Claim as another session does, up to its commit."""
    low, high = span(envelope)
    chosen = update(schema.lines).where(schema.lines.c.address.between(low, high))
    connection.execute(chosen.values(state="sending", batch=batch))


# -- what changed since it was read ------------------------------------------------------


def corrected(ledger: Ledger, envelope: int) -> None:
    """Read a line anew, as transform does: it lies in another envelope."""
    with ledger.writing() as connection:
        apply_transition(
            connection,
            Transition.GONE,
            LineState.EXCLUDED,
            schema.lines.c.address == envelope * 1000,
            keys=ledger.keys,
            actor=ACTOR,
            reason=Reason.GONE,
        )


@WAYS
def test_what_was_read_ahead_and_corrected_meanwhile_does_not_go(
    steps: Steps, way: Callable[..., Batch | NotClaimed]
) -> None:
    envelope = steps.fill(2)
    following = steps.request(envelope)
    corrected(steps.ledger, envelope)
    stale = way(steps.ledger, settlement=None, request=following, actor=ACTOR)

    assert stale == NotClaimed(Hindrance.SEALED_ANEW)
    assert steps.states() == ["excluded", "ready"]
    assert [line.place for line in steps.claim(envelope).lines] == [1]


@WAYS
def test_what_another_claimed_meanwhile_does_not_go(
    steps: Steps, way: Callable[..., Batch | NotClaimed]
) -> None:
    envelope = steps.fill(2)
    following = steps.request(envelope, terms=replace(TERMS, survey=OTHER_SURVEY))
    steps.claim(envelope)

    stale = way(steps.ledger, settlement=None, request=following, actor=ACTOR)
    assert stale == NotClaimed(Hindrance.SEALED_ANEW)


@WAYS
def test_what_was_claimed_and_released_meanwhile_is_read_again(
    steps: Steps, way: Callable[..., Batch | NotClaimed]
) -> None:
    envelope = steps.fill(2)
    following = steps.request(envelope)
    batch = steps.claim(envelope)
    steps.settle(batch, released=batch.places)

    stale = way(steps.ledger, settlement=None, request=following, actor=ACTOR)
    assert stale == NotClaimed(Hindrance.SEALED_ANEW)


@WAYS
def test_an_envelope_goes_as_its_own_unit_only(
    steps: Steps, way: Callable[..., Batch | NotClaimed]
) -> None:
    following = steps.request(steps.fill(2))
    other = unit_of(steps, steps.fill(1, start=9, unit=OTHER_UNIT))
    mistaken = replace(following, unit_id=other)

    refused = way(steps.ledger, settlement=None, request=mistaken, actor=ACTOR)
    assert refused == NotClaimed(Hindrance.SEALED_ANEW)


# -- beside a transform that takes its time ----------------------------------------------


def at_work_on_lines(connection: Connection, envelope: int) -> None:
    low, high = span(envelope)
    held = select(schema.lines.c.id).where(schema.lines.c.address.between(low, high))
    connection.execute(held.limit(1).with_for_update())


def at_work_on_envelope(connection: Connection, envelope: int) -> None:
    held = select(schema.envelopes.c.id).where(schema.envelopes.c.id == envelope)
    connection.execute(held.with_for_update())


@WAYS
@pytest.mark.parametrize("at_work", [at_work_on_lines, at_work_on_envelope])
def test_a_claim_passes_over_what_a_transform_is_working_on(
    postgresql_steps: Steps,
    way: Callable[..., Batch | NotClaimed],
    at_work: Callable[[Connection, int], None],
) -> None:
    """It does not wait: it would keep all hospitals waiting with it."""
    steps = postgresql_steps
    batch = steps.claim(steps.fill(1, start=20))
    envelope = steps.fill(2)
    following = steps.request(envelope)
    with steps.ledger.writing() as connection:
        at_work(connection, envelope)
        passed = way(
            steps.ledger,
            settlement=Settlement(batch, accepted=batch.places),
            request=following,
            actor=ACTOR,
        )

    assert passed == NotClaimed(Hindrance.LOCKED)
    assert steps.states(batch.envelope) == ["accepted"]
    assert steps.states(envelope) == ["ready", "ready"]


@WAYS
def test_a_hospital_dispatches_beside_the_transform_of_another(
    postgresql_steps: Steps, way: Callable[..., Batch | NotClaimed]
) -> None:
    steps = postgresql_steps
    theirs = steps.fill(5, unit=replace(UNIT, hospital="HMSM"))
    ours = [steps.fill(2, start=10 * n) for n in range(1, 4)]
    answered = None
    with steps.ledger.long_writing() as connection:
        low, high = span(theirs)
        day = update(schema.lines).where(schema.lines.c.address.between(low, high))
        connection.execute(day.values(digest=b"x"))
        for envelope in ours:
            following = steps.request(envelope)
            batch = way(steps.ledger, settlement=answered, request=following, actor=ACTOR)
            assert isinstance(batch, Batch)
            answered = Settlement(batch, accepted=batch.places)
        assert answered is not None
        settle(steps.ledger, answered, actor=ACTOR)

    assert Counter(steps.states()) == {"accepted": 6, "ready": 5}


def test_lines_come_back_without_waiting_for_a_transform(postgresql_steps: Steps) -> None:
    steps = postgresql_steps
    batch = steps.claim(steps.fill(1))
    line = people(1, state="excluded", reason="same_person")
    busy, free = steps.fill(line), steps.fill(line)
    with steps.ledger.writing() as connection:
        at_work_on_envelope(connection, busy)
        steps.settle(batch, refused={0: ""})

    assert (steps.states(busy), steps.states(free)) == (["excluded"], ["reopened"])


def test_a_release_fails_at_once_where_a_transform_is_working_and_may_be_tried_again(
    postgresql_steps: Steps,
) -> None:
    """Its owner tries again until the lease ends, and lets the others have their turns."""
    steps = postgresql_steps
    batch = steps.claim(steps.fill(2))
    released = Settlement(batch, released=batch.places)
    with steps.ledger.writing() as connection:
        at_work_on_envelope(connection, batch.envelope)
        with pytest.raises(LedgerError, match="LockNotAvailable"):
            settle(steps.ledger, released, actor=ACTOR)
    settle(steps.ledger, released, actor=ACTOR)

    assert steps.states() == ["ready", "ready"]


# -- beside a person, and whoever looks at leases --------------------------------------------


def test_an_answer_and_the_end_of_its_lease_may_come_together(steps: Steps) -> None:
    batches = [
        steps.claim(steps.fill(2, start=10 * n), terms=replace(TERMS, survey=f"s{n}"))
        for n in range(1, 9)
    ]
    steps.end_leases()

    def session(number: int) -> list[int]:
        if number % 2:
            for _ in range(4):
                expire_leases(steps.ledger, actor=ACTOR)
            return []
        for batch in batches[number // 2 :: 2]:
            steps.settle(batch, accepted=batch.places)
        return []

    side_by_side(4, session)

    assert set(steps.states()) == {"accepted"}
    assert {row["state"] for row in steps.batches().values()} == {"settled"}
    assert {row["lease_until"] for row in steps.batches().values()} == {None}


def test_two_who_expire_one_lease_put_each_line_in_doubt_once(steps: Steps) -> None:
    steps.claim(steps.fill(3))
    steps.end_leases()
    moved = side_by_side(4, lambda _: [expire_leases(steps.ledger, actor=ACTOR)])

    assert sorted(found for one in moved for found in one) == [0, 0, 0, 3]
    transitions = [row["transition"] for row in steps.rows(schema.events)]
    assert transitions.count("lease_expired") == 1


def test_one_answer_that_is_settled_by_two_at_once_is_settled_once(steps: Steps) -> None:
    batch = steps.claim(steps.fill(3))
    answered = Settlement(batch, accepted=[0], refused={1: "x"}, released=[2])
    side_by_side(4, lambda _: [settle(steps.ledger, answered, actor=ACTOR).accepted])

    assert steps.states() == ["accepted", "refused", "ready"]
    assert Counter(row["transition"] for row in steps.rows(schema.events)) == {
        "claimed": 1, "answered": 3,
    }  # fmt: skip
    assert steps.counts_are_true()
