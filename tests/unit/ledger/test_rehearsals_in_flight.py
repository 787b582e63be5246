"""A rehearsal is a batch like any other: it never meets a patient's batch at one survey."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ledger_rig import (
    ACTOR,
    OTHER_SURVEY,
    TERMS,
    batches_of,
    claim,
    fill,
    requests_taken,
    states_of,
    try_claim,
)

from track_dispatch.ledger.claims import Hindrance, NotClaimed
from track_dispatch.ledger.parts import begin_rehearsal, end_rehearsal
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from track_dispatch.ledger.claims import ClaimTerms
    from track_dispatch.ledger.database import Ledger


def begin(ledger: Ledger, *, terms: ClaimTerms = TERMS) -> NotClaimed | None:
    return begin_rehearsal(ledger, "r1", lines=3, terms=terms, actor=ACTOR)


def test_a_rehearsal_is_on_record_before_it_is_posted(ledger: Ledger) -> None:
    assert begin(ledger) is None

    row = batches_of(ledger)["r1"]
    expected = {
        "survey": TERMS.survey,
        "unit": None,
        "envelope": None,
        "state": "sending",
        "lines": 3,
        "run_id": ACTOR.run_id,
    }
    assert {name: row[name] for name in expected} == expected
    assert row["lease_until"] is not None


def test_a_rehearsal_waits_for_a_batch_of_its_survey(ledger: Ledger) -> None:
    claim(ledger, fill(ledger, 1))
    hindered = begin(ledger)

    assert hindered is not None
    assert hindered.why is Hindrance.SURVEY_BUSY
    assert 0 < hindered.seconds <= TERMS.lease_seconds
    assert begin(ledger, terms=replace(TERMS, survey=OTHER_SURVEY)) is None


def test_a_batch_waits_for_a_rehearsal_of_its_survey(ledger: Ledger) -> None:
    envelope = fill(ledger, 1)
    begin(ledger)
    hindered = try_claim(ledger, envelope)

    assert isinstance(hindered, NotClaimed)
    assert hindered.why is Hindrance.SURVEY_BUSY
    assert states_of(ledger) == ["ready"]


def test_while_a_stop_stands_nothing_is_rehearsed(ledger: Ledger) -> None:
    stop_service(ledger, hospital="HMSM", why="CAPTCHA", status=405, actor=ACTOR)

    assert begin(ledger) == NotClaimed(Hindrance.STOPPED)
    assert batches_of(ledger) == {}


def test_a_rehearsal_takes_a_request(ledger: Ledger) -> None:
    begin(ledger)

    assert requests_taken(ledger) == 1


def test_without_a_request_left_nothing_is_rehearsed(ledger: Ledger) -> None:
    hindered = begin(ledger, terms=replace(TERMS, requests_per_5_minutes=0))

    assert hindered is not None
    assert hindered.why is Hindrance.BUDGET_SPENT
    assert batches_of(ledger) == {}


@pytest.mark.parametrize("state", [BatchState.SETTLED, BatchState.NOT_DELIVERED])
def test_the_end_of_a_rehearsal_frees_its_survey(ledger: Ledger, state: BatchState) -> None:
    begin(ledger)
    ended = end_rehearsal(ledger, "r1", status=200, receipt="r", batch_state=state)

    row = batches_of(ledger)["r1"]
    assert ended
    assert (row["state"], row["status"], row["receipt"], row["lease_until"]) == (
        state, 200, "r", None,
    )  # fmt: skip
    assert len(claim(ledger, fill(ledger, 1)).lines) == 1


def test_a_rehearsal_ends_once(ledger: Ledger) -> None:
    begin(ledger)
    end_rehearsal(ledger, "r1", status=200)

    assert not end_rehearsal(ledger, "r1", status=500)
    assert batches_of(ledger)["r1"]["status"] == 200
