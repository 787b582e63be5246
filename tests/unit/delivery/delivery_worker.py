"""A process that dispatches, as one try of a task and its retries do."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import Any

from tests.unit.delivery.delivery_rig import Rig, Time
from track_dispatch.errors import LinesInFlightError, NotDeliveredError
from track_dispatch.ledger.database import Ledger, connect
from track_dispatch.ledger.keys import KeyRing

#: Clean processes, each forked from one that has only imported what they need.
PROCESSES = multiprocessing.get_context("forkserver")
#: What that is for all tests: the first of them to start a process decides.
PRELOADED = ["tests.unit.delivery.delivery_worker"]


class RealTime(Time):
    """Clocks that go, from the moment of the tests on."""

    def clock(self) -> float:
        """Tell the seconds of this machine."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Work:
    """What a worker process is told."""

    ledger_url: str
    keys: str
    api_url: str
    settings: dict[str, Any]


def work(task: Work, start: Barrier | None = None) -> None:
    """Dispatch until nothing is left, as a task and its retries do."""
    keys = KeyRing.model_validate_json(task.keys)
    with Ledger(connect(task.ledger_url), keys) as ledger:
        rig = Rig(ledger, api=None, settings=task.settings, time=RealTime())  # type: ignore[arg-type]
        if start is not None:
            start.wait(timeout=60)
        while _left_over(rig, task.api_url):
            time.sleep(0.05)


def _left_over(rig: Rig, url: str) -> bool:
    try:
        rig.dispatch(url=url)
    except (LinesInFlightError, NotDeliveredError):
        return True
    return False


def task_for(rig: Rig) -> Work:
    url = rig.ledger.engine.url.render_as_string(hide_password=False)
    return Work(url, rig.ledger.keys.model_dump_json(), rig.api.url, rig.settings)
