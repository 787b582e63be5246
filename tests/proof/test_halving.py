"""A refused batch is halved until the offending lines stand alone, never after a doubt.

The bound: a batch of n lines of which k are bad takes at most 1 + 2 · (min(1, k) + min(2, k) +
min(4, k) + ... ) POSTs, with one summand for each of the ceil(log2 n) times that it can be halved.
Each POST but the first is one of two halves of a refused batch; at depth d there are no more than
2^d batches, and no more of them refused than there are bad lines. So 2 k ceil(log2 n) + 1 at most,
and never more than 2 n - 1.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from demo.track_api import TrackStandIn, faults
from demo.world import surveys_of
from tests.proof.report import IN_FULL, note
from tests.unit.delivery.bench import HOSPITAL, NOW, UNIT, Bench, on_one_database, once_each
from track_dispatch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Unit

LARGEST = 100

#: Lines in a batch, and which of them Track refuses.
batches = st.integers(1, LARGEST).flatmap(
    lambda size: st.tuples(
        st.just(size),
        st.sets(st.integers(0, size - 1), max_size=min(size, 1 + size // 8)),
    )
)
proven = settings(
    max_examples=40 if IN_FULL else 8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

_days = count(1)


@pytest.fixture
def bench(ledger: Ledger) -> Iterator[Bench]:
    with TrackStandIn(surveys=surveys_of(HOSPITAL), clock=lambda: NOW) as api:
        yield Bench(ledger, api, settings={"max_age_days": 0})


def new_unit() -> Unit:
    """Return a unit of another day for each example: they share one ledger."""
    return replace(UNIT, business_day=UNIT.business_day - timedelta(days=next(_days)))


def posts_needed(size: int, bad: Set[int], first: int = 0) -> int:
    """Count the POSTs of halving: of a batch, and of its halves if it is refused."""
    if size == 1 or bad.isdisjoint(range(first, first + size)):
        return 1
    half = (size + 1) // 2
    return 1 + posts_needed(half, bad, first) + posts_needed(size - half, bad, first + half)


def bound(size: int, bad: int) -> int:
    """Return the most POSTs that a batch with so many bad lines may take."""
    return 1 + 2 * sum(min(2**depth, bad) for depth in range(math.ceil(math.log2(size))))


@given(batches)
def test_the_number_of_posts_is_logarithmic(batch: tuple[int, set[int]]) -> None:
    size, bad = batch

    needed = posts_needed(size, bad)

    assert needed <= bound(size, len(bad)) <= 1 + 2 * len(bad) * math.ceil(math.log2(size))
    assert needed <= 2 * size - 1


@pytest.mark.parametrize(("size", "bad"), [(64, 1), (64, 8), (64, 64), (2, 1), (1, 1)])
def test_no_smaller_bound_holds(size: int, bad: int) -> None:
    evenly = set(range(0, size, size // bad))

    assert posts_needed(size, evenly) == bound(size, bad)


@on_one_database
@proven
@given(batches)
@example((LARGEST, {37}))
@example((3, {0, 1, 2}))
def test_each_good_line_is_accepted_once_and_each_bad_one_refused(
    bench: Bench, batch: tuple[int, set[int]]
) -> None:
    size, bad = batch
    story = Story(bench, size, bad)

    error = bench.dispatch_anyhow(story.unit, rate_limit=sys.maxsize)

    assert len(story.posts) == posts_needed(size, bad) <= bound(size, len(bad))
    assert story.accepted == once_each(story.good)
    if story.good or size == 1:
        assert error is None
        assert story.states == dict.fromkeys(story.good, "accepted") | dict.fromkeys(
            story.bad, "refused refused_4xx"
        )
    else:  # nothing gets through: no patient is to blame
        assert isinstance(error, ConfigError)
        assert story.states == dict.fromkeys(story.bad, "ready")
    note("halving", batches=1, posts=len(story.posts))


@on_one_database
@proven
@given(batches, st.integers(0), st.booleans())
@example((LARGEST, {37}), 3, True)
def test_what_was_in_an_ambiguous_answer_is_never_posted_again(
    bench: Bench, batch: tuple[int, set[int]], number: int, arrived: bool
) -> None:
    size, bad = batch
    story = Story(bench, size, bad)
    before = number % posts_needed(size, bad)
    bench.api.script(*[None] * before, faults.answer(500, accepted=arrived))

    bench.dispatch_anyhow(story.unit, rate_limit=sys.maxsize)
    bench.dispatch_anyhow(story.unit, rate_limit=sys.maxsize)

    doubtful = set(story.posts[before])
    assert {id_ for ids in story.posts[before + 1 :] for id_ in ids}.isdisjoint(doubtful)
    assert {id_ for id_, state in story.states.items() if state == "in_doubt"} == doubtful
    assert story.accepted.keys() - doubtful == story.good - doubtful
    assert set(story.accepted.values()) <= {1}
    assert {story.states[id_] for id_ in story.bad - doubtful} <= {"refused refused_4xx", "ready"}


class Story:
    """One batch of a shared bench, of which Track refuses some lines without naming them."""

    def __init__(self, bench: Bench, size: int, bad: Set[int]) -> None:
        self._bench, self._before = bench, len(bench.posts)
        self.unit = new_unit()
        self.ids = bench.fill(size, unit=self.unit)
        self.bad = {self.ids[position] for position in bad}
        self.good = set(self.ids) - self.bad
        bench.api.behave()
        bench.api.reject(self.bad, named=False)

    @property
    def posts(self) -> list[list[str]]:
        """The attendance ids of each POST."""
        return self._bench.posts[self._before :]

    @property
    def accepted(self) -> Counter[str]:
        """How often each line was accepted."""
        accepted = self._bench.api.accepted_ids()
        return Counter({id_: accepted[id_] for id_ in self.ids if id_ in accepted})

    @property
    def states(self) -> dict[str, str]:
        """What the ledger holds."""
        fates = self._bench.fates()
        return {id_: fates[id_] for id_ in self.ids}
