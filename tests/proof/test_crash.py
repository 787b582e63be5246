"""Killed at any instant: nobody is asked twice, nobody is lost, and the next try goes on."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4
from zlib import crc32

import pytest
from sqlalchemy import create_engine, text

from demo.track_api import TrackStandIn
from demo.world import surveys_of
from tests.proof import dying
from tests.proof.aftermath import (
    SCENARIOS,
    Scenario,
    broken_promises,
    duplicates,
    left_behind,
    lost,
    retry_until_done,
    sessions_of_the_dying,
    under_its_name,
    until,
    wait_for_the_dead,
)
from tests.proof.dying import TIMED_OUT, Death, Doom, chosen
from tests.proof.morning import Morning, earlier, second_reading, staged_rows, told
from tests.proof.report import IN_FULL, note
from tests.unit.delivery.bench import HOSPITAL, NOW, UNIT, Bench
from tests.unit.delivery.worker import PRELOADED, PROCESSES, task_for
from track_dispatch.ledger import schema
from track_dispatch.ledger.creation import init_ledger
from track_dispatch.ledger.keys import new_keys
from track_dispatch.ledger.opening import open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from tests.unit.delivery.worker import Work
    from track_dispatch.ledger.database import Ledger

#: The process that others are forked from is reached through a Unix socket.
pytestmark = pytest.mark.enable_socket
#: Deaths in one test, where not all of them are died.
SAMPLE = dict.fromkeys(Death, 1)
#: In full: SIGKILL at every instant; the gentler deaths, which leave more of us alive, at every
#: fifth, each scenario and database from another one on.
EVERY = {death: 1 if death is Death.KILL else 5 for death in Death}
#: SIGKILL follows SIGTERM within so many instants.
SECOND_BLOW = 40


@pytest.fixture(autouse=True)
def quick_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    PROCESSES.set_forkserver_preload(PRELOADED)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ledger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    """Open one ledger for all deaths on a database; each begins with an empty one."""
    url = f"sqlite:///{tmp_path_factory.mktemp('crash')}/track_ledger.db"
    if request.param == "postgresql":
        server = create_engine(request.getfixturevalue("postgres"), isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.execute(text(f"create database {(name := f'crash_{uuid4().hex}')}"))
        server.dispose()
        url = server.url.set(database=name).render_as_string(hide_password=False)
    keys = new_keys()
    init_ledger(url, keys)
    opened = open_ledger(url, keys)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def whole_lives(ledger: Ledger) -> dict[Scenario, list[str]]:
    """Keep the instants of a dispatch that nobody kills, counted once for each database."""
    return {}


def emptied(ledger: Ledger) -> Ledger:
    with ledger.writing() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            if table is not schema.ledger:
                connection.execute(table.delete())
    return ledger


@contextmanager
def a_track() -> Iterator[TrackStandIn]:
    with TrackStandIn(surveys=surveys_of(HOSPITAL), clock=lambda: NOW) as api:
        yield api


def begin(
    life: Callable[..., None], task: Work | Morning, doom: Doom | None
) -> tuple[BaseProcess, Connection]:
    """Start a process, and return with it the place where it tells its instants at its end."""
    task = replace(task, ledger_url=under_its_name(task.ledger_url))
    told_by_it, tell = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=life, args=(task, doom, tell))
    process.start()
    tell.close()
    return process, told_by_it


def live(life: Callable[..., None], task: Work | Morning, doom: Doom | None) -> list[str] | None:
    """Run a process to its end, which must be the one it was doomed to.

    Returns:
        The instants that it passed; None if it was killed.
    """
    process, told_by_it = begin(life, task, doom)
    process.join(timeout=60)
    if process.exitcode == -signal.SIGKILL:
        assert doom is not None
        assert doom.death in {Death.KILL, Death.TERM_THEN_KILL}
        return None
    passed: list[str] = told_by_it.recv()
    # the blow is not survived; only that an answer came in fewer pieces may spare the last instants
    death = doom.death if doom is not None and len(passed) >= doom.instant else None
    assert death is not Death.KILL
    assert process.exitcode == (TIMED_OUT if death is Death.TIMEOUT else 0)
    return passed


@pytest.mark.parametrize("death", Death)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_dispatch_that_dies_at_any_instant_asks_nobody_twice_and_loses_nobody(
    ledger: Ledger,
    whole_lives: dict[Scenario, list[str]],
    scenario: Scenario,
    death: Death,
    request: pytest.FixtureRequest,
) -> None:
    if scenario not in whole_lives:
        instants, broken = one_life(ledger, scenario, None)
        assert broken == []
        whole_lives[scenario] = instants or []
    instants = whole_lives[scenario]
    seed = crc32(request.node.name.encode())
    most = len(instants) // EVERY[death] if IN_FULL else SAMPLE[death]
    for instant in chosen(len(instants), most=most, seed=seed):
        doom = Doom(death, instant, later=1 + (instant + seed) % SECOND_BLOW)

        _, broken = one_life(ledger, scenario, doom)

        assert broken == [], f"{doom}: {instants[instant - 1]}"


def one_life(
    ledger: Ledger, scenario: Scenario, doom: Doom | None
) -> tuple[list[str] | None, list[str]]:
    """Let a dispatch die and be retried; return its instants and the promises that are broken."""
    with a_track() as api:
        bench = Bench(emptied(ledger), api)
        scenario.arrange(bench, bench.fill(scenario.lines, batch_size=scenario.batch_size))
        instants = live(dying.dispatch, task_for(bench, UNIT), doom)
        wait_for_the_dead(ledger, api)
        left = left_behind(bench)
        retry_until_done(bench)
        broken = broken_promises(bench, scenario, left)
        if doom is not None:
            survived = instants is not None and len(instants) < doom.instant
            note(
                "crash",
                deaths=int(not survived),
                duplicates=duplicates(bench),
                lost=lost(bench),
                in_doubt=bench.counts()["in_doubt"],
                **{f"by_{doom.death}": int(not survived)},
                **{f"on_{ledger.engine.dialect.name}": int(not survived)},
            )
        return instants, broken


@pytest.mark.parametrize("ledger", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("blow", "end"), [("SIGALRM", TIMED_OUT), ("SIGKILL", -signal.SIGKILL)])
def test_a_dispatch_that_dies_while_the_ledger_keeps_it_waiting_is_no_exception(
    ledger: Ledger, blow: str, end: int
) -> None:
    """No instant of its own: the process waits in the driver for a lock, its answer in hand."""
    scenario = SCENARIOS[0]
    with a_track() as api, ledger.engine.connect() as other:
        bench = Bench(emptied(ledger), api)
        bench.fill(scenario.lines, batch_size=scenario.batch_size)
        lock = text("select id from lines for update")
        bench.during_post(1, lambda: other.execute(lock).close())
        process, _ = begin(dying.dispatch, task_for(bench, UNIT), None)
        until(lambda: sessions_of_the_dying(ledger, waiting=True))

        os.kill(process.pid or 0, signal.Signals[blow])
        process.join(timeout=60)
        other.rollback()

        assert process.exitcode == end
        wait_for_the_dead(ledger, api)
        left = left_behind(bench)
        retry_until_done(bench)
        assert broken_promises(bench, scenario, left) == []
        assert bench.counts() == {"in_doubt": 2, "accepted": 2}


@pytest.mark.parametrize("death", [Death.KILL, Death.TIMEOUT])
def test_a_transform_that_dies_at_any_instant_leaves_the_lines_as_before_or_as_after(
    ledger: Ledger, death: Death, request: pytest.FixtureRequest
) -> None:
    read_once(ledger)
    before = told(ledger)
    instants = live(dying.extract_and_transform, second_reading(ledger), None)
    assert instants is not None
    after = told(ledger)
    assert before != after
    seed = crc32(request.node.name.encode())
    most = len(instants) if IN_FULL else SAMPLE[death]
    for instant in chosen(len(instants), most=most, seed=seed):
        read_once(ledger)
        doom, morning = Doom(death, instant), second_reading(ledger)

        live(dying.extract_and_transform, morning, doom)
        found = told(ledger)
        morning.clear(ledger)

        where = f"{doom}: {instants[instant - 1]}"
        assert found in (before, after), where
        assert told(ledger) == after, where
        assert staged_rows(ledger) == 0, where
        note("crash", deaths=1, in_transform=1, **{f"on_{ledger.engine.dialect.name}": 1})


def read_once(ledger: Ledger) -> None:
    with a_track() as api:
        earlier(emptied(ledger), api)
