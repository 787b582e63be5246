"""Leases, busy surveys, a ledger that fails, a stop from outside: no line is lost or sent twice."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, event, text

from demo.track_api import Fault, faults
from tests.unit.delivery.bench import SURVEY, UNIT, by_name, once_each
from track_dispatch.delivery.splitting import Tally
from track_dispatch.errors import DeliveryUncertainError, LinesInFlightError, NotDeliveredError
from track_dispatch.ledger.claims import Terms, claim
from track_dispatch.ledger.settling import Settlement, expire_leases, settle
from track_dispatch.records import Actor, BatchState, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

    from tests.unit.delivery.bench import Bench
    from track_dispatch.ledger.batches import Batch

#: Another dispatch of the same survey: the day before.
OTHER_UNIT = replace(UNIT, business_day=date(2026, 3, 1))
SOMEBODY = Actor("dispatch", run_id="run-2", try_number=1)
LEASE = 60.0


def claim_elsewhere(bench: Bench, unit: Unit, *, limit: int = 100) -> Batch:
    """Claim lines of a unit as another dispatch does."""
    terms = Terms(SURVEY, validity_at=0, reminder_at=None, lease_seconds=LEASE)
    batch = claim(bench.ledger, unit, terms, limit=limit, after=0, actor=SOMEBODY)
    assert batch is not None
    return batch


def release_elsewhere(bench: Bench, batch: Batch) -> None:
    released = Settlement(
        released=[line.id for line in batch.lines], batch_state=BatchState.NOT_DELIVERED
    )
    settle(bench.ledger, batch, released, actor=SOMEBODY)


@pytest.fixture
def outside(bench: Bench) -> Iterator[Engine]:
    """Connections to the ledger's database that are not the ledger's."""
    engine = create_engine(bench.ledger.engine.url, connect_args=_for_threads(bench))
    yield engine
    engine.dispose()


def _for_threads(bench: Bench) -> dict[str, bool]:
    return {} if bench.ledger.on_postgresql else {"check_same_thread": False}


def once_in_flight(bench: Bench, outside: Engine, batches: int, act: Callable[[], None]) -> None:
    """Act as soon as that many batches have been claimed, before the last of them is posted."""
    acted = False

    def look(*_: object) -> None:
        nonlocal acted
        with outside.connect() as connection:
            found = connection.scalar(text("select count(*) from batches"))
        if found == batches and not acted:
            acted = True
            act()

    event.listen(bench.ledger.engine, "checkin", look)


# -- a lease too short for a POST --------------------------------------------------


def test_a_claim_too_old_to_be_posted_is_released(bench: Bench, outside: Engine) -> None:
    bench.fill(3, batch_size=2)
    once_in_flight(bench, outside, 1, bench.end_leases)

    with pytest.raises(NotDeliveredError, match="too old"):
        bench.dispatch()

    assert (bench.counts(), bench.posts) == ({"ready": 3}, [])
    assert bench.batch_states() == {"not_delivered": 1}


def test_a_claim_that_became_in_doubt_before_its_post_is_not_posted(
    bench: Bench, outside: Engine
) -> None:
    bench.fill(2)

    def expire() -> None:
        bench.end_leases()
        expire_leases(bench.ledger, hospital="HMS", actor=SOMEBODY)

    once_in_flight(bench, outside, 1, expire)

    with pytest.raises(NotDeliveredError):
        bench.dispatch()

    assert (bench.counts(), bench.posts) == ({"ready": 2}, [])


def test_a_part_too_old_to_be_posted_is_released_with_the_rest(
    bench: Bench, outside: Engine
) -> None:
    bench.fill(4)
    bench.api.script(faults.refuse(422))
    once_in_flight(bench, outside, 2, bench.end_leases)

    with pytest.raises(NotDeliveredError, match="too old"):
        bench.dispatch()

    assert (bench.counts(), bench.sizes) == ({"ready": 4}, [4])
    assert bench.batch_states()["sending"] == 0


def test_lines_that_became_in_doubt_while_being_split_are_ready_again(bench: Bench) -> None:
    ids = bench.fill(4)
    bench.api.script(faults.refuse(422))

    def expire() -> bool:
        if bench.sizes == [4]:
            bench.end_leases()
            expire_leases(bench.ledger, hospital="HMS", actor=SOMEBODY)
        return False

    with pytest.raises(NotDeliveredError, match="while its batch was being split"):
        bench.dispatch(stopped=expire)
    bench.dispatch()

    assert bench.api.accepted_ids() == once_each(ids)


# -- lines and surveys under another claim -----------------------------------------


def test_lines_in_flight_under_another_claim_are_waited_for(bench: Bench) -> None:
    bench.fill(2)
    claim_elsewhere(bench, UNIT)

    with pytest.raises(LinesInFlightError) as caught:
        bench.dispatch()

    assert LEASE - 30 < caught.value.retry_after <= LEASE
    assert (bench.counts(), bench.posts) == ({"sending": 2}, [])


def test_lines_whose_lease_is_over_are_in_doubt_and_never_posted(bench: Bench) -> None:
    ids = bench.fill(3)
    claim_elsewhere(bench, UNIT, limit=2)
    bench.end_leases()

    tally = bench.dispatch()

    assert tally == Tally(accepted=1)
    assert bench.posts == [ids[2:]]
    assert bench.counts() == {"in_doubt": 2, "accepted": 1}


def test_a_busy_survey_is_waited_for(bench: Bench) -> None:
    bench.fill(2, unit=OTHER_UNIT)
    ids = bench.fill(2)
    other = claim_elsewhere(bench, OTHER_UNIT)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            release_elsewhere(bench, other)

    bench.dispatch(pause=pause)

    assert (bench.posts, len(pauses)) == ([ids], 3)


def test_a_survey_is_free_when_the_lease_that_blocks_it_is_over(bench: Bench) -> None:
    blocked = bench.fill(2, unit=OTHER_UNIT)
    ids = bench.fill(2, post_deadline_seconds=5, lease_margin_seconds=1)
    claim_elsewhere(bench, OTHER_UNIT)

    bench.dispatch(pause=lambda _: bench.end_leases())

    assert bench.fates() == dict.fromkeys(ids, "accepted") | dict.fromkeys(blocked, "in_doubt")


def test_a_survey_that_stays_busy_is_left_to_a_retry(bench: Bench) -> None:
    bench.fill(2, unit=OTHER_UNIT)
    bench.fill(2, post_deadline_seconds=0.1, lease_margin_seconds=1)
    claim_elsewhere(bench, OTHER_UNIT)

    with pytest.raises(LinesInFlightError) as caught:
        bench.dispatch(pause=time.sleep)

    assert LEASE - 30 < caught.value.retry_after <= LEASE
    assert (bench.counts(), bench.posts) == ({"sending": 2, "ready": 2}, [])


# -- a ledger that fails -----------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "fate"),
    [
        (None, "accepted"),
        (faults.too_many_requests(), "ready"),
        (faults.refuse(422), "refused refused_4xx"),
        (faults.answer(500, accepted=True), "in_doubt"),
    ],
    ids=by_name,
)
def test_an_answer_is_written_down_as_soon_as_the_ledger_takes_it(
    bench: Bench, outside: Engine, fault: Fault | None, fate: str
) -> None:
    bench.fill(1)
    locks: list[Connection] = []
    pauses: list[float] = []
    event.listen(bench.ledger.engine, "connect", _impatient)
    bench.ledger.engine.dispose()
    once_in_flight(bench, outside, 1, lambda: locks.append(_lock(outside)))

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            locks[0].close()

    bench.api.script(fault)
    bench.dispatch_anyhow(pause=pause)

    assert (bench.counts(), len(pauses), bench.sizes) == ({fate: 1}, 2, [1])


def _impatient(connection: object, _: object) -> None:
    """Let the ledger's connections fail on a lock, soon."""
    statement = (
        "pragma busy_timeout = 20"
        if type(connection).__module__.startswith("sqlite3")
        else "set lock_timeout = '20ms'"
    )
    connection.execute(statement)  # type: ignore[attr-defined]
    connection.commit()  # type: ignore[attr-defined]


def _lock(outside: Engine) -> Connection:
    """Hold what every writer of lines needs."""
    connection = outside.connect()
    if outside.dialect.name == "postgresql":
        connection.execute(text("select id from lines for update"))
    else:
        connection.exec_driver_sql("begin immediate")
    return connection


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
def test_an_answer_survives_the_end_of_the_connection_that_writes_it(
    bench: Bench, outside: Engine
) -> None:
    ids = bench.fill(2)
    locks: list[Connection] = []
    ended: list[object] = []
    once_in_flight(bench, outside, 1, lambda: locks.append(_lock(outside)))
    watcher = Thread(target=lambda: ended.append(_end_who_waits(outside)))
    bench.during_post(1, watcher.start)

    tally = bench.dispatch(pause=lambda _: locks[0].close())
    watcher.join()

    assert (tally, ended) == (Tally(accepted=2), [True])
    assert bench.api.accepted_ids() == once_each(ids)


def _end_who_waits(outside: Engine) -> bool:
    """Terminate the backend that waits for a lock, once there is one."""
    statement = text(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock'"
    )
    with outside.connect() as connection:
        while not (found := connection.scalars(statement).all()):
            time.sleep(0.02)
            connection.rollback()
    return bool(found[0])


def test_a_ledger_lost_before_the_post_is_asked_again(bench: Bench, outside: Engine) -> None:
    ids = bench.fill(2)
    once_in_flight(
        bench, outside, 1, lambda: bench.execute("alter table lines rename to lines_away")
    )

    bench.dispatch(pause=lambda _: bench.execute("alter table lines_away rename to lines"))

    assert bench.api.accepted_ids() == once_each(ids)


def test_an_answer_that_is_never_written_down_leaves_a_doubt_and_no_second_post(
    bench: Bench,
) -> None:
    ids = bench.fill(2, lease_margin_seconds=1)
    bench.during_post(1, lambda: bench.execute("alter table events rename to events_away"))

    with pytest.raises(DeliveryUncertainError):
        bench.dispatch(pause=time.sleep)
    bench.execute("alter table events_away rename to events")
    while_leased = bench.counts()
    bench.end_leases()
    bench.dispatch()

    assert while_leased == {"sending": 2}
    assert bench.counts() == {"in_doubt": 2}
    assert bench.api.accepted_ids() == once_each(ids)


def test_an_answer_after_the_end_of_the_lease_still_counts(bench: Bench) -> None:
    bench.fill(2)

    def expire() -> None:
        bench.end_leases()
        expire_leases(bench.ledger, hospital="HMS", actor=SOMEBODY)

    bench.during_post(1, expire)

    tally = bench.dispatch()

    assert (tally, bench.counts()) == (Tally(accepted=2), {"accepted": 2})
    assert bench.batch_states() == {"settled": 1}


# -- a stop from outside -----------------------------------------------------------


def test_a_stop_lets_no_further_batch_out(bench: Bench) -> None:
    bench.fill(4, batch_size=2)

    with pytest.raises(NotDeliveredError, match="stopped"):
        bench.dispatch(stopped=lambda: bench.sizes == [2])

    assert bench.sizes == [2]
    assert bench.counts() == {"accepted": 2, "ready": 2}


def test_a_stop_after_the_last_batch_is_none(bench: Bench) -> None:
    bench.fill(2)

    assert bench.dispatch(stopped=lambda: bench.sizes == [2]) == Tally(accepted=2)


def test_a_stop_while_waiting_for_a_survey_lets_nothing_out(bench: Bench) -> None:
    bench.fill(2, unit=OTHER_UNIT)
    bench.fill(2)
    other = claim_elsewhere(bench, OTHER_UNIT)
    stop: list[bool] = []

    def pause(_: float) -> None:
        release_elsewhere(bench, other)
        stop.append(True)

    with pytest.raises(NotDeliveredError, match="stopped"):
        bench.dispatch(pause=pause, stopped=lambda: bool(stop))

    assert (bench.counts(), bench.posts) == ({"ready": 4}, [])
