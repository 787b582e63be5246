"""Housekeeping applies each hospital's limits, and a limit of nothing is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.ledger.put_steps import DAY, HMS_DAY
from track_dispatch.config import load_hospital
from track_dispatch.ledger import schema
from track_dispatch.ledger.approvals import release_day
from track_dispatch.ledger.decisions import Decision
from track_dispatch.pipeline.housekeeping import run_housekeeping
from track_dispatch.records import Actor
from track_dispatch.states import Verb

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger

KEEPER = Actor("housekeeping", run_id="scheduled__1", try_number=1)
GONE_DAY = HMS_DAY._replace(hospital="GONE")
HMS = load_hospital("HMS").model_copy(
    update={
        "max_age_days": 15,
        "contact_cap_days": 30,
        "ledger_retention_days": 730,
        "extraction_max_age_hours": 36,
    }
)


def tidy(ledger: Ledger, *, days_later: int = 1, **policies: Any) -> dict[str, int]:
    # 3:00 at the hospital, as it runs
    now = datetime(DAY.year, DAY.month, DAY.day, 6, tzinfo=UTC) + timedelta(days=days_later)
    hospital = HMS.model_copy(update=policies)
    return run_housekeeping([hospital], ledger=ledger, actor=KEEPER, now=now)


def settled(steps: Steps, *, days_old: float, **more: Any) -> None:
    steps.put_batch(
        1,
        "accepted",
        batch_state="settled",
        lease=None,
        hours_old=days_old * 24,
        **more,
    )


@pytest.mark.parametrize(("days_later", "fate"), [(15, "ready"), (16, "excluded expired")])
@pytest.mark.parametrize("day", [HMS_DAY, GONE_DAY], ids=["HMS", "without a file"])
def test_what_waits_expires_when_the_claim_would_let_it_expire(
    steps: Steps, day: Any, days_later: int, fate: str
) -> None:
    """A hospital without a valid file was never expired before."""
    steps.put_lines(2, day=day, ask_until=DAY + timedelta(days=15))
    if day == GONE_DAY:
        days_later += days_later == 16  # over everywhere on earth

    done = tidy(steps.ledger, days_later=days_later)

    assert steps.fates() == {fate: 2}
    assert done["expired"] == (0 if fate == "ready" else 2)


def test_who_was_given_more_time_is_not_expired_by_the_night(steps: Steps) -> None:
    """*Incluir antigos* was undone by the next housekeeping, finally and green."""
    steps.put_lines(1, ask_until=DAY + timedelta(days=115))

    tidy(steps.ledger, days_later=101)

    assert steps.states() == ["ready"]


@pytest.mark.parametrize(("hours_old", "old"), [(35, False), (37, True)])
def test_payloads_that_are_too_old_to_be_sent_are_dropped(
    steps: Steps, hours_old: float, *, old: bool
) -> None:
    extraction = steps.put_extraction(2, hours_old=hours_old)
    steps.put_lines(2, "held", extraction=extraction)

    done = tidy(steps.ledger)

    assert (done["erased"], steps.payloads()) == ((2, [False]) if old else (0, [True]))
    release = Decision(Verb.RELEASE, "ana", "conferido")
    found = release_day(steps.ledger, HMS_DAY, release, max_age_hours=36, today=DAY)
    assert (found.ready, found.reopened) == ((0, 2) if old else (2, 0))


@pytest.mark.parametrize(("days", "anonymised"), [(59, 0), (61, 1)])
def test_settled_lines_are_anonymised_when_no_rule_needs_them_any_more(
    steps: Steps, days: int, anonymised: int
) -> None:
    """Fifteen days in which they may be asked, thirty of the cap, and a margin of fifteen."""
    settled(steps, days_old=days)

    done = tidy(steps.ledger, days_later=days)

    assert done["anonymised"] == anonymised
    assert len(steps.rows(schema.identities, "line")) == (0 if anonymised else 3)


def test_a_hospital_without_a_file_is_tidied_by_the_widest_limits(steps: Steps) -> None:
    settled(steps, days_old=9999, day=GONE_DAY)

    assert tidy(steps.ledger, days_later=731)["purged"] == 0
    assert steps.rows(schema.identities, "line") == []
    assert tidy(steps.ledger, days_later=732)["purged"] == 1


@pytest.mark.parametrize("forever", ["ledger_retention_days", "max_age_days"])
def test_where_one_hospital_knows_no_limit_an_unknown_one_does_not(
    steps: Steps, forever: str
) -> None:
    settled(steps, days_old=9999, day=GONE_DAY)
    hospitals = [HMS, HMS.model_copy(update={"code": "OTOA", forever: 0})]
    now = datetime(2036, 1, 1, tzinfo=UTC)

    done = run_housekeeping(hospitals, ledger=steps.ledger, actor=KEEPER, now=now)

    assert done["purged"] == (0 if forever == "ledger_retention_days" else 1)
    assert done["anonymised"] == (0 if forever == "max_age_days" else 1)


def test_without_a_limit_of_age_nothing_is_anonymised(steps: Steps) -> None:
    settled(steps, days_old=400)
    steps.put_lines(1, first=9, ask_until=None)

    done = tidy(steps.ledger, days_later=400, max_age_days=0)

    assert (done["anonymised"], done["expired"]) == (0, 0)


def test_a_lease_that_ran_out_becomes_a_doubt_whatever_the_hospital(steps: Steps) -> None:
    steps.put_batch(1, "sending", batch_state="sending", lease=-1, day=GONE_DAY)

    assert tidy(steps.ledger)["in_doubt"] == 1
    assert steps.states() == ["in_doubt"]


@pytest.mark.parametrize(("days_later", "left"), [(730, 1), (731, 0)])
def test_days_leave_after_their_retention(steps: Steps, days_later: int, left: int) -> None:
    settled(steps, days_old=9999)

    done = tidy(steps.ledger, days_later=days_later)

    assert done["purged"] == 1 - left
    assert len(steps.states()) == left


def test_without_a_retention_days_stay(steps: Steps) -> None:
    settled(steps, days_old=9999)

    assert tidy(steps.ledger, days_later=5000, ledger_retention_days=0)["purged"] == 0


def test_without_any_usable_file_only_what_is_certain_is_done(steps: Steps) -> None:
    settled(steps, days_old=9999)
    steps.put_batch(1, "sending", batch_state="sending", lease=-1, first=5)
    steps.put_lines(1, first=9, ask_until=DAY, extraction=steps.put_extraction(1, hours_old=99))

    done = run_housekeeping(
        [], ledger=steps.ledger, actor=KEEPER, now=datetime(2036, 1, 1, tzinfo=UTC)
    )

    assert (done["in_doubt"], done["expired"]) == (1, 1)
    assert steps.fates() == {"accepted": 1, "in_doubt": 1, "excluded expired": 1}
