"""Many workers on one hospital at once, and one that is killed: the ledger keeps the promise."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from stand_ins.track_api import faults
from tests.unit.delivery.delivery_rig import DAY, UNIT, Rig, once_each
from tests.unit.delivery.delivery_worker import PRELOADED, PROCESSES, task_for, work
from track_dispatch.errors import LinesInFlightError
from track_dispatch.records import Area

if TYPE_CHECKING:
    from stand_ins.track_api import TrackStandIn

#: The process that others are forked from is reached through a Unix socket.
pytestmark = pytest.mark.enable_socket


@pytest.fixture(autouse=True)
def quick_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    PROCESSES.set_forkserver_preload(PRELOADED)


def test_workers_on_one_hospital_send_each_line_once_and_one_batch_of_a_survey_at_a_time(
    rig: Rig,
) -> None:
    workers = 6 if rig.ledger.on_postgresql else 3
    ids = rig.fill(9, batch_size=3, unit=replace(UNIT, business_day=DAY - timedelta(days=1)))
    ids += rig.fill(9)
    ids += rig.fill(6, unit=replace(UNIT, area=Area.INTERNACAO))
    start = PROCESSES.Barrier(workers)
    processes = [
        PROCESSES.Process(target=work, args=(task_for(rig), start)) for _ in range(workers)
    ]

    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)

    assert [process.exitcode for process in processes] == [0] * workers
    assert rig.api.accepted_ids() == once_each(ids)
    assert rig.api.violations == []
    assert rig.counts() == {"accepted": 24}
    assert rig.requests_taken() == rig.api.requests.total()


def test_what_a_killed_worker_was_posting_is_in_doubt_and_never_posted_again(
    rig: Rig, api: TrackStandIn
) -> None:
    ids = rig.fill(2)
    api.script(faults.slow_headers(accepted=True))
    process = PROCESSES.Process(target=work, args=(task_for(rig),))
    process.start()
    while not api.received:
        time.sleep(0.02)
    process.kill()
    process.join()

    while_leased = rig.dispatch_anyhow()
    rig.end_leases()
    rig.dispatch()

    assert isinstance(while_leased, LinesInFlightError)
    assert rig.counts() == {"in_doubt": 2}
    assert api.accepted_ids() == once_each(ids)
