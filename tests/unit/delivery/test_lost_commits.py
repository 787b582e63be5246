"""A COMMIT whose answer is lost: nobody knows whether it holds, so the ledger is asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from stand_ins.track_api import faults
from tests.unit.delivery.delivery_rig import SOMEBODY, once_each
from track_dispatch.delivery.context import Tally
from track_dispatch.errors import (
    LedgerError,
    NotDeliveredError,
    QuietHoursError,
    ServiceStoppedError,
)
from track_dispatch.ledger import schema
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.ledger.stop_switch import stop_service

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.unit.delivery.delivery_rig import Rig

#: Whether the commit that broke had been carried out.
both_senses = pytest.mark.parametrize("carried_out", [True, False], ids=["held", "lost"])


def cut(connection: Connection, *, carried_out: bool) -> None:
    """Let a commit fail, after it was carried out or instead."""
    driver: Any = connection.connection.driver_connection
    if carried_out:
        driver.commit()
    driver.close()


def break_commit(
    rig: Rig,
    batches: int,
    *,
    carried_out: bool,
    afterwards: Callable[[], object] = lambda: None,
) -> list[bool]:
    """Cut the ledger's connection in the commit of the transaction that opens so many batches."""
    broken: list[bool] = []

    def commit(connection: Connection) -> None:
        found = connection.scalar(text("select count(*) from batches"))
        if not broken and found == batches:
            broken.append(True)
            cut(connection, carried_out=carried_out)
            afterwards()

    rig.on_ledger("commit", commit)
    return broken


@both_senses
def test_the_first_claim_is_posted_if_it_holds_and_left_to_a_retry_if_not(
    rig: Rig, *, carried_out: bool
) -> None:
    ids = rig.fill(2)
    broken = break_commit(rig, 1, carried_out=carried_out)

    error = rig.dispatch_anyhow()
    after_one_try = rig.counts()
    rig.dispatch()

    assert broken == [True]
    assert isinstance(error, LedgerError) is not carried_out
    assert after_one_try == {"accepted" if carried_out else "ready": 2}
    assert rig.api.accepted_ids() == once_each(ids)
    assert rig.batch_states() == {"settled": 1}


@both_senses
def test_settlement_and_claim_of_one_lost_commit_hold_both_or_neither(
    rig: Rig, *, carried_out: bool
) -> None:
    """Both times each batch is posted once, and nothing is in doubt."""
    ids = rig.fill(6, batch_size=2)
    broken = break_commit(rig, 2, carried_out=carried_out)

    tally = rig.dispatch()

    assert broken == [True]
    assert tally == Tally(accepted=6)
    assert rig.posts == [ids[:2], ids[2:4], ids[4:]]
    assert rig.batch_states() == {"settled": 3}
    assert rig.counts() == {"accepted": 6}


def test_a_claim_found_after_a_lost_commit_is_released_where_its_lease_is_too_short(
    rig: Rig,
) -> None:
    rig.fill(4, batch_size=2)
    break_commit(rig, 2, carried_out=True, afterwards=rig.oversleep)

    with pytest.raises(NotDeliveredError, match="too old"):
        rig.dispatch()

    assert (rig.counts(), rig.sizes) == ({"accepted": 2, "ready": 2}, [2])


def close_the_window(rig: Rig) -> None:
    rig.time.began = datetime(2026, 3, 3, 23, tzinfo=UTC)  # 20:00 at the hospital


def stop_elsewhere(rig: Rig) -> None:
    stop_service(rig.ledger, hospital="OTOA", why="CAPTCHA", status=405, actor=SOMEBODY)


def begin_another_day(rig: Rig) -> None:
    rig.time.began = datetime(2026, 3, 4, 12, tzinfo=UTC)
    rig.execute("update lines set ask_until = '2026-03-03' where state = 'sending'")


MEANWHILE = [
    (close_the_window, QuietHoursError, "ready"),
    (stop_elsewhere, ServiceStoppedError, "ready"),
    (begin_another_day, type(None), "excluded expired"),
]


@pytest.mark.parametrize(("happen", "error", "fate"), MEANWHILE)
@pytest.mark.parametrize("first", [True, False], ids=["first", "on_the_way"])
def test_a_claim_found_after_a_lost_commit_is_posted_only_where_it_still_may_go(
    rig: Rig, happen: Callable[[Rig], None], error: type, fate: str, *, first: bool
) -> None:
    ids = rig.fill(4, batch_size=2, send_window="00:00-20:00", schedule="0 9 * * *")
    lost = ids[:2] if first else ids[2:]
    broken = break_commit(rig, 1 if first else 2, carried_out=True, afterwards=lambda: happen(rig))

    assert isinstance(rig.dispatch_anyhow(), error)

    assert broken == [True]
    assert [rig.fates()[id_] for id_ in lost] == [fate] * 2
    assert lost not in rig.posts
    assert rig.batch_states()["sending"] == 0


@pytest.mark.parametrize(("happen", "error", "fate"), MEANWHILE)
def test_a_part_found_after_a_lost_commit_is_posted_only_where_it_still_may_go(
    rig: Rig, happen: Callable[[Rig], None], error: type, fate: str
) -> None:
    rig.fill(4, send_window="00:00-20:00", schedule="0 9 * * *")
    rig.api.script(faults.refuse(422))
    broken = break_commit(rig, 2, carried_out=True, afterwards=lambda: happen(rig))

    assert isinstance(rig.dispatch_anyhow(), error)

    assert broken == [True]
    assert (rig.counts(), rig.sizes) == ({fate: 4}, [4])
    assert rig.batch_states()["sending"] == 0


def test_a_claim_that_somebody_doubted_after_a_lost_commit_is_read_again(rig: Rig) -> None:
    rig.fill(4, batch_size=2)

    def expire() -> None:
        rig.oversleep()
        expire_leases(rig.ledger, hospital="HMS", actor=SOMEBODY)

    break_commit(rig, 2, carried_out=True, afterwards=expire)

    with pytest.raises(NotDeliveredError, match="too old"):
        rig.dispatch()

    assert (rig.counts(), rig.sizes) == ({"accepted": 2, "reopened": 2}, [2])


@both_senses
def test_a_part_is_split_off_once_though_its_commit_was_lost(
    rig: Rig, *, carried_out: bool
) -> None:
    ids = rig.fill(4)
    rig.api.script(faults.refuse(422))
    broken = break_commit(rig, 2, carried_out=carried_out)

    tally = rig.dispatch()

    assert broken == [True]
    assert tally == Tally(accepted=4)
    assert rig.posts == [ids, ids[:2], ids[2:]]
    assert rig.batch_states() == {"split": 1, "settled": 2}


@both_senses
def test_a_settlement_alone_is_written_once_though_its_commit_was_lost(
    rig: Rig, *, carried_out: bool
) -> None:
    ids = rig.fill(2)
    settled: list[str] = []

    def commit(connection: Connection) -> None:
        state = connection.scalar(text("select min(state) from batches"))
        if not settled and state == "settled":
            settled.append(state)
            cut(connection, carried_out=carried_out)

    rig.on_ledger("commit", commit)
    tally = rig.dispatch()

    answered = [row for row in rig.rows(schema.events) if row.transition == "answered"]
    assert settled == ["settled"]
    assert tally == Tally(accepted=2)
    assert rig.counts() == {"accepted": 2}
    assert len(answered) == 1
    assert rig.api.accepted_ids() == once_each(ids)
