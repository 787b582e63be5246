"""Housekeeping applies each hospital's limits, and a limit of nothing is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from tests.unit.delivery.bench import DAY, HOSPITAL, UNIT
from tests.unit.delivery.test_dispatch_leases import claim_elsewhere
from track_dispatch.ledger.schema import contacts, lines, moment_in
from track_dispatch.pipeline.housekeeping import keep_house
from track_dispatch.records import Actor

if TYPE_CHECKING:
    from tests.unit.delivery.bench import Bench

KEEPER = Actor("housekeeping", run_id="scheduled__1", try_number=1)


def keep(bench: Bench, *, days_later: int, **policies: Any) -> dict[str, int]:
    hospital = HOSPITAL.model_copy(update=policies)
    # 3:00 at the hospital, as it runs
    now = datetime(DAY.year, DAY.month, DAY.day, 6, tzinfo=UTC) + timedelta(days=days_later)
    return keep_house([hospital], ledger=bench.ledger, actor=KEEPER, now=now)


@pytest.mark.parametrize(("days_later", "state"), [(15, "ready"), (16, "expired")])
def test_what_waits_expires_when_the_claim_would_let_it_expire(
    bench: Bench, days_later: int, state: str
) -> None:
    bench.fill(2)

    keep(bench, days_later=days_later, max_age_days=15)

    assert bench.counts() == {state: 2}


def test_without_a_limit_of_age_nothing_expires_and_nothing_is_thinned(bench: Bench) -> None:
    bench.fill(1)
    bench.dispatch()
    bench.fill(1)
    with bench.ledger.writing() as connection:
        connection.execute(lines.update().values(changed_at=moment_in(-400 * 86_400)))

    done = keep(bench, days_later=400, max_age_days=0)

    assert bench.counts() == {"accepted": 1, "ready": 1}
    assert done["thinned"] == 0


@pytest.mark.parametrize(("days", "thinned"), [(44, 0), (46, 1)])
def test_settled_lines_are_thinned_when_no_rule_needs_them_any_more(
    bench: Bench, days: int, thinned: int
) -> None:
    bench.fill(1)
    bench.dispatch()
    with bench.ledger.writing() as connection:
        connection.execute(lines.update().values(changed_at=moment_in(-days * 86_400)))

    done = keep(bench, days_later=1, max_age_days=15, contact_cap_days=30)

    assert done["thinned"] == thinned


def test_a_lease_that_ran_out_becomes_a_doubt_whatever_the_hospital(bench: Bench) -> None:
    bench.fill(1)
    claim_elsewhere(bench, UNIT)
    bench.end_leases()
    bench.execute("update lines set hospital = 'GONE'")

    assert keep(bench, days_later=1)["in_doubt"] == 1
    assert bench.counts() == {"in_doubt": 1}


@pytest.mark.parametrize(("days_later", "left"), [(730, 1), (731, 0)])
def test_days_leave_after_their_retention(bench: Bench, days_later: int, left: int) -> None:
    bench.fill(1)
    bench.dispatch()

    done = keep(bench, days_later=days_later, ledger_retention_days=730)

    assert done["forgotten"] == 1 - left
    assert sum(bench.counts().values()) == left


def test_without_a_retention_days_stay(bench: Bench) -> None:
    bench.fill(1)
    bench.dispatch()

    assert keep(bench, days_later=5000, ledger_retention_days=0)["forgotten"] == 0
    assert UNIT.business_day == DAY


@pytest.mark.parametrize(("days", "left"), [(29, 2), (31, 0)])
def test_invitations_past_the_cap_are_forgotten(bench: Bench, days: int, left: int) -> None:
    bench.fill(1, contact_cap_days=30)
    bench.dispatch()
    with bench.ledger.writing() as connection:
        connection.execute(contacts.update().values(claimed_at=moment_in(-days * 86_400)))

    keep(bench, days_later=1, contact_cap_days=30)

    with bench.ledger.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(contacts)) == left
