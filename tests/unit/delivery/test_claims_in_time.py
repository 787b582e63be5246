"""Leases, busy surveys, a ledger that fails, a stop from outside: no line is lost or sent twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

from stand_ins.track_api import Fault, faults
from tests.unit.delivery.delivery_rig import (
    DAY,
    LEASE,
    SOMEBODY,
    UNIT,
    by_name,
    envelopes_of,
    on_one_database,
    on_postgresql,
    once_each,
)
from track_dispatch.delivery.context import Tally
from track_dispatch.errors import DeliveryUncertainError, LinesInFlightError, NotDeliveredError
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.ledger.sql import TURN
from track_dispatch.records import Area

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from tests.unit.delivery.delivery_rig import Rig

#: Another unit of the same survey.
DAY_BEFORE = replace(UNIT, business_day=DAY - timedelta(days=1))
#: A unit of another survey, which comes after.
NEXT_UNIT = replace(UNIT, area=Area.AMBULATORIO)


@pytest.fixture
def outside(rig: Rig) -> Iterator[Engine]:
    """Connections to the ledger's database that are not the ledger's."""
    threads = {} if rig.ledger.on_postgresql else {"check_same_thread": False}
    engine = create_engine(rig.ledger.engine.url, connect_args=threads)
    yield engine
    engine.dispose()


def once_in_flight(rig: Rig, outside: Engine, batches: int, act: Callable[[], object]) -> None:
    """Act as soon as that many batches have been claimed, before the last of them is posted."""
    acted = False

    def look(*_: object) -> None:
        nonlocal acted
        with outside.connect() as connection:
            found = connection.scalar(text("select count(*) from batches"))
        if found == batches and not acted:
            acted = True
            act()

    rig.on_ledger("checkin", look)


def expire(rig: Rig) -> None:
    """Oversleep every lease, and let somebody notice."""
    rig.oversleep()
    expire_leases(rig.ledger, hospital="HMS", actor=SOMEBODY)


def rename(rig: Rig, table: str) -> None:
    """Take a table away, so that the ledger fails at once."""
    rig.execute(f"alter table {table} rename to {table}_away")


def rename_back(rig: Rig, table: str) -> None:
    rig.execute(f"alter table {table}_away rename to {table}")


# -- a lease too short for a POST --------------------------------------------------


def test_a_claim_too_old_to_be_posted_is_released(rig: Rig, outside: Engine) -> None:
    rig.fill(3, batch_size=2)
    once_in_flight(rig, outside, 1, rig.oversleep)

    with pytest.raises(NotDeliveredError, match="too old"):
        rig.dispatch()

    assert (rig.counts(), rig.posts) == ({"ready": 3}, [])
    assert rig.batch_states() == {"not_delivered": 1}


def test_a_claim_made_on_the_way_and_too_old_to_be_posted_is_released(
    rig: Rig, outside: Engine
) -> None:
    rig.fill(4, batch_size=2)
    once_in_flight(rig, outside, 2, rig.oversleep)

    with pytest.raises(NotDeliveredError, match="too old"):
        rig.dispatch()

    assert (rig.counts(), rig.sizes) == ({"accepted": 2, "ready": 2}, [2])


def test_a_claim_that_became_in_doubt_before_its_post_is_not_posted_but_read_again(
    rig: Rig, outside: Engine
) -> None:
    rig.fill(2)
    once_in_flight(rig, outside, 1, lambda: expire(rig))

    with pytest.raises(NotDeliveredError):
        rig.dispatch()

    assert (rig.counts(), rig.posts) == ({"reopened": 2}, [])


def test_a_part_too_old_to_be_posted_is_released_with_the_rest(rig: Rig, outside: Engine) -> None:
    rig.fill(4)
    rig.api.script(faults.refuse(422))
    once_in_flight(rig, outside, 2, rig.oversleep)

    with pytest.raises(NotDeliveredError, match="too old"):
        rig.dispatch()

    assert (rig.counts(), rig.sizes) == ({"ready": 4}, [4])
    assert rig.batch_states()["sending"] == 0


def test_lines_that_became_in_doubt_while_being_split_are_read_again(rig: Rig) -> None:
    rig.fill(4)
    rig.api.script(faults.refuse(422))

    def stopped() -> bool:
        if rig.sizes == [4] and rig.counts() == {"sending": 4}:
            expire(rig)
        return False

    rig.dispatch(stopped=stopped)

    assert (rig.counts(), rig.sizes) == ({"reopened": 4}, [4])
    assert rig.batch_states()["in_doubt"] == 0


# -- lines and surveys under another claim -----------------------------------------


def test_lines_in_flight_under_another_claim_are_waited_for(rig: Rig) -> None:
    rig.claim_elsewhere(rig.fill(2))

    with pytest.raises(LinesInFlightError) as caught:
        rig.dispatch()

    assert LEASE - 30 < caught.value.retry_after <= LEASE
    assert (rig.counts(), rig.posts) == ({"sending": 2}, [])


def test_lines_whose_lease_is_over_are_in_doubt_and_never_posted(rig: Rig) -> None:
    ids = rig.fill(3, batch_size=2)
    rig.claim_elsewhere(ids[:2])
    rig.end_leases()

    tally = rig.dispatch()

    assert tally == Tally(accepted=1)
    assert rig.posts == [ids[2:]]
    assert rig.counts() == {"in_doubt": 2, "accepted": 1}


def test_a_busy_survey_is_waited_for(rig: Rig) -> None:
    other = rig.claim_elsewhere(rig.fill(2, unit=DAY_BEFORE))
    ids = rig.fill(2)

    def act() -> None:
        if len(rig.time.pauses) == 3:
            rig.accept_elsewhere(other)

    rig.time.on_pause = act
    rig.dispatch()

    assert (rig.posts, len(rig.time.pauses)) == ([ids], 3)


def test_a_survey_is_free_when_the_lease_that_blocks_it_is_over(rig: Rig) -> None:
    blocked = rig.fill(2, unit=DAY_BEFORE)
    ids = rig.fill(2)
    rig.claim_elsewhere(blocked)
    rig.time.on_pause = rig.end_leases

    rig.dispatch()

    assert rig.fates() == dict.fromkeys(ids, "accepted") | dict.fromkeys(blocked, "in_doubt")


def test_a_survey_that_stays_busy_is_left_to_a_retry_and_the_next_unit_goes_on(rig: Rig) -> None:
    rig.claim_elsewhere(rig.fill(2, unit=DAY_BEFORE))
    rig.fill(4, batch_size=2, post_deadline_seconds=5, lease_margin_seconds=10)
    ids = rig.fill(1, unit=NEXT_UNIT)

    with pytest.raises(LinesInFlightError, match=f"{DAY} EXAMES") as caught:
        rig.dispatch()

    assert LEASE - 30 < caught.value.retry_after <= LEASE
    assert rig.counts() == {"sending": 2, "ready": 4, "accepted": 1}
    assert rig.posts == [ids]


def test_the_error_that_retries_names_what_failed_for_good(rig: Rig) -> None:
    rig.claim_elsewhere(rig.fill(1, unit=replace(UNIT, area=Area.INTERNACAO)))
    rig.fill(1)
    rig.api.script(faults.answer(404))

    with pytest.raises(LinesInFlightError, match=f"failed for good: HMS {DAY} EXAMES"):
        rig.dispatch()


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
@pytest.mark.parametrize("count", [1, 2])
def test_an_answer_is_written_down_as_soon_as_the_ledger_takes_it(
    rig: Rig, outside: Engine, fault: Fault | None, fate: str, count: int
) -> None:
    ids = rig.fill(count, batch_size=1)
    once_in_flight(rig, outside, 1, lambda: rename(rig, "events"))

    def act() -> None:
        if len(rig.time.pauses) == 2:
            rename_back(rig, "events")

    rig.time.on_pause = act
    rig.api.script(fault)
    rig.dispatch_anyhow()

    assert (rig.fates()[ids[0]], len(rig.time.pauses)) == (fate, 2)
    assert rig.posts.count(ids[:1]) == 1
    assert rig.batch_states()["sending"] == 0


@on_postgresql
def test_an_answer_survives_the_end_of_the_connection_that_writes_it(
    rig: Rig, outside: Engine
) -> None:
    ids = rig.fill(2, batch_size=1)
    turns: list[Connection] = []
    ended: list[object] = []

    def take_the_turn() -> None:
        turns.append(outside.connect())
        turns[0].execute(text(f"select pg_advisory_xact_lock({TURN})"))
        watcher.start()

    def end_who_waits() -> None:
        ended.append(_end_who_waits(outside))
        turns[0].close()

    watcher = Thread(target=end_who_waits)
    rig.during_post(1, take_the_turn)

    tally = rig.dispatch()
    watcher.join()

    assert (tally, ended) == (Tally(accepted=2), [True])
    assert rig.api.accepted_ids() == once_each(ids)


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


def test_a_ledger_lost_before_the_post_is_asked_again(rig: Rig, outside: Engine) -> None:
    ids = rig.fill(2)
    once_in_flight(rig, outside, 1, lambda: rename(rig, "lines"))
    rig.time.on_pause = lambda: rename_back(rig, "lines")

    rig.dispatch()

    assert rig.api.accepted_ids() == once_each(ids)


def test_an_answer_that_is_never_written_down_leaves_a_doubt_and_no_second_post(rig: Rig) -> None:
    ids = rig.fill(4, batch_size=2, post_deadline_seconds=10, lease_margin_seconds=20)
    rig.during_post(1, lambda: rename(rig, "events"))

    with pytest.raises(DeliveryUncertainError, match="lease was over"):
        rig.dispatch()
    rename_back(rig, "events")
    while_leased = rig.counts()
    rig.end_leases()
    rig.dispatch()

    assert while_leased == {"sending": 2, "ready": 2}
    assert rig.counts() == {"in_doubt": 2, "accepted": 2}
    assert rig.api.accepted_ids() == once_each(ids)


def test_a_part_has_a_whole_lease_for_its_answer_to_be_written_down(
    rig: Rig, outside: Engine
) -> None:
    ids = rig.fill(4, post_deadline_seconds=10, lease_margin_seconds=20)
    rig.api.script(faults.refuse(422))
    once_in_flight(rig, outside, 1, lambda: rename(rig, "requests"))
    rig.during_post(2, lambda: rename(rig, "events"))

    def act() -> None:
        if len(rig.time.pauses) == 20:
            rename_back(rig, "requests")  # the part is split off, so many seconds after the claim
        if len(rig.time.pauses) == 40:
            rename_back(rig, "events")  # the claim's own lease is over by now

    rig.time.on_pause = act
    tally = rig.dispatch()

    assert (tally, len(rig.time.pauses)) == (Tally(accepted=4), 40)
    assert rig.api.accepted_ids() == once_each(ids)


@on_one_database
@pytest.mark.parametrize("what", ["hours", "stopped"])
def test_no_part_goes_when_the_ledger_comes_back_too_late_for_it(
    rig: Rig, outside: Engine, what: str
) -> None:
    rig.fill(4, send_window="00:00-20:00" if what == "hours" else "00:00-24:00")
    rig.time.began = datetime(2026, 3, 3, 22, 59, 30, tzinfo=UTC)  # 19:59:30 at the hospital
    rig.api.script(faults.refuse(422))
    once_in_flight(rig, outside, 1, lambda: rename(rig, "requests"))

    def act() -> None:
        if len(rig.time.pauses) == 30:
            rename_back(rig, "requests")

    rig.time.on_pause = act
    rig.dispatch_anyhow(stopped=lambda: what == "stopped" and len(rig.time.pauses) >= 30)

    assert (rig.counts(), rig.sizes) == ({"ready": 4}, [4])
    assert rig.batch_states()["sending"] == 0


def test_an_answer_after_the_end_of_the_lease_still_counts(rig: Rig) -> None:
    rig.fill(2)
    rig.during_post(1, lambda: expire(rig))

    tally = rig.dispatch()

    assert (tally, rig.counts()) == (Tally(accepted=2), {"accepted": 2})
    assert rig.batch_states() == {"settled": 1}


@on_postgresql
def test_an_envelope_that_a_transform_works_on_is_left_to_a_retry_and_the_next_goes_on(
    rig: Rig, outside: Engine
) -> None:
    ids = rig.fill(6, batch_size=2)
    (locked,) = envelopes_of(rig, ids[2:4])
    with outside.connect() as connection:
        connection.execute(text(f"select id from lines where address / 1000 = {locked} for update"))

        with pytest.raises(NotDeliveredError, match="2 lines"):
            rig.dispatch()

    assert rig.posts == [ids[:2], ids[4:]]
    assert rig.counts() == {"accepted": 4, "ready": 2}


def test_a_batch_that_was_not_delivered_goes_no_more_if_its_day_was_read_meanwhile(
    rig: Rig, outside: Engine
) -> None:
    """Whoever died meanwhile was left alone by that reading's transform, being on her way."""
    ids = rig.fill(1)
    read_again = (
        "insert into extractions (id, source, hospital, business_day, run_id, try_number,"
        " started_at, completed_at) select 'later', source, hospital, business_day, 'run-2', 1,"
        " created_at, created_at from extractions cross join batches"
    )
    once_in_flight(rig, outside, 1, lambda: rig.execute(read_again))
    rig.api.script(faults.too_many_requests())

    assert isinstance(rig.dispatch_anyhow(), NotDeliveredError)
    rig.dispatch_anyhow()

    assert (rig.posts, rig.counts()) == ([ids], {"reopened": 1})


# -- a stop from outside -----------------------------------------------------------


def test_a_stop_lets_no_further_batch_out(rig: Rig) -> None:
    rig.fill(4, batch_size=2)

    with pytest.raises(NotDeliveredError, match="stopped"):
        rig.dispatch(stopped=lambda: rig.sizes == [2])

    assert rig.sizes == [2]
    assert rig.counts() == {"accepted": 2, "ready": 2}


def test_a_stop_after_the_last_batch_is_none(rig: Rig) -> None:
    rig.fill(2)

    assert rig.dispatch(stopped=lambda: rig.sizes == [2]) == Tally(accepted=2)


def test_a_stop_while_waiting_for_a_survey_lets_nothing_out(rig: Rig) -> None:
    rig.claim_elsewhere(rig.fill(2, unit=DAY_BEFORE))
    rig.fill(2)

    with pytest.raises(NotDeliveredError, match="stopped"):
        rig.dispatch(stopped=lambda: bool(rig.time.pauses))

    assert (rig.counts(), rig.posts) == ({"sending": 2, "ready": 2}, [])
