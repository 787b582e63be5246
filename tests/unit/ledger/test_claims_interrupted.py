"""A task that is ended in the middle of a claim ends: no error of the driver hides why."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.ledger.claim_steps import ACTOR
from tests.unit.ledger.steps import Steps
from track_dispatch.ledger.claims import settle_and_claim
from track_dispatch.ledger.sql import take_turn


class TaskEndedError(BaseException):
    """Raised by a signal in the middle of whatever goes on, as Airflow's time limit is."""


@pytest.fixture
def alarm() -> Iterator[None]:
    """Let the process be interrupted in a moment."""

    def interrupt(*_: Any) -> None:
        raise TaskEndedError

    before = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_time_limit_within_the_statements_of_a_claim_ends_the_task(
    postgresql_steps: Steps, alarm: None
) -> None:
    """Another session has the turn: the claim waits within the driver until the signal comes."""
    envelope = postgresql_steps.fill(3)
    wish = postgresql_steps.request(envelope)
    with postgresql_steps.ledger.writing() as other:
        take_turn(other)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(TaskEndedError):
            settle_and_claim(postgresql_steps.ledger, settlement=None, request=wish, actor=ACTOR)

    assert postgresql_steps.states() == ["ready"] * 3
    assert postgresql_steps.counts_are_true()
