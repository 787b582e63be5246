"""Many workers on one unit at once, and one that is killed: the ledger alone keeps the promise."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from demo.track_api import faults
from tests.proof.report import note
from tests.unit.delivery.bench import SURVEY, UNIT, Bench, once_each
from tests.unit.delivery.worker import PRELOADED, PROCESSES, task_for, work
from track_dispatch.errors import LinesInFlightError

if TYPE_CHECKING:
    from demo.track_api import TrackStandIn

#: The process that others are forked from is reached through a Unix socket.
pytestmark = pytest.mark.enable_socket
#: A second unit of the same survey.
DAY_BEFORE = replace(UNIT, business_day=date(2026, 3, 1))


@pytest.fixture(autouse=True)
def quick_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    PROCESSES.set_forkserver_preload(PRELOADED)


@pytest.fixture
def workers(ledger_url: str) -> int:
    return 8 if ledger_url.startswith("postgresql") else 4


def test_workers_on_one_unit_send_each_line_once_and_one_batch_at_a_time(
    bench: Bench, workers: int
) -> None:
    ids = bench.fill(12, batch_size=3) + bench.fill(12, unit=DAY_BEFORE)
    start = PROCESSES.Barrier(workers)
    orders = [(UNIT, DAY_BEFORE), (DAY_BEFORE, UNIT)]
    processes = [
        PROCESSES.Process(target=work, args=(task_for(bench, *orders[number % 2]), start))
        for number in range(workers)
    ]

    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)

    accepted = bench.api.accepted_ids(SURVEY)
    assert [process.exitcode for process in processes] == [0] * workers
    assert accepted == once_each(ids)
    assert bench.api.violations == []
    assert bench.counts() == {"accepted": 24}
    note("together", processes=workers, accepted=accepted.total(), duplicates=0, lost=0)


def test_what_a_killed_worker_was_posting_is_in_doubt_and_never_posted_again(
    bench: Bench, api: TrackStandIn
) -> None:
    ids = bench.fill(2)
    api.script(faults.slow_headers(accepted=True))
    process = PROCESSES.Process(target=work, args=(task_for(bench, UNIT),))
    process.start()
    while not api.received:
        time.sleep(0.02)
    process.kill()
    process.join()

    while_leased = bench.dispatch_anyhow()
    bench.end_leases()
    bench.dispatch()

    assert isinstance(while_leased, LinesInFlightError)
    assert bench.counts() == {"in_doubt": 2}
    assert api.accepted_ids() == once_each(ids)
