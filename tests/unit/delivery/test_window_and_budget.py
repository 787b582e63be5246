"""When nothing may go out now: closed hours, and Track's limit of requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from stand_ins.track_api import faults
from tests.unit.delivery.delivery_rig import HOSPITAL, UNIT, once_each
from track_dispatch.delivery.context import Tally, next_run
from track_dispatch.errors import BudgetSpentError, ConfigError, QuietHoursError
from track_dispatch.ledger.request_budget import SLOT, WINDOW, take_request
from track_dispatch.records import Area

if TYPE_CHECKING:
    from tests.unit.delivery.delivery_rig import Rig

#: The hospital is three hours behind UTC.
NIGHT = datetime(2026, 3, 3, 5, tzinfo=UTC)
OPENING = datetime(2026, 3, 3, 11, tzinfo=UTC)
CLOSING = datetime(2026, 3, 3, 23, tzinfo=UTC)
MATERNIDADE = replace(UNIT, area=Area.MATERNIDADE)
DAYTIME: dict[str, Any] = {"send_window": "08:00-20:00", "schedule": "0 9 * * *"}


# -- closed hours ------------------------------------------------------------------


def test_at_night_nothing_leaves_nothing_is_claimed_and_track_is_asked_nothing(rig: Rig) -> None:
    rig.fill(2, **DAYTIME)

    with pytest.raises(QuietHoursError) as caught:
        rig.dispatch(now=NIGHT)

    assert caught.value.opens_at == OPENING
    assert rig.api.requests == {}
    assert rig.batches() == []
    assert rig.counts() == {"ready": 2}


def test_when_the_window_opens_they_leave(rig: Rig) -> None:
    ids = rig.fill(2, **DAYTIME)

    rig.dispatch(now=OPENING)

    assert rig.api.accepted_ids() == once_each(ids)


def test_a_window_that_closes_between_two_batches_keeps_the_rest(rig: Rig) -> None:
    rig.fill(4, batch_size=2, **DAYTIME)
    rig.during_post(1, lambda: setattr(rig.time, "began", CLOSING))

    with pytest.raises(QuietHoursError):
        rig.dispatch(now=CLOSING - timedelta(minutes=1))

    assert rig.counts() == {"accepted": 2, "ready": 2}


def test_a_window_that_closes_between_two_parts_keeps_the_rest(rig: Rig) -> None:
    ids = rig.fill(4, **DAYTIME)
    rig.api.reject(ids[3:], named=False)
    rig.during_post(2, lambda: setattr(rig.time, "began", CLOSING))

    with pytest.raises(QuietHoursError):
        rig.dispatch(now=CLOSING - timedelta(minutes=1))

    assert rig.sizes == [4, 2]
    assert rig.counts() == {"accepted": 2, "ready": 2}
    assert rig.batch_states()["sending"] == 0


def test_a_hospital_with_nothing_to_send_does_not_wait_for_the_morning(rig: Rig) -> None:
    rig.settings |= DAYTIME

    assert rig.dispatch(now=NIGHT) == Tally()


@pytest.mark.parametrize(
    ("schedule", "waits"),
    [
        ("0 8 * * *", True),  # opens as the next run begins
        ("0 9 * * *", True),
        ("59 7 * * *", False),
        ("30 2 * * *", False),
    ],
)
def test_a_run_waits_only_for_a_window_that_opens_before_the_next_run(
    rig: Rig, caplog: pytest.LogCaptureFixture, schedule: str, *, waits: bool
) -> None:
    rig.fill(2, **(DAYTIME | {"schedule": schedule}))

    if waits:
        with pytest.raises(QuietHoursError):
            rig.dispatch(now=NIGHT)
    else:
        with caplog.at_level("INFO", logger="track_dispatch"):
            assert rig.dispatch(now=NIGHT) == Tally(waiting_for_window=2)
        assert "HMS: 2 linhas esperam o horário de envio, até a próxima execução" in caplog.text
    assert rig.counts() == {"ready": 2}


def test_over_a_weekend_lines_wait_for_the_next_run_and_what_failed_is_told(rig: Rig) -> None:
    """A run that waited for Monday would keep Saturday's from starting."""
    friday, closing = datetime(2026, 3, 6, 22, tzinfo=UTC), datetime(2026, 3, 6, 23, tzinfo=UTC)
    failing = rig.fill(1, unit=MATERNIDADE, **DAYTIME, send_days=("mon", "fri"))
    rig.fill(3)
    rig.during_post(1, lambda: setattr(rig.time, "began", closing))
    rig.api.reject(failing, status=404, named=False)

    with pytest.raises(ConfigError, match="MATERNIDADE"):
        rig.dispatch(now=friday)
    again = rig.dispatch_anyhow()

    assert (rig.counts(), rig.sizes) == ({"ready": 4}, [1])
    assert isinstance(again, ConfigError)


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        (datetime(2026, 3, 3, 11, 59, tzinfo=UTC), datetime(2026, 3, 3, 12, tzinfo=UTC)),
        (datetime(2026, 3, 3, 12, tzinfo=UTC), datetime(2026, 3, 4, 12, tzinfo=UTC)),
        (datetime(2026, 3, 4, 1, tzinfo=UTC), datetime(2026, 3, 4, 12, tzinfo=UTC)),
    ],
)
def test_the_next_run_begins_at_the_hospitals_hour(now: datetime, begins: datetime) -> None:
    assert next_run(HOSPITAL, now) == begins


# -- Track's limit of requests -----------------------------------------------------


def test_a_dispatch_does_not_begin_where_its_probe_would_be_all_that_fits(rig: Rig) -> None:
    rig.fill(2, requests_per_5_minutes=40)
    with rig.ledger.writing() as connection:
        for _ in range(38):
            take_request(connection, limit=40)

    with pytest.raises(BudgetSpentError):
        rig.dispatch()

    assert rig.api.requests == {}
    assert rig.counts() == {"ready": 2}


def let_time_pass(rig: Rig, seconds: float) -> None:
    """Set every request back, as if it had been taken so much earlier."""
    slots = int(seconds) // SLOT
    rig.execute("update requests set slot = slot - :slots", slots=slots)


def test_a_spent_budget_ends_the_dispatch_and_says_when_it_may_go_on(rig: Rig) -> None:
    ids = rig.fill(6, batch_size=2, requests_per_5_minutes=3)

    with pytest.raises(BudgetSpentError) as caught:
        rig.dispatch()
    after_one_try = rig.counts()
    let_time_pass(rig, WINDOW + SLOT)
    tally = rig.dispatch()

    assert 0 < caught.value.retry_after <= WINDOW + SLOT
    assert after_one_try == {"accepted": 4, "ready": 2}
    assert tally == Tally(accepted=2)
    assert rig.api.accepted_ids() == once_each(ids)


def test_without_room_for_a_probe_track_is_asked_nothing(rig: Rig) -> None:
    rig.fill(1, requests_per_5_minutes=2)
    rig.dispatch()
    rig.fill(1)

    with pytest.raises(BudgetSpentError):
        rig.dispatch()

    assert rig.api.requests.total() == 2
    assert rig.counts() == {"accepted": 1, "ready": 1}


def test_after_an_unknown_outcome_the_question_needs_room_too(rig: Rig) -> None:
    rig.fill(2, batch_size=1, requests_per_5_minutes=2)
    rig.api.script(faults.answer(500))

    with pytest.raises(BudgetSpentError):
        rig.dispatch()

    assert rig.api.requests == {"surveys": 1, "distributions": 1}
    assert rig.counts() == {"in_doubt": 1, "ready": 1}


def test_a_split_stops_at_the_limit_and_releases_the_rest(rig: Rig) -> None:
    ids = rig.fill(4, requests_per_5_minutes=3)
    rig.api.reject(ids[3:], named=False)

    with pytest.raises(BudgetSpentError):
        rig.dispatch()

    assert rig.sizes == [4, 2]
    assert rig.counts() == {"accepted": 2, "ready": 2}
    assert rig.batch_states()["sending"] == 0


def test_what_others_have_taken_counts(rig: Rig) -> None:
    rig.fill(1, requests_per_5_minutes=3)
    with rig.ledger.writing() as connection:
        taken = [take_request(connection, limit=3) for _ in range(3)]

    with pytest.raises(BudgetSpentError):
        rig.dispatch()

    assert (taken, rig.api.requests) == ([0, 0, 0], {})
