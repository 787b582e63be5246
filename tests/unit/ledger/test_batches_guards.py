"""Batches have states and guards like lines: who moves one is told whether it moved."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import IntegrityError

from tests.unit.ledger.claim_steps import OTHER_SURVEY, TERMS
from track_dispatch.ledger.batches import insert_batch, lock_batch, move_batch, survey_busy
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger


@pytest.mark.parametrize("state", BatchState)
def test_a_batch_moves_only_from_the_states_that_are_named(steps: Steps, state: BatchState) -> None:
    batch = steps.claim(steps.fill(1))
    steps.run_sql(f"update batches set state = '{state}'")
    leaves = (BatchState.SENDING, BatchState.IN_DOUBT)
    with steps.ledger.writing() as connection:
        moved = move_batch(connection, batch.id, *leaves, to=BatchState.SETTLED, status=200)

    row = steps.batches()[batch.id]
    assert moved is (state in leaves)
    assert row["state"] == ("settled" if moved else state)
    assert row["status"] == (200 if moved else None)


def test_an_unknown_batch_does_not_move(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        assert lock_batch(connection, "b") is None
        assert not move_batch(connection, "b", *BatchState, to=BatchState.SETTLED)


def test_of_many_who_end_a_batch_at_once_one_is_told_that_it_moved(steps: Steps) -> None:
    batch = steps.claim(steps.fill(1))
    barrier = Barrier(4)

    def session(_: int) -> bool:
        barrier.wait(30)
        with steps.ledger.writing() as connection:
            lock_batch(connection, batch.id)
            return move_batch(connection, batch.id, BatchState.SENDING, to=BatchState.SETTLED)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(session, range(4))) == [False, False, False, True]


def test_of_a_survey_one_batch_is_in_flight(steps: Steps) -> None:
    batch = steps.claim(steps.fill(1))
    columns: dict[str, Any] = {"claim": "c2", "lines": 1, "validity_at": 1}
    with steps.ledger.writing() as connection:
        assert not insert_batch(connection, id="b2", survey=TERMS.survey, **columns)
        assert insert_batch(connection, id="b3", survey=OTHER_SURVEY, **columns)
    assert set(steps.batches()) == {batch.id, "b3"}


@pytest.mark.parametrize("state", BatchState)
def test_the_database_itself_refuses_a_second_batch_in_flight(
    steps: Steps, state: BatchState
) -> None:
    steps.claim(steps.fill(1))
    columns = "claim, survey, unit, envelope, lines, validity_at, created_at, changed_at"
    twin = f"insert into batches (id, state, {columns}) select 'b2', :state, {columns} from batches"
    with steps.ledger.engine.begin() as connection:
        if state is BatchState.SENDING:
            with pytest.raises(IntegrityError):
                connection.exec_driver_sql(twin.replace(":state", f"'{state}'"))
            connection.rollback()
        else:
            connection.exec_driver_sql(twin.replace(":state", f"'{state}'"))

    states = [row["state"] for row in steps.batches().values()]
    assert states.count("sending") == 1


def test_a_survey_is_busy_for_the_rest_of_the_lease_of_another_claim(steps: Steps) -> None:
    batch = steps.claim(steps.fill(1))
    with steps.ledger.reading() as connection:
        seconds = survey_busy(connection, TERMS.survey, claim="another")

        assert seconds is not None
        assert 0 < seconds <= TERMS.lease_seconds
        assert survey_busy(connection, TERMS.survey, claim=batch.claim) is None
        assert survey_busy(connection, OTHER_SURVEY, claim="another") is None


def test_a_busy_survey_whose_lease_is_over_asks_for_no_more_patience(steps: Steps) -> None:
    steps.claim(steps.fill(1))
    steps.end_leases()
    with steps.ledger.reading() as connection:
        assert survey_busy(connection, TERMS.survey, claim="another") == 0
