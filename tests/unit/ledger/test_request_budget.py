"""One budget for all requests to Track: never passed in any 300 seconds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, text

from track_dispatch.ledger import schema
from track_dispatch.ledger.request_budget import (
    SLOT,
    SLOTS,
    WINDOW,
    limit_to_begin,
    take_request,
)

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger


def take(ledger: Ledger, limit: int) -> float:
    with ledger.writing() as connection:
        return take_request(connection, limit=limit)


def unix_seconds(ledger: Ledger) -> int:
    """Return the database's clock."""
    asked = (
        "floor(extract(epoch from clock_timestamp()))::bigint"  # a cast rounds
        if ledger.on_postgresql
        else "cast(strftime('%s', 'now') as integer)"
    )
    with ledger.reading() as connection:
        return int(connection.execute(text(f"select {asked}")).scalar_one())


def took(ledger: Ledger, taken: int, *, slots_ago: int) -> int:
    """Let requests have been taken some slots ago; return the slot."""
    slot = unix_seconds(ledger) // SLOT - slots_ago
    with ledger.writing() as connection:
        connection.execute(insert(schema.requests).values(slot=slot, taken=taken))
    return slot


def test_requests_are_taken_up_to_the_limit(steps: Steps) -> None:
    waits = [take(steps.ledger, 3) for _ in range(5)]

    assert [bool(seconds) for seconds in waits] == [False, False, False, True, True]
    assert steps.requests_taken() == 3


def test_whoever_is_refused_waits_no_longer_than_the_window(ledger: Ledger) -> None:
    take(ledger, 1)

    assert 0 < take(ledger, 1) <= WINDOW + SLOT


def test_what_counts_does_not_depend_on_who_asks(ledger: Ledger) -> None:
    for _ in range(4):
        take(ledger, 100)

    assert take(ledger, 4) > 0
    assert take(ledger, 5) == 0


# one slot less than what counts at most: the clock may pass to the next one meanwhile
@pytest.mark.parametrize(
    ("slots_ago", "counts"), [(0, True), (SLOTS - 2, True), (SLOTS, False), (SLOTS + 9, False)]
)
def test_a_request_counts_for_the_whole_window_and_not_much_longer(
    ledger: Ledger, slots_ago: int, counts: bool
) -> None:
    took(ledger, 1, slots_ago=slots_ago)

    assert (take(ledger, 1) > 0) is counts


def test_the_slots_that_count_cover_the_window_wherever_in_a_slot_it_begins() -> None:
    # the youngest moment that no longer counts is the end of the first slot that is left out
    for now in range(1_000_000, 1_000_000 + SLOT):
        first_that_counts = now // SLOT - SLOTS + 1
        assert first_that_counts * SLOT <= now - WINDOW


def test_the_wait_ends_when_enough_of_the_oldest_requests_no_longer_count(ledger: Ledger) -> None:
    first = took(ledger, 2, slots_ago=40)
    took(ledger, 5, slots_ago=20)
    second_is_enough = take(ledger, 7)
    needs_both = take(ledger, 3)

    now = unix_seconds(ledger)
    assert now + second_is_enough == pytest.approx((first + SLOTS) * SLOT, abs=2 * SLOT)
    assert needs_both - second_is_enough == pytest.approx(20 * SLOT, abs=2 * SLOT)


def test_requests_of_the_future_count(ledger: Ledger) -> None:
    """The database's clock was put back: too many count rather than too few."""
    took(ledger, 1, slots_ago=-100)

    assert take(ledger, 1) > 0


def test_old_slots_are_forgotten(steps: Steps) -> None:
    took(steps.ledger, 9, slots_ago=SLOTS + 1)
    take(steps.ledger, 1)

    assert [row["taken"] for row in steps.rows(schema.requests, "slot")] == [1]


def test_a_request_whose_transaction_fails_is_not_taken(steps: Steps) -> None:
    with pytest.raises(KeyError), steps.ledger.writing() as connection:  # noqa: PT012 - the block fails
        take_request(connection, limit=1)
        raise KeyError

    assert steps.requests_taken() == 0


def test_many_at_once_take_no_more_than_the_limit(steps: Steps) -> None:
    def session(_: int) -> int:
        return sum(take(steps.ledger, 20) == 0 for _ in range(5))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(session, range(8))) == 20
    assert steps.requests_taken() == 20


def test_whoever_begins_leaves_room_for_those_who_have_begun(ledger: Ledger) -> None:
    """Else each of many spends a request on its probe, and none is left to post."""
    with ledger.writing() as connection:
        first = take_request(connection, limit=limit_to_begin(40))
    for _ in range(37):
        take(ledger, 40)
    with ledger.writing() as connection:
        waits = take_request(connection, limit=limit_to_begin(40))

    assert first == 0
    assert waits > 0
    assert [take(ledger, 40), take(ledger, 40) > 0] == [0, False]
