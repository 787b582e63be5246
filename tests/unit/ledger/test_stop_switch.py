"""The switch that stops all hospitals until a person resumes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.unit.ledger.claim_steps import ACTOR
from track_dispatch.errors import ConfigError, ServiceStoppedError
from track_dispatch.ledger import schema
from track_dispatch.ledger.claims import Hindrance, NotClaimed
from track_dispatch.ledger.decisions import Decision
from track_dispatch.ledger.stop_switch import (
    require_running,
    resume_service,
    standing_stops,
    stop_service,
)
from track_dispatch.states import Verb

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger

RESUME = Decision(Verb.RESUME, "ana", "the key was renewed", run_id="manual__1")


def stop(ledger: Ledger, *, hospital: str = "HMS", why: str = "CAPTCHA", status: int = 405) -> bool:
    return stop_service(ledger, hospital=hospital, why=why, status=status, actor=ACTOR)


def test_while_a_stop_stands_nothing_is_claimed(steps: Steps) -> None:
    envelope = steps.fill(2)
    stop(steps.ledger, hospital="HMSM")

    assert steps.try_claim(envelope) == NotClaimed(Hindrance.STOPPED)
    assert steps.states() == ["ready", "ready"]


def test_whoever_resumes_lets_all_go_on(steps: Steps) -> None:
    envelope = steps.fill(2)
    stop(steps.ledger)
    stop(steps.ledger, why="the key is unknown", status=401)
    ended = resume_service(steps.ledger, RESUME)

    assert ended == 2
    assert len(steps.claim(envelope).lines) == 2


def test_a_stop_keeps_who_met_it_and_who_ended_it(steps: Steps) -> None:
    stop(steps.ledger)
    resume_service(steps.ledger, RESUME)

    (row,) = steps.rows(schema.stops)
    (decision,) = steps.rows(schema.decisions)
    assert (row["hospital"], row["why"], row["status"], row["actor"], row["run_id"]) == (
        "HMS", "CAPTCHA", 405, ACTOR.name, ACTOR.run_id,
    )  # fmt: skip
    assert row["resumed_at"] is not None
    assert row["decision"] == decision["id"]
    assert (decision["verb"], decision["decided_by"]) == ("resume", "ana")


def test_one_stop_stands_for_one_cause(steps: Steps) -> None:
    assert stop(steps.ledger)
    assert not stop(steps.ledger)
    assert not stop(steps.ledger, hospital="HMSM")
    assert stop(steps.ledger, status=403)
    assert stop(steps.ledger, why="the key is unknown")
    assert len(steps.rows(schema.stops)) == 3


def test_a_cause_that_was_ended_stops_again(ledger: Ledger) -> None:
    stop(ledger)
    resume_service(ledger, RESUME)

    assert stop(ledger)


def test_a_cause_that_many_meet_at_once_stands_once(steps: Steps) -> None:
    with ThreadPoolExecutor(6) as pool:
        new = list(pool.map(lambda _: stop(steps.ledger), range(6)))

    assert sorted(new) == [False] * 5 + [True]
    assert len(steps.rows(schema.stops)) == 1


def test_a_run_resumes_once(ledger: Ledger) -> None:
    stop(ledger)
    resume_service(ledger, RESUME)
    stop(ledger)
    with pytest.raises(ConfigError, match="carried out before"):
        resume_service(ledger, RESUME)

    with ledger.reading() as connection:
        assert len(standing_stops(connection)) == 1


def test_the_error_says_why_and_what_to_do(ledger: Ledger) -> None:
    stop(ledger)
    with ledger.reading() as connection, pytest.raises(ServiceStoppedError) as raised:
        require_running(connection)

    assert raised.value.status == 405
    assert "HMS: CAPTCHA" in str(raised.value)
    assert "resume" in str(raised.value)


def test_without_a_stop_all_runs(ledger: Ledger) -> None:
    with ledger.reading() as connection:
        require_running(connection)
        assert standing_stops(connection) == []
