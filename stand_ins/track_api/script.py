"""Which fault comes next: scripted ones first, then random ones."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterable, Sequence

from stand_ins.track_api.faults import Fault, Travel


class Script:
    """The faults that the next requests of one kind get, for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: deque[Fault | None] = deque()
        self._random = random.Random(0)
        self._rate = 0.0
        self._kinds: tuple[Fault, ...] = ()

    def add(self, faults: Iterable[Fault | None]) -> None:
        """Append faults; None lets a request through in peace."""
        with self._lock:
            self._next.extend(faults)

    def randomize(self, *, seed: int, rate: float, kinds: Sequence[Fault]) -> None:
        """Draw a fault for that share of the requests that find nothing scripted."""
        if any(kind.travel is Travel.REFUSED for kind in kinds):
            raise ValueError("a refused connection cannot be drawn when the request is there")
        with self._lock:
            self._random, self._rate, self._kinds = random.Random(seed), rate, tuple(kinds)

    def clear(self) -> None:
        """Forget everything, scripted and random."""
        with self._lock:
            self._next.clear()
            self._rate = 0.0

    def take(self) -> Fault | None:
        """Take the fault of the request that has just arrived."""
        with self._lock:
            if self._next:
                return self._next.popleft()
            if self._rate and self._random.random() < self._rate:
                return self._random.choice(self._kinds)
            return None

    def take_refused(self) -> Fault | None:
        """Take the next fault only if it has to happen before the request arrives."""
        with self._lock:
            if self._next and self._next[0] and self._next[0].travel is Travel.REFUSED:
                return self._next.popleft()
            return None

    @property
    def left(self) -> int:
        """How many scripted requests have not come yet."""
        with self._lock:
            return len(self._next)
