"""A rehearsal is a batch like any other: it never meets a patient's batch at one survey."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.unit.ledger.claim_steps import ACTOR, OTHER_SURVEY, TERMS
from track_dispatch.ledger.claims import Hindrance, NotClaimed
from track_dispatch.ledger.parts import begin_rehearsal, end_rehearsal
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.batches import ClaimTerms
    from track_dispatch.ledger.database import Ledger


def begin(ledger: Ledger, *, terms: ClaimTerms = TERMS) -> NotClaimed | None:
    return begin_rehearsal(ledger, "r1", lines=3, terms=terms, actor=ACTOR)


def test_a_rehearsal_is_on_record_before_it_is_posted(steps: Steps) -> None:
    assert begin(steps.ledger) is None

    row = steps.batches()["r1"]
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


def test_a_rehearsal_waits_for_a_batch_of_its_survey(steps: Steps) -> None:
    steps.claim(steps.fill(1))
    hindered = begin(steps.ledger)

    assert hindered is not None
    assert hindered.why is Hindrance.SURVEY_BUSY
    assert 0 < hindered.seconds <= TERMS.lease_seconds
    assert begin(steps.ledger, terms=replace(TERMS, survey=OTHER_SURVEY)) is None


def test_a_batch_waits_for_a_rehearsal_of_its_survey(steps: Steps) -> None:
    envelope = steps.fill(1)
    begin(steps.ledger)
    hindered = steps.try_claim(envelope)

    assert isinstance(hindered, NotClaimed)
    assert hindered.why is Hindrance.SURVEY_BUSY
    assert steps.states() == ["ready"]


def test_while_a_stop_stands_nothing_is_rehearsed(steps: Steps) -> None:
    stop_service(steps.ledger, hospital="HMSM", why="CAPTCHA", status=405, actor=ACTOR)

    assert begin(steps.ledger) == NotClaimed(Hindrance.STOPPED)
    assert steps.batches() == {}


def test_a_rehearsal_takes_a_request(steps: Steps) -> None:
    begin(steps.ledger)

    assert steps.requests_taken() == 1


def test_without_a_request_left_nothing_is_rehearsed(steps: Steps) -> None:
    hindered = begin(steps.ledger, terms=replace(TERMS, requests_per_5_minutes=0))

    assert hindered is not None
    assert hindered.why is Hindrance.BUDGET_SPENT
    assert steps.batches() == {}


@pytest.mark.parametrize("state", [BatchState.SETTLED, BatchState.NOT_DELIVERED])
def test_the_end_of_a_rehearsal_frees_its_survey(steps: Steps, state: BatchState) -> None:
    begin(steps.ledger)
    ended = end_rehearsal(steps.ledger, "r1", status=200, receipt="r", batch_state=state)

    row = steps.batches()["r1"]
    assert ended
    assert (row["state"], row["status"], row["receipt"], row["lease_until"]) == (
        state, 200, "r", None,
    )  # fmt: skip
    assert len(steps.claim(steps.fill(1)).lines) == 1


def test_a_rehearsal_ends_once(steps: Steps) -> None:
    begin(steps.ledger)
    end_rehearsal(steps.ledger, "r1", status=200)

    assert not end_rehearsal(steps.ledger, "r1", status=500)
    assert steps.batches()["r1"]["status"] == 200
