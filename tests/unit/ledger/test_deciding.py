"""People decide about lines: what moves, what does not, and who did it is on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ledger_steps import (
    ACTOR,
    DAY,
    UNIT,
    batches_of,
    end_leases,
    events_of,
    fill,
    ids,
    invited,
    lines_of,
    read_day,
    rows_of,
    sql,
    states_of,
    take,
)

from track_dispatch.errors import ConfigError, LinesInFlightError
from track_dispatch.ledger import schema
from track_dispatch.ledger.deciding import allow_retry, release_day, settle_doubt
from track_dispatch.ledger.doubts import doubts
from track_dispatch.ledger.settling import Settlement, doubt, settle
from track_dispatch.records import Decision, Verb

if TYPE_CHECKING:
    from track_dispatch.ledger.batches import Batch
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor

SENT = Decision(Verb.SETTLE_SENT, person="ana", why="visto no Track")
ABANDON = Decision(Verb.ABANDON, person="ana", why="não dá para saber")
RELEASE = Decision(Verb.RELEASE, person="ana", why="volume conferido")
RETRY = Decision(Verb.RETRY_REFUSED, person="ana", why="modelo corrigido")


def doubtful(ledger: Ledger, count: int = 2, *, actor: Actor = ACTOR) -> Batch:
    """Put a batch in doubt, its lease still running."""
    fill(ledger, count)
    batch = take(ledger, actor=actor)
    doubt(ledger, batch, status=500, actor=actor)
    return batch


@pytest.mark.parametrize(("decision", "state"), [(SENT, "accepted"), (ABANDON, "abandoned")])
def test_a_doubt_is_settled_as_the_person_says(
    ledger: Ledger, decision: Decision, state: str
) -> None:
    batch = doubtful(ledger)
    end_leases(ledger)

    assert settle_doubt(ledger, batch.id, decision) == 2

    assert states_of(ledger) == [state] * 2
    assert [line["payload"] for line in lines_of(ledger)] == [None, None]
    assert [one["state"] for one in batches_of(ledger)] == ["settled"]
    (written,) = rows_of(ledger, schema.decisions)
    told = ("what", "person", "why", "hospital", "business_day", "batch_id", "lines")
    assert [written[name] for name in told] == [
        decision.what,
        "ana",
        decision.why,
        "HMS",
        DAY,
        batch.id,
        2,
    ]
    last = rows_of(ledger, schema.events)[-1]
    assert (last["actor"], last["decision_id"]) == ("ana", written["id"])


def test_a_doubt_waits_for_the_end_of_its_lease(ledger: Ledger) -> None:
    batch = doubtful(ledger)

    with pytest.raises(LinesInFlightError):
        settle_doubt(ledger, batch.id, ABANDON)

    assert states_of(ledger) == ["in_doubt"] * 2
    assert rows_of(ledger, schema.decisions) == []


@pytest.mark.parametrize("batch_id", ["", "no-such-batch"])
def test_a_batch_that_is_not_in_doubt_is_named(ledger: Ledger, batch_id: str) -> None:
    with pytest.raises(ConfigError, match="in doubt"):
        settle_doubt(ledger, batch_id, ABANDON)


def test_a_settled_doubt_cannot_be_decided_again(ledger: Ledger) -> None:
    batch = doubtful(ledger)
    end_leases(ledger)
    settle_doubt(ledger, batch.id, ABANDON)

    with pytest.raises(ConfigError):
        settle_doubt(ledger, batch.id, SENT)

    assert states_of(ledger) == ["abandoned"] * 2


def test_the_owners_late_answer_does_not_undo_a_persons_word(ledger: Ledger) -> None:
    batch = doubtful(ledger)
    end_leases(ledger)
    settle_doubt(ledger, batch.id, ABANDON)
    before = [dict(one) for one in batches_of(ledger)]

    settle(ledger, batch, Settlement(released=ids(batch)), actor=ACTOR)

    assert states_of(ledger) == ["abandoned"] * 2
    assert [dict(one) for one in batches_of(ledger)] == before


def test_a_decision_that_fails_leaves_no_record(ledger: Ledger) -> None:
    fill(ledger, 1)

    with pytest.raises(ConfigError):
        release_day(ledger, hospital="HMS", business_day=DAY, decision=RELEASE)

    assert rows_of(ledger, schema.decisions) == []


def test_doubts_are_listed_with_what_a_person_needs_to_decide(ledger: Ledger) -> None:
    batch = doubtful(ledger, 3)

    with ledger.reading() as connection:
        (listed,) = doubts(connection)
        assert doubts(connection, hospital="OTOA") == []

    assert (listed.id, listed.unit, listed.lines, listed.posted_lines) == (batch.id, UNIT, 3, 3)
    assert (listed.status, listed.restored, listed.erased) == (500, False, False)
    assert 0 < listed.lease_seconds <= 360


def test_what_is_held_is_released(ledger: Ledger) -> None:
    fill(ledger, 2)
    sql(ledger, "update lines set state = 'held', reason = 'approval'")

    assert release_day(ledger, hospital="HMS", business_day=DAY, decision=RELEASE) == 2

    assert states_of(ledger) == ["ready"] * 2
    assert events_of(ledger)[-2:] == ["approved"] * 2


def test_what_was_posted_is_never_released(ledger: Ledger) -> None:
    doubtful(ledger)
    end_leases(ledger)

    with pytest.raises(ConfigError, match="nothing to release"):
        release_day(ledger, hospital="HMS", business_day=DAY, decision=RELEASE)

    assert states_of(ledger) == ["in_doubt"] * 2


@pytest.mark.parametrize("refusal", ["refused_4xx", "refused_2xx"])
def test_a_refused_line_comes_back_with_the_next_extraction_when_a_person_allows_it(
    ledger: Ledger, refusal: str
) -> None:
    fill(ledger, 1)
    sql(ledger, f"update lines set state = 'refused', reason = '{refusal}', payload = null")
    read_day(ledger, invited(900_000_001))
    unchanged = states_of(ledger)

    allowed = allow_retry(ledger, hospital="HMS", business_day=DAY, decision=RETRY)
    still_refused = states_of(ledger)
    read_day(ledger, invited(900_000_001))

    assert (unchanged, allowed, still_refused) == (["refused"], 1, ["refused"])
    assert states_of(ledger) == ["ready"]
    assert events_of(ledger)[-2:] == ["retry_allowed", "refusal_reopened"]


def test_an_allowed_retry_holds_once(ledger: Ledger) -> None:
    fill(ledger, 1)
    sql(ledger, "update lines set state = 'refused', reason = 'refused_2xx', payload = null")
    allow_retry(ledger, hospital="HMS", business_day=DAY, decision=RETRY)
    read_day(ledger, invited(900_000_001))
    settle(
        ledger,
        batch := take(ledger),
        Settlement(refused=dict.fromkeys(ids(batch), "")),
        actor=ACTOR,
    )

    read_day(ledger, invited(900_000_001))

    assert states_of(ledger) == ["refused"]


def test_a_day_without_refusals_says_so(ledger: Ledger) -> None:
    fill(ledger, 1)

    with pytest.raises(ConfigError, match="refused no line"):
        allow_retry(ledger, hospital="HMS", business_day=DAY, decision=RETRY)
