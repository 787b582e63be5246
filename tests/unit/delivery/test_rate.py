"""Track's limit of requests: before each claim the batches of the last minutes are counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tests.unit.delivery.bench import UNIT, once_each
from track_dispatch.delivery.splitting import Tally
from track_dispatch.errors import NotDeliveredError
from track_dispatch.ledger.schema import batches, moment_in
from track_dispatch.ledger.switch import RATE_WINDOW

if TYPE_CHECKING:
    from tests.unit.delivery.bench import Bench

OTHER_UNIT = replace(UNIT, business_day=date(2026, 3, 1))


def let_time_pass(bench: Bench, seconds: float) -> None:
    """Set every batch back, as if it had gone out so much earlier."""
    with bench.ledger.writing() as connection:
        connection.execute(batches.update().values(changed_at=moment_in(-seconds)))


def test_a_dispatch_waits_until_there_is_room_and_then_goes_on(bench: Bench) -> None:
    ids = bench.fill(6, batch_size=2)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        assert bench.sizes == [2, 2]
        assert bench.counts() == {"accepted": 4, "ready": 2}  # no claim waits
        pauses.append(seconds)
        if len(pauses) == 3:
            let_time_pass(bench, RATE_WINDOW)

    tally = bench.dispatch(pause=pause, rate_limit=2)

    assert len(pauses) == 3
    assert tally == Tally(accepted=6)
    assert bench.api.accepted_ids() == once_each(ids)


def test_batches_of_all_hospitals_count(bench: Bench) -> None:
    bench.fill(1)
    bench.dispatch()
    bench.execute("update batches set hospital = 'OTOA', survey_uuid = 'another'")
    bench.fill(1, unit=OTHER_UNIT)
    waited = iter([lambda: let_time_pass(bench, RATE_WINDOW)])

    bench.dispatch(OTHER_UNIT, pause=lambda _: next(waited)(), rate_limit=1)

    assert next(waited, None) is None


def test_old_batches_do_not_count(bench: Bench) -> None:
    bench.fill(1)
    bench.dispatch()
    let_time_pass(bench, RATE_WINDOW)
    bench.fill(1, unit=OTHER_UNIT)

    assert bench.dispatch(OTHER_UNIT, pause=pytest.fail, rate_limit=1) == Tally(accepted=1)


def test_who_finds_no_room_for_a_whole_window_tries_again_later(bench: Bench) -> None:
    bench.fill(4, batch_size=2)
    waited: list[float] = []

    with pytest.raises(NotDeliveredError) as caught:
        bench.dispatch(pause=waited.append, rate_limit=1)

    assert RATE_WINDOW <= sum(waited) < RATE_WINDOW + 10
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= RATE_WINDOW
    assert bench.counts() == {"accepted": 2, "ready": 2}


def test_who_is_stopped_from_outside_does_not_go_on_waiting(bench: Bench) -> None:
    bench.fill(4, batch_size=2)
    asked = iter([False, True])

    with pytest.raises(NotDeliveredError, match="stopped from outside"):
        bench.dispatch(pause=pytest.fail, rate_limit=1, stopped=lambda: next(asked))

    assert bench.counts() == {"accepted": 2, "ready": 2}


def test_a_split_stops_at_the_limit_and_releases_the_rest(bench: Bench) -> None:
    ids = bench.fill(4)
    bench.api.reject(ids[3:], named=False)

    with pytest.raises(NotDeliveredError, match="during a split"):
        bench.dispatch(pause=pytest.fail, rate_limit=2)

    assert bench.sizes == [4, 2]
    assert bench.counts() == {"accepted": 2, "ready": 2}
