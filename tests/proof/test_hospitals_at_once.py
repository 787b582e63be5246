"""Hospitals that share patients, dispatched by many processes at once: the ledger is enough."""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from demo.world import surveys_of
from stand_ins.track_api import TrackStandIn
from tests.proof.crowd import ATTENDANCES, SHARED, Work, numbers, person, read_hospitals, work
from tests.proof.model_erp import BEGINNING, CODES, HOSPITALS
from tests.proof.proof_report import IN_FULL, note
from tests.unit.delivery.delivery_worker import PRELOADED, PROCESSES
from track_dispatch.ledger import schema

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

#: The process that others are forked from is reached through a Unix socket.
pytestmark = pytest.mark.enable_socket
#: Requests in five minutes that are fewer than all need.
FEW = 9
EVERY_ATTENDANCE = [number for code in CODES for number in numbers(code)]


@pytest.fixture(autouse=True)
def quick_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    PROCESSES.set_forkserver_preload(PRELOADED)


@pytest.mark.parametrize("round_", range(5 if IN_FULL else 1))
def test_nobody_is_asked_twice_nor_more_than_track_takes(ledger: Ledger, round_: int) -> None:
    workers = 8 if ledger.on_postgresql else 4
    read_hospitals(ledger)
    surveys = [survey for one in HOSPITALS.values() for survey in surveys_of(one)]
    with TrackStandIn(surveys=surveys, clock=lambda: BEGINNING) as api:
        everybody_dispatches(ledger, api.url, workers, requests_per_5_minutes=FEW)
        at_first = api.requests.total()
        everybody_dispatches(ledger, api.url, workers, requests_per_5_minutes=10_000)

        accepted = api.accepted_ids()
        persons = Counter(map(person, accepted))
        assert at_first <= FEW
        assert api.requests.total() == taken(ledger)
        assert max(accepted.values()) == 1, "accepted twice"
        assert max(persons.values()) == 1, "invited within the cap"
        assert len(persons) == len(CODES) * (ATTENDANCES - SHARED) + SHARED
        assert api.violations == []
    states = states_of(ledger)
    assert states == {
        number: ("accepted", None) if number in accepted else ("excluded", "contact_cap")
        for number in EVERY_ATTENDANCE
    }
    note("together", processes=workers, accepted=accepted.total(), duplicates=0, lost=0)


def everybody_dispatches(ledger: Ledger, url: str, workers: int, **settings: Any) -> None:
    """Let processes begin at once, each with another hospital, and wait for all of them."""
    ledger.engine.dispose()
    start = PROCESSES.Barrier(workers)
    processes = [
        PROCESSES.Process(
            target=work,
            args=(
                Work(
                    ledger.engine.url.render_as_string(hide_password=False),
                    ledger.keys.model_dump_json(),
                    url,
                    (*CODES[number % len(CODES) :], *CODES[: number % len(CODES)]),
                    settings,
                    number,
                ),
                start,
            ),
        )
        for number in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0] * workers


def taken(ledger: Ledger) -> int:
    with ledger.reading() as connection:
        return connection.scalar(select(func.sum(schema.requests.c.taken))) or 0


def states_of(ledger: Ledger) -> dict[str, tuple[str, str | None]]:
    with ledger.reading() as connection:
        rows = connection.execute(select(schema.lines))
        return {row.attendance_id: (row.state, row.reason) for row in rows}
