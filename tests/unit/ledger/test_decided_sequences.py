"""Sequences of readings, claims, answers and decisions, each as the real parts carry them out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from tests.unit.ledger.claim_steps import ACTOR, OTHER_SURVEY, TERMS
from tests.unit.ledger.reading_steps import DAY, OTHER_RUN, TODAY, Attendance, invited, not_invited
from tests.unit.ledger.reading_steps import TERMS as READING
from track_dispatch.config.policies import VolumeGate
from track_dispatch.ledger import schema
from track_dispatch.ledger.approvals import release_day
from track_dispatch.ledger.backups import restore
from track_dispatch.ledger.claims import NotClaimed
from track_dispatch.ledger.decisions import Decision, decide_batch, retry_refused
from track_dispatch.ledger.envelopes import envelope_of
from track_dispatch.ledger.history import attendance_history
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.ledger.privacy import erase_person
from track_dispatch.ledger.retention import anonymise, expire_past, purge
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.views import day_facts
from track_dispatch.records import HospitalDay
from track_dispatch.states import Reason, Refusal, Verb

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.batches import Batch
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.views import DayFacts

UNSENT = Decision(Verb.SETTLE_UNSENT, "ana", "não está no Track")
SENT = Decision(Verb.SETTLE_SENT, "ana", "está no Track")
NEXT = HospitalDay("HMS", TODAY)
OTOA_DAY = HospitalDay("OTOA", DAY.business_day)


def envelope_with(steps: Steps, number: int) -> int:
    """Return the envelope that an attendance lies in now."""
    (line,) = [one for one in steps.lines() if one.attendance_id == str(number)]
    return envelope_of(line.address)


def facts(ledger: Ledger, day: HospitalDay = DAY) -> DayFacts:
    with ledger.reading() as connection:
        return day_facts(connection, [day])[day]


def only_batch(ledger: Ledger) -> str:
    with ledger.reading() as connection:
        (batch,) = connection.scalars(select(schema.batches.c.id)).all()
    return str(batch)


# -- a person's word, and Track's late one -----------------------------------------


def said_unsent(steps: Steps) -> Batch:
    """Let a batch be posted, its answer get lost, and a person say that it was not sent."""
    steps.read(invited(1), invited(2))
    batch = steps.claim(envelope_with(steps, 1))
    steps.end_leases()
    expire_leases(steps.ledger, actor=ACTOR)
    decide_batch(steps.ledger, batch.id, UNSENT, today=TODAY)
    return batch


@pytest.mark.parametrize("read_again", [False, True])
def test_an_acceptance_that_arrives_after_a_persons_no_holds_and_nobody_is_asked_twice(
    steps: Steps, *, read_again: bool
) -> None:
    batch = said_unsent(steps)
    if read_again:
        steps.read(invited(1), invited(2))

    steps.settle(batch, accepted=batch.places)

    assert steps.stands() == [("accepted", None)] * 2
    if not read_again:
        steps.read(invited(1), invited(2))
    assert isinstance(steps.try_claim(envelope_with(steps, 1)), NotClaimed)
    assert facts(steps.ledger).claimed_anew == 0


def test_an_acceptance_that_arrives_after_a_new_claim_is_told(steps: Steps) -> None:
    batch = said_unsent(steps)
    steps.read(invited(1), invited(2))
    again = steps.claim(envelope_with(steps, 1))

    steps.settle(batch, accepted=batch.places)

    assert steps.stands() == [("sending", None)] * 2
    assert again.id != batch.id
    assert facts(steps.ledger).claimed_anew == 2


# -- the cap after a decision ------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "fate"),
    [(SENT, ("excluded", "contact_cap")), (UNSENT, ("sending", None))],
)
def test_what_a_person_says_of_a_batch_that_was_never_posted_counts_for_the_cap(
    steps: Steps, decision: Decision, fate: tuple[str, str | None]
) -> None:
    """After a restored backup it entered nothing before, and the patient was asked again."""
    steps.read(invited(1, person="52998224725"))
    restored = Decision(Verb.RESTORED, "rui", "disco trocado")
    restore(steps.ledger, as_of=datetime(2026, 3, 1, tzinfo=UTC), decision=restored)
    decide_batch(steps.ledger, only_batch(steps.ledger), decision, today=TODAY)
    other = invited(7, person="52998224725", email="other@example.test")
    today = HospitalDay("OTOA", datetime.now(UTC).date())  # a day that no backup can have lost
    steps.read(other, day=today, source="otoa")

    steps.try_claim(envelope_with(steps, 7), terms=replace(TERMS, survey=OTHER_SURVEY))

    assert steps.lines()[1].stands == fate


# -- an erasure, and the day read again --------------------------------------------


@pytest.mark.parametrize(
    "value", ["cpf:00000000001", "email:p1@example.test", "phone:5527000000001"]
)
def test_who_was_erased_is_not_asked_when_her_day_is_cleared(steps: Steps, value: str) -> None:
    day = [invited(1), invited(2)]
    steps.read(*day)
    erase_person(steps.ledger, [value], Decision(Verb.ERASE, "ana", "pedido da pessoa"))

    steps.read(*day)
    batch = steps.claim(envelope_with(steps, 2))

    assert [line.attendance_id for line in batch.lines] == ["2"]
    assert steps.stands() == [("excluded", "opt_out"), ("sending", None)]


# -- what left the ledger ----------------------------------------------------------


def test_who_was_accepted_and_forgotten_is_known_when_the_erp_gives_another_day(
    steps: Steps,
) -> None:
    steps.read(invited(1), not_invited(2))
    batch = steps.claim(envelope_with(steps, 1))
    steps.settle(batch, accepted=batch.places)
    purge(steps.ledger, hospital="HMS", first_known_day=TODAY)

    steps.read(invited(1), not_invited(2), invited(3), day=NEXT)

    assert [line.attendance_id for line in steps.lines()] == ["2", "3"]
    found = facts(steps.ledger, NEXT).equation
    assert found is not None
    assert (found.other_day, found.holds) == (1, True)


def test_an_anonymised_day_that_is_read_again_asks_nobody_twice(steps: Steps) -> None:
    steps.read(invited(1), not_invited(2))
    batch = steps.claim(envelope_with(steps, 1))
    steps.settle(batch, accepted=batch.places)
    anonymised = anonymise(steps.ledger, hospital="HMS", before=TODAY, days=-1)

    steps.read(invited(1), not_invited(2), invited(3), actor=OTHER_RUN)

    found = facts(steps.ledger).equation
    assert anonymised == 2
    assert steps.stands() == [("accepted", None), ("excluded", "no_contact"), ("ready", None)]
    assert found is not None
    assert found.holds


def test_who_was_given_more_time_keeps_it_through_readings_and_nights(steps: Steps) -> None:
    old = replace(READING, ask_until=date(2026, 6, 30))
    steps.read(invited(1), terms=old)

    steps.read(invited(1), actor=OTHER_RUN)
    expired = expire_past(steps.ledger, hospital="HMS", today=date(2026, 6, 30), actor=ACTOR)

    assert (expired, steps.line().stands) == (0, ("ready", None))
    assert expire_past(steps.ledger, hospital="HMS", today=date(2026, 7, 1), actor=ACTOR) == 1


# -- refused, held -----------------------------------------------------------------


def test_what_track_refused_for_good_is_asked_again_when_a_person_allows_it(
    steps: Steps,
) -> None:
    steps.read(invited(1))
    batch = steps.claim(envelope_with(steps, 1))
    refusal = Settlement(batch, refused={0: "invalid"}, refusal=Refusal.IN_ACCEPTANCE)
    settle(steps.ledger, refusal, actor=ACTOR)
    steps.read(invited(1))
    unchanged = steps.line().state

    retry_refused(steps.ledger, DAY, Decision(Verb.RETRY_REFUSED, "ana", "corrigido"), today=TODAY)
    reopened = steps.line().state
    steps.read(invited(1))

    assert (unchanged, reopened, steps.line().state) == ("refused", "reopened", "ready")


@pytest.mark.parametrize("hours_old", [1, 99])
def test_a_released_day_is_not_held_again_for_the_same_volume(
    steps: Steps, hours_old: float
) -> None:
    for weeks in range(1, 5):
        past = HospitalDay("HMS", DAY.business_day - timedelta(weeks=weeks))
        steps.put_extraction(1, day=past, volume=1, run_id="earlier")
    odd = replace(READING, gate=VolumeGate(min_lines=2))
    day = [invited(number) for number in range(1, 6)]
    steps.read(*day, terms=odd)
    held = {state for state, _ in steps.stands()}
    hours = f"started_at = '{datetime.now(UTC) - timedelta(hours=hours_old):%Y-%m-%d %H:%M:%S}'"
    steps.run_sql(f"update extractions set {hours} where run_id <> 'earlier'")

    done = release_day(
        steps.ledger, DAY, Decision(Verb.RELEASE, "ana", "conferido"), max_age_hours=36, today=TODAY
    )
    steps.read(*day, terms=odd, actor=OTHER_RUN)

    assert held == {"held"}
    assert (done.ready, done.reopened) == ((5, 0) if hours_old == 1 else (0, 5))
    assert steps.stands() == [("ready", None)] * 5


# -- the equation, and a life ------------------------------------------------------


def test_the_equation_holds_whatever_the_erp_does_next(steps: Steps) -> None:
    day: list[Attendance] = [invited(number) for number in range(1, 5)]
    steps.read(*day, not_invited(9, Reason.DEATH))
    batch = steps.claim(envelope_with(steps, 1))
    steps.settle(batch, accepted=[0], refused={1: "x"}, released=[2, 3])
    balances = [facts(steps.ledger).equation]
    steps.read(day[2])  # the accepted, the refused and the excluded ones are missing, too
    balances.append(facts(steps.ledger).equation)
    steps.read_days({NEXT: [day[2]], DAY: [day[0]]})  # moved within one run
    balances += [facts(steps.ledger).equation, facts(steps.ledger, NEXT).equation]
    steps.read(day[2], day=HospitalDay("HMS", date(2026, 3, 12)), actor=OTHER_RUN)
    balances += [
        facts(steps.ledger).equation,
        facts(steps.ledger, NEXT).equation,
    ]  # moved by another run

    assert [one is not None and one.holds for one in balances] == [True] * 6


def test_the_whole_life_of_an_attendance_is_told_over_readings_and_days(steps: Steps) -> None:
    steps.read(invited(1), invited(2))
    steps.read(invited(1, email="new@example.test"), invited(2))
    steps.read_days({NEXT: [invited(1)], DAY: [invited(2)]})
    batch = steps.claim(envelope_with(steps, 1))
    steps.settle(batch, accepted=batch.places, receipt="dist-7")

    with steps.ledger.reading() as connection:
        found = attendance_history(connection, source="hms", attendance_id="1")
        other = attendance_history(connection, source="hms", attendance_id="2")

    assert found is not None
    assert other is not None
    assert (found.business_day, found.state) == (TODAY, "accepted")
    assert [step.transition for step in found.steps] == [
        "found",
        "reevaluated",
        "moved",
        "claimed",
        "answered",
    ]
    assert found.steps[-1].receipt == "dist-7"
    assert [step.transition for step in other.steps][:2] == ["found", "reevaluated"]
    assert "claimed" not in [step.transition for step in other.steps]
