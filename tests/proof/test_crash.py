"""Killed at any instant: nobody is asked twice, nobody is lost, and the next try goes on."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING
from uuid import uuid4
from zlib import crc32

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from demo.world import surveys_of
from stand_ins.track_api import TrackStandIn
from tests.postgres import administer
from tests.proof.crash_aftermath import (
    broken,
    duplicates,
    end_leases,
    kept_after_retries,
    kept_at_once,
    kept_in_the_end,
    kept_while_leased,
    left_behind,
    lost,
    retry_until_done,
    sessions_of_the_dying,
    staged_chunks,
    until,
    wait_for_the_dead,
)
from tests.proof.crash_hospital import DAY_BEFORE, SCENARIOS, Scenario, read_days
from tests.proof.crash_readings import FIRST, REFUSED, SECOND, clear, told
from tests.proof.dying_process import (
    PRELOADED,
    TIMED_OUT,
    Death,
    Doom,
    Lane,
    Life,
    chosen,
    dispatch_until_death,
    read_until_death,
)
from tests.proof.model_databases import empty
from tests.proof.proof_report import IN_FULL, note
from tests.unit.delivery.delivery_rig import HOSPITAL, NOW, Rig
from tests.unit.delivery.delivery_worker import PROCESSES
from track_dispatch.config import rules_digest
from track_dispatch.ledger.creation import init_ledger, open_ledger_at
from track_dispatch.ledger.keys import new_keys
from track_dispatch.ledger.sql import TURN

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

#: The process that others are forked from is reached through a Unix socket.
pytestmark = pytest.mark.enable_socket
#: In full: SIGKILL at every instant; the gentler deaths, which leave more of us alive, at every
#: tenth, each scenario and database from another one on.
EVERY = {death: 1 if death is Death.KILL else 10 for death in Death}
#: In a sample: SIGKILL in some scenarios, each of the gentler deaths in one of them.
SAMPLE = 4
CASES = [
    (scenario, death)
    for number, scenario in enumerate(SCENARIOS)
    for place, death in enumerate(Death)
    if IN_FULL or (number < SAMPLE and (death is Death.KILL or place == number))
]
#: SIGKILL follows SIGTERM within so many instants.
SECOND_BLOW = 40

Instants = dict[Lane, list[str]]


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
        server = request.getfixturevalue("postgres")
        administer(server, f"create database {(name := f'crash_{uuid4().hex}')}")
        url = make_url(server).set(database=name).render_as_string(hide_password=False)
    keys = new_keys()
    init_ledger(url, keys)
    opened = open_ledger_at(url, keys)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def whole_lives(ledger: Ledger) -> dict[Scenario, Instants]:
    """Keep the instants of a dispatch that nobody kills, counted once for each database."""
    return {}


@contextmanager
def a_hospital(ledger: Ledger, scenario: Scenario) -> Iterator[Rig]:
    """Read a hospital's days into an empty ledger, and open Track."""
    empty(ledger)
    with (
        TrackStandIn(surveys=surveys_of(HOSPITAL), clock=lambda: NOW) as api,
        Rig(ledger, api, settings=dict(scenario.reading.policies)) as rig,
    ):
        rig.ids += [visit.number for visit in scenario.visits]
        read_days(ledger, scenario.reading)
        scenario.arrange(rig)
        yield rig


def begin(
    task: Callable[..., None], life: Life, doom: Doom | None
) -> tuple[BaseProcess, Connection]:
    """Start a process, and return with it the place where it tells its instants at its end."""
    told_by_it, tell = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=task, args=(life, doom, tell))
    process.start()
    tell.close()
    return process, told_by_it


def live(task: Callable[..., None], life: Life, doom: Doom | None) -> Instants | None:
    """Run a process to its end, which must be the one it was doomed to.

    Returns:
        The instants that it passed; None if it was struck down.
    """
    process, told_by_it = begin(task, life, doom)
    process.join(timeout=60)
    death = doom.death if doom is not None else None
    if process.exitcode == -signal.SIGKILL:
        assert death in {Death.KILL, Death.TERM_THEN_KILL}
        return None
    if process.exitcode == TIMED_OUT:
        assert death is Death.TIMEOUT
        return None
    assert process.exitcode == 0
    passed: Instants = told_by_it.recv()
    # only that an answer came in fewer pieces may spare the last instants
    struck = doom is not None and len(passed.get(doom.lane, ())) >= doom.instant
    assert not struck or death in {Death.TERM, Death.TERM_THEN_KILL}
    return None if struck else passed


def life_of(rig: Rig) -> Life:
    url = rig.ledger.engine.url.render_as_string(hide_password=False)
    return Life(url, rig.ledger.keys.model_dump_json(), rig.api.url, rig.settings)


def one_life(ledger: Ledger, scenario: Scenario, doom: Doom | None) -> Instants | None:
    """Let a dispatch die, be retried and decided about; find all promises kept."""
    with a_hospital(ledger, scenario) as rig:
        instants = live(dispatch_until_death, life_of(rig), doom)
        wait_for_the_dead(ledger, rig.api)
        left = left_behind(rig)
        where = f"{scenario.name}: {doom}"
        assert broken(kept_at_once(rig)) == [], where
        assert broken(kept_while_leased(rig)) == [], where
        assert broken(end_leases(rig)) == [], where
        retry_until_done(rig)
        promises = kept_at_once(rig) | kept_after_retries(rig, scenario, left)
        assert broken(promises) == [], where
        in_doubt, missing = rig.counts()["in_doubt"], len(lost(rig))
        promises = kept_in_the_end(rig, scenario) | kept_at_once(rig)
        assert broken(promises) == [], where
        if doom is not None and instants is None:
            note(
                "crash",
                deaths=1,
                duplicates=duplicates(rig),
                lost=missing,
                in_doubt=in_doubt,
                **{f"by_{doom.death}": 1, f"on_{ledger.engine.dialect.name}": 1},
            )
        return instants


@pytest.mark.parametrize(("scenario", "death"), CASES, ids=str)
def test_a_dispatch_that_dies_at_any_instant_asks_nobody_twice_and_loses_nobody(
    ledger: Ledger,
    whole_lives: dict[Scenario, Instants],
    scenario: Scenario,
    death: Death,
    request: pytest.FixtureRequest,
) -> None:
    if scenario not in whole_lives:
        whole_lives[scenario] = one_life(ledger, scenario, None) or {}
    seed = crc32(request.node.name.encode())
    for lane, instants in whole_lives[scenario].items():
        if not IN_FULL and lane is not list(Lane)[seed % len(Lane)]:
            continue
        most = len(instants) // EVERY[death] if IN_FULL else 1
        for instant in chosen(len(instants), most=most, seed=seed):
            later = 1 + (instant + seed) % SECOND_BLOW
            one_life(ledger, scenario, Doom(death, lane, instant, later))


@pytest.mark.parametrize("ledger", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("blow", "end"), [(None, 0), ("SIGKILL", -signal.SIGKILL)])
def test_a_dispatch_that_dies_while_the_ledger_keeps_it_waiting_is_no_exception(
    ledger: Ledger, blow: str | None, end: int
) -> None:
    """No instant of its own: the process waits in the driver for its turn, its answer in hand."""
    scenario = SCENARIOS[0]
    with a_hospital(ledger, scenario) as rig, ledger.engine.connect() as other:
        take_turn = text(f"select pg_advisory_xact_lock({TURN})")
        rig.during_post(1, lambda: other.execute(take_turn).close())
        process, _ = begin(dispatch_until_death, life_of(rig), None)
        until(lambda: sessions_of_the_dying(ledger, waiting=True))

        if blow is not None:
            os.kill(process.pid or 0, signal.Signals[blow])
            process.join(timeout=60)
        other.rollback()
        process.join(timeout=60)

        assert process.exitcode == end
        wait_for_the_dead(ledger, rig.api)
        left = left_behind(rig)
        assert broken(kept_at_once(rig) | end_leases(rig)) == []
        retry_until_done(rig)
        assert broken(kept_at_once(rig) | kept_after_retries(rig, scenario, left)) == []
        in_doubt = 2 if blow else 0
        assert rig.counts()["in_doubt"] == in_doubt
        assert broken(kept_in_the_end(rig, scenario)) == []


@pytest.mark.parametrize("death", [Death.KILL, Death.TIMEOUT])
def test_a_reading_that_dies_at_any_instant_leaves_the_days_as_before_or_as_after(
    ledger: Ledger, death: Death, request: pytest.FixtureRequest
) -> None:
    url = ledger.engine.url.render_as_string(hide_password=False)
    life = Life(url, ledger.keys.model_dump_json(), reading=SECOND)
    read_and_sent(ledger)
    before = told(ledger)
    instants = live(read_until_death, life, None)
    assert instants is not None
    after = told(ledger)
    assert before != after
    labels = instants[Lane.MAIN]
    seed = crc32(request.node.name.encode())
    for instant in chosen(len(labels), most=len(labels) if IN_FULL else 1, seed=seed):
        read_and_sent(ledger)

        died = live(read_until_death, life, Doom(death, Lane.MAIN, instant)) is None
        found = told(ledger)
        clear(ledger, SECOND)

        where = f"{death} at {instant}: {labels[instant - 1]}"
        assert died, where
        assert found in (before, after), where
        assert told(ledger) == after, where
        assert staged_chunks(ledger) == 0, where
        note("crash", deaths=1, in_reading=1, **{f"on_{ledger.engine.dialect.name}": 1})


def read_and_sent(ledger: Ledger) -> None:
    """Read the days and send some of the lines: one is accepted, one refused, the rest ready."""
    with a_hospital(ledger, FIRST) as rig:
        rig.api.reject({REFUSED}, named=True)
        assert rig.dispatch_anyhow(until=DAY_BEFORE, rules=rules_digest(rig.hospital)) is None
