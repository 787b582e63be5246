"""Settling and claiming in one transaction leaves what doing so one after the other leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.unit.ledger.claim_steps import (
    ACTOR,
    OTHER_SURVEY,
    OTHER_UNIT,
    TERMS,
    TODAY,
    Line,
    people,
    taken,
)
from track_dispatch.errors import LedgerError
from track_dispatch.ledger import schema
from track_dispatch.ledger.between_posts import settle_and_claim_at_once, settle_at_once
from track_dispatch.ledger.claims import (
    Hindrance,
    NotClaimed,
    settle_and_claim,
    settle_and_claim_with_care,
)
from track_dispatch.ledger.retention import drop_old_payloads
from track_dispatch.ledger.schema import PLACES
from track_dispatch.ledger.settling import Settlement, settle
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.batches import ClaimRequest, ClaimTerms
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor


# -- the short way and the careful one -----------------------------------------


class Made(NamedTuple):
    """A case: what is to be settled, which envelope is to be claimed, and under which terms."""

    settlement: Settlement | None
    envelope: int | None
    terms: ClaimTerms

    @property
    def answered(self) -> Settlement:
        assert self.settlement is not None
        return self.settlement

    @property
    def following(self) -> int:
        assert self.envelope is not None
        return self.envelope


def plain(steps: Steps) -> Made:
    batch = steps.claim(steps.fill(3))
    return Made(taken(batch), steps.fill(3, start=10), TERMS)


def first_batch(steps: Steps) -> Made:
    return Made(None, steps.fill(3), TERMS)


def last_batch(steps: Steps) -> Made:
    return Made(taken(steps.claim(steps.fill(3))), None, TERMS)


def another_unit(steps: Steps) -> Made:
    batch = steps.claim(steps.fill(2))
    terms = replace(TERMS, survey=OTHER_SURVEY)
    return Made(taken(batch), steps.fill(2, start=10, unit=OTHER_UNIT), terms)


def last_day(steps: Steps) -> Made:
    return Made(None, steps.fill(people(2, ask_until=TODAY)), TERMS)


def optouts_of_others(steps: Steps) -> Made:
    steps.opt_out("email:somebody@example.test")
    steps.opt_out("email:p1@example.test", channel="whatsapp")
    return Made(None, steps.fill(2), TERMS)


def one_too_late(steps: Steps) -> Made:
    batch = steps.claim(steps.fill(1))
    lines = [*people(2, start=10), *people(1, start=20, ask_until=TODAY - timedelta(1))]
    return Made(taken(batch), steps.fill(lines), TERMS)


def one_opted_out(steps: Steps) -> Made:
    steps.opt_out("email:p11@example.test")
    return Made(taken(steps.claim(steps.fill(1))), steps.fill(3, start=10), TERMS)


def one_invited_lately(steps: Steps) -> Made:
    batch = steps.claim(steps.fill(1))
    return Made(taken(batch), steps.fill([*people(1), *people(2, start=10)]), TERMS)


def one_contact_twice(steps: Steps) -> Made:
    shared = Line(person="cpf:77", contact="email:p10@example.test")
    return Made(None, steps.fill([*people(2, start=10), shared]), TERMS)


def some_for_every_reason(steps: Steps) -> Made:
    steps.opt_out("email:p11@example.test")
    batch = steps.claim(steps.fill(1))
    lines = [
        *people(1),
        *people(3, start=10),
        replace(people(1, start=12)[0], contact="email:again@example.test"),
        *people(1, start=20, ask_until=TODAY - timedelta(1)),
    ]
    return Made(taken(batch), steps.fill(lines), TERMS)


PLAIN: dict[str, Callable[[Ledger], Made]] = {
    one.__name__: one
    for one in (
        plain, first_batch, last_batch, another_unit, last_day, optouts_of_others, one_too_late,
        one_opted_out, one_invited_lately, one_contact_twice, some_for_every_reason,
    )
}  # fmt: skip


def refused_some(steps: Steps) -> Made:
    batch = steps.claim(steps.fill(3))
    some = Settlement(batch, accepted=[0, 2], refused={1: "invalid email"}, status=201)
    return Made(some, steps.fill(2, start=10), TERMS)


def not_delivered(steps: Steps) -> Made:
    batch = steps.claim(steps.fill(3))
    released = Settlement(batch, released=batch.places, batch_state=BatchState.NOT_DELIVERED)
    return Made(released, steps.fill(2, start=10), TERMS)


def uncertain(steps: Steps) -> Made:
    batch = steps.claim(steps.fill(3))
    doubt = Settlement(batch, in_doubt=batch.places, status=502, batch_state=BatchState.IN_DOUBT)
    return Made(doubt, steps.fill(2, start=10), TERMS)


def answered_late(steps: Steps) -> Made:
    batch = steps.claim(steps.fill(3))
    steps.run_sql("update lines set state = 'in_doubt'")
    steps.run_sql("update batches set state = 'in_doubt', lease_until = null")
    return Made(taken(batch), steps.fill(2, start=10), TERMS)


def one_stood_back(steps: Steps) -> Made:
    steps.opt_out("email:p11@example.test")
    steps.fill(people(1, start=11, state="excluded", reason="same_person"))
    return Made(None, steps.fill(3, start=10), TERMS)


def excluded_once_more(steps: Steps) -> Made:
    steps.opt_out("email:p11@example.test")
    old = steps.claim(steps.fill(1))
    settle(steps.ledger, taken(old), actor=ACTOR)
    lines = [*people(1, start=10), *people(1, start=11, batch=old.id)]
    return Made(None, steps.fill(lines), TERMS)


def all_excluded(steps: Steps) -> Made:
    batch = steps.claim(steps.fill(2))
    return Made(taken(batch), steps.fill(2), TERMS)


def some_held(steps: Steps) -> Made:
    lines = [*people(2, start=10), *people(2, start=20, state="held")]
    return Made(taken(steps.claim(steps.fill(1))), steps.fill(lines), TERMS)


def outdated(steps: Steps) -> Made:
    return Made(taken(steps.claim(steps.fill(1))), steps.fill(2, start=10, age_hours=37), TERMS)


def other_rules(steps: Steps) -> Made:
    return Made(taken(steps.claim(steps.fill(1))), steps.fill(2, start=10, rules="old"), TERMS)


def extraction_unknown(steps: Steps) -> Made:
    batch, envelope = steps.claim(steps.fill(1)), steps.fill(2, start=10)
    steps.run_sql("update envelopes set extraction = 'x' where id = :id", id=envelope)
    return Made(taken(batch), envelope, TERMS)


def stopped(steps: Steps) -> Made:
    batch, envelope = steps.claim(steps.fill(1)), steps.fill(2, start=10)
    stop_service(steps.ledger, hospital="HMS", why="captcha", status=405, actor=ACTOR)
    return Made(taken(batch), envelope, TERMS)


def budget_spent(steps: Steps) -> Made:
    batch, envelope = steps.claim(steps.fill(1)), steps.fill(2, start=10)
    return Made(taken(batch), envelope, replace(TERMS, requests_per_5_minutes=1))


def survey_busy(steps: Steps) -> Made:
    batch, envelope = steps.claim(steps.fill(1)), steps.fill(2, start=10, unit=OTHER_UNIT)
    terms = replace(TERMS, survey=OTHER_SURVEY)
    steps.claim(steps.fill(1, start=20, unit=OTHER_UNIT), terms=terms)
    return Made(taken(batch), envelope, terms)


def nothing_ready(steps: Steps) -> Made:
    batch = steps.claim(steps.fill(1))
    return Made(taken(batch), steps.fill(people(2, start=10, state="held")), TERMS)


NOT_PLAIN: dict[str, Callable[[Ledger], Made]] = {
    one.__name__: one
    for one in (
        refused_some, not_delivered, uncertain, answered_late, one_stood_back, excluded_once_more,
        all_excluded, some_held, outdated, other_rules, extraction_unknown, stopped, budget_spent,
        survey_busy, nothing_ready,
    )
}  # fmt: skip
WHY = {
    "last_batch": Hindrance.NOTHING_READY,
    "all_excluded": Hindrance.ALL_EXCLUDED,
    "outdated": Hindrance.OUTDATED,
    "other_rules": Hindrance.OUTDATED,
    "extraction_unknown": Hindrance.OUTDATED,
    "stopped": Hindrance.STOPPED,
    "budget_spent": Hindrance.BUDGET_SPENT,
    "survey_busy": Hindrance.SURVEY_BUSY,
    "nothing_ready": Hindrance.NOTHING_READY,
}


def shape(steps: Steps) -> dict[str, list[tuple[Any, ...]]]:
    """Return what the ledger holds, free of moments and of ids that are new each time."""
    envelopes = {row["id"]: n for n, row in enumerate(steps.rows(schema.envelopes))}
    batches = {row: n for n, row in enumerate(steps.batches())}

    def place(address: int) -> tuple[int, int]:
        return envelopes[address // PLACES], address % PLACES

    return {
        "lines": [
            (place(row["id"]), place(row["address"]), row["state"], row["reason"],
             batches.get(row["batch"]), row["question"])
            for row in steps.rows(schema.lines)
        ],
        "envelopes": [
            (row["version"], row["waiting"], row["reopened"], row["payload"] is None)
            for row in steps.rows(schema.envelopes)
        ],
        "batches": [
            (row["survey"], envelopes.get(row["envelope"]), row["state"], row["lines"],
             row["lease_until"] is None, row["validity_at"], row["reminder_at"], row["status"],
             row["receipt"], row["run_id"], row["try_number"])
            for row in steps.batches().values()
        ],
        "events": [
            (envelopes[row["envelope"]], row["places"], row["transition"], row["state"],
             row["reason"], row["detail"], batches.get(row["batch"]), row["actor"], row["run_id"],
             row["try_number"], row["decision"], row["came_from"])
            for row in steps.rows(schema.events)
        ],
        "requests": [(sum(row["taken"] for row in steps.rows(schema.requests, "slot")),)],
    }  # fmt: skip


def carried_out(steps: Steps, way: Callable[..., Any], made: Made) -> Any:
    settlement, envelope, terms = made
    following = None if envelope is None else steps.request(envelope, terms=terms)
    return way(steps.ledger, settlement=settlement, request=following, actor=ACTOR)


def the_short_way(
    ledger: Ledger, *, settlement: Settlement | None, request: ClaimRequest | None, actor: Actor
) -> bool:
    if request is None:
        return settlement is not None and settle_at_once(ledger, settlement, actor=actor)
    claimed = settle_and_claim_at_once(ledger, settlement=settlement, request=request, actor=actor)
    return claimed is not None


def emptied(steps: Steps) -> None:
    for table in ("events", "lines", "envelopes", "batches", "identities", "requests", "stops",
                  "optouts", "extractions"):  # fmt: skip
        steps.run_sql(f"delete from {table}")


@pytest.mark.parametrize("case", [*PLAIN, *NOT_PLAIN])
def test_both_ways_leave_the_same_ledger(steps: Steps, case: str) -> None:
    make = (PLAIN | NOT_PLAIN)[case]
    short = carried_out(steps, settle_and_claim, make(steps))
    after = shape(steps)
    emptied(steps)
    careful = carried_out(steps, settle_and_claim_with_care, make(steps))

    assert shape(steps) == after
    for outcome in (short, careful):
        why = outcome.why if isinstance(outcome, NotClaimed) else None
        assert why is WHY.get(case)
    assert steps.counts_are_true()


@pytest.mark.parametrize("case", PLAIN)
def test_a_plain_case_goes_the_short_way(steps: Steps, case: str) -> None:
    assert carried_out(steps, the_short_way, PLAIN[case](steps))


@pytest.mark.parametrize("case", NOT_PLAIN)
def test_the_short_way_leaves_what_is_not_plain_alone(steps: Steps, case: str) -> None:
    made = NOT_PLAIN[case](steps)
    before = shape(steps)

    assert not carried_out(steps, the_short_way, made)
    assert shape(steps) == before


def test_a_held_line_whose_payload_grew_too_old_is_counted_by_the_claim_of_another(
    steps: Steps,
) -> None:
    """It waits, but is no longer in what is sealed: the short way would not see it."""
    lines = [*people(1, start=10), *people(1, start=20, state="held")]
    envelope = steps.fill(lines, age_hours=35.9)
    batch = steps.claim(envelope)
    drop_old_payloads(steps.ledger, max_age_hours=35, actor=ACTOR)
    released = Settlement(batch, released=batch.places, batch_state=BatchState.NOT_DELIVERED)
    settle(steps.ledger, released, actor=ACTOR)

    steps.claim(envelope)

    (row,) = steps.rows(schema.envelopes)
    assert (steps.states(), row["waiting"]) == (["sending", "held"], 1)


@pytest.mark.parametrize(
    "accident",
    [
        "update batches set state = 'in_doubt'",
        "update batches set claim = 'another'",
        "update lines set batch = 'another' where id = (select min(id) from lines)",
        "update lines set state = 'in_doubt' where id = (select min(id) from lines)",
    ],
)
def test_the_short_way_settles_nothing_but_a_batch_in_flight_and_its_lines(
    steps: Steps, accident: str
) -> None:
    made = last_batch(steps)
    steps.run_sql(accident)
    before = shape(steps)

    assert not carried_out(steps, the_short_way, made)
    assert shape(steps) == before


# -- the settlement and the claim are not bound to each other --------------------


@pytest.mark.parametrize("case", WHY)
def test_no_hindrance_of_the_claim_takes_the_settlement_down(steps: Steps, case: str) -> None:
    made = (PLAIN | NOT_PLAIN)[case](steps)
    carried_out(steps, settle_and_claim, made)

    assert set(steps.states(made.answered.batch.envelope)) == {"accepted"}
    assert steps.batch_state(made.answered.batch.id) is BatchState.SETTLED


def test_a_claim_that_fails_leaves_the_settlement_and_nothing_else(steps: Steps) -> None:
    made = plain(steps)
    with (
        steps.refusing("lines", "update", "new.state = 'sending'"),
        pytest.raises(LedgerError),
    ):
        steps.try_claim(made.following, settlement=made.settlement)

    assert steps.states() == ["accepted"] * 3 + ["ready"] * 3
    assert [row["state"] for row in steps.batches().values()] == ["settled"]
    assert steps.counts_are_true()


def test_a_settlement_that_fails_claims_nothing(steps: Steps) -> None:
    made = plain(steps)
    before = shape(steps)
    with (
        steps.refusing("lines", "update", "new.state = 'accepted'"),
        pytest.raises(LedgerError),
    ):
        steps.try_claim(made.following, settlement=made.settlement)

    assert shape(steps) == before


def test_to_settle_again_changes_nothing(steps: Steps) -> None:
    """Whoever met an error of the claim settles alone: the settlement may be there already."""
    made = plain(steps)
    carried_out(steps, settle_and_claim, made)
    before = shape(steps)
    settle(steps.ledger, made.answered, actor=ACTOR)

    assert shape(steps) == before
