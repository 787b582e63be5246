"""A process that dispatches, as one try of a task and its retries do."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.unit.delivery.bench import Bench
from track_dispatch.errors import LinesInFlightError, NotDeliveredError
from track_dispatch.ledger.opening import open_ledger

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

    from track_dispatch.ledger.keys import KeyRing
    from track_dispatch.records import Unit

#: Clean processes, each forked from one that has only imported what they need.
PROCESSES = multiprocessing.get_context("forkserver")
#: What that is for all tests: the first of them to start a process decides.
PRELOADED = ["tests.unit.delivery.worker", "tests.proof.dying"]


@dataclass(frozen=True)
class Work:
    """What a worker process is told."""

    ledger_url: str
    keys: KeyRing
    api_url: str
    units: tuple[Unit, ...]
    settings: dict[str, int]


def work(task: Work, start: Barrier | None = None) -> None:
    """Dispatch units until nothing of them is left, as a task and its retries do."""
    ledger = open_ledger(task.ledger_url, task.keys)
    bench = Bench(ledger, api=None, settings=task.settings)  # type: ignore[arg-type]
    if start is not None:
        start.wait(timeout=60)
    for unit in task.units:
        while _left_over(bench, unit, task.api_url):
            time.sleep(0.05)
    ledger.close()


def _left_over(bench: Bench, unit: Unit, url: str) -> bool:
    try:
        bench.dispatch(unit, url=url, pause=time.sleep)
    except (LinesInFlightError, NotDeliveredError):
        return True
    return False


def task_for(bench: Bench, *units: Unit) -> Work:
    url = bench.ledger.engine.url.render_as_string(hide_password=False)
    return Work(url, bench.ledger.keys, bench.api.url, units, bench.settings)
