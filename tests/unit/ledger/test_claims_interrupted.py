"""A task that is ended in the middle of a claim ends: no error of the driver hides why."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from ledger_rig import ACTOR, counts_are_true, fill, states_of, wanted

from track_dispatch.ledger.claims import settle_and_claim
from track_dispatch.ledger.sql import take_turn

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger


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
    postgresql_ledger: Ledger, alarm: None
) -> None:
    """Another session has the turn: the claim waits within the driver until the signal comes."""
    envelope = fill(postgresql_ledger, 3)
    wish = wanted(postgresql_ledger, envelope)
    with postgresql_ledger.writing() as other:
        take_turn(other)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(TaskEndedError):
            settle_and_claim(postgresql_ledger, settlement=None, wanted=wish, actor=ACTOR)

    assert states_of(postgresql_ledger) == ["ready"] * 3
    assert counts_are_true(postgresql_ledger)
