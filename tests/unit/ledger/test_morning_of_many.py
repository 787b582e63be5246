"""A morning of five hundred hospitals within Track's limit: simulated, on a clock of its own.

The budget's own statement decides, on SQLite, of whose clock the simulation is the master.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from track_dispatch.ledger.request_budget import (
    SLOT,
    SLOTS,
    TAKE,
    WINDOW,
    limit_to_begin,
    seconds_until_free,
)
from track_dispatch.operators.track import SHORTEST_WAIT

HOSPITALS, UNITS, LINES, BATCH = 500, 14, 1500, 100
LIMIT = 800
POSTS = UNITS * -(-LINES // UNITS // BATCH)
WORKERS = 32
#: Seconds that a task needs before its first request, and that a POST takes.
START, POST = 4.0, 0.3


class Budget:
    """The budget of requests on a clock that is told."""

    def __init__(self) -> None:
        self.now = 0.0
        self._database = sqlite3.connect(":memory:")
        self._database.create_function("unix_seconds", 0, lambda: int(self.now))
        self._database.execute("create table requests (slot integer primary key, taken integer)")
        self.taken_at: list[float] = []

    def take(self, limit: int) -> float:
        """Take a request; return 0, or the seconds to wait."""
        if self._database.execute(TAKE, {"limit": limit}).rowcount == 1:
            self.taken_at.append(self.now)
            return 0.0
        counted = self._database.execute(
            "select slot, taken from requests where slot > ? order by slot",
            (int(self.now) // SLOT - SLOTS,),
        ).fetchall()
        return seconds_until_free(counted, int(self.now), limit=limit)


@dataclass
class Hospital:
    """A dispatch: POSTs to make, and whether it has probed since its worker began."""

    posts: int = POSTS
    is_probed: bool = False

    def step(self, budget: Budget, to_begin: int) -> float:
        """Make the next request; return the seconds to wait without a worker, 0: none."""
        if self.is_probed:
            seconds = budget.take(LIMIT)
            self.posts -= not seconds
        else:
            seconds = budget.take(to_begin)
            self.is_probed = not seconds
        if seconds:
            self.is_probed = False
            return max(SHORTEST_WAIT.total_seconds(), seconds)
        return 0.0


def morning(to_begin: int) -> Budget:
    """Let all hospitals dispatch at once, as many at a time as there are workers."""
    budget, queue = Budget(), deque(Hospital() for _ in range(HOSPITALS))
    numbers, free = count(), WORKERS
    working: list[tuple[float, int, Hospital]] = []
    deferred: list[tuple[float, int, Hospital]] = []
    while queue or working or deferred:
        while free and queue:
            free -= 1
            heappush(working, (budget.now + START, next(numbers), queue.popleft()))
        if deferred and (not working or deferred[0] < working[0]):
            budget.now, _, hospital = heappop(deferred)
            queue.append(hospital)
            continue
        budget.now, _, hospital = heappop(working)
        seconds = hospital.step(budget, to_begin)
        if not seconds and hospital.posts:
            heappush(working, (budget.now + POST, next(numbers), hospital))
            continue
        free += 1
        if hospital.posts:
            heappush(deferred, (budget.now + seconds, next(numbers), hospital))
    return budget


def fullest_window(moments: list[float]) -> int:
    return max(
        bisect_left(moments, begins + WINDOW) - first for first, begins in enumerate(moments)
    )


def test_every_line_is_out_in_the_time_that_the_limit_allows() -> None:
    budget = morning(limit_to_begin(LIMIT))

    needed = HOSPITALS * (POSTS + 1)
    allowed = needed / LIMIT * WINDOW
    assert fullest_window(budget.taken_at) <= LIMIT
    assert len(budget.taken_at) >= needed
    assert budget.now <= 1.1 * allowed
