"""Processes that die at their n-th instant: around a statement, a commit, a socket operation.

The instants are counted, so a death can be had again; nothing here depends on how long things take.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import alembic.context  # noqa: F401 - imported late by what runs here: forked with it
import psycopg  # noqa: F401 - the same
from airflow.sdk.exceptions import AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout
from sqlalchemy import event

from tests.unit.delivery.bench import Bench
from track_dispatch.errors import TrackDispatchError
from track_dispatch.ledger.opening import open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from sqlalchemy import Engine

    from tests.proof.morning import Morning
    from tests.unit.delivery.worker import Work

#: How a process ends that `execution_timeout` put an end to.
TIMED_OUT = 44
#: Far away: the alarm is raised by the instant, not by the clock.
NEVER = 3600


class Death(StrEnum):
    """How a process may end."""

    KILL = "kill"  # SIGKILL: the machine, the kernel, the supervisor's last resort
    TIMEOUT = "timeout"  # `execution_timeout`: Airflow raises out of the middle of our code
    TERM = "term"  # SIGTERM, after which the process goes on
    TERM_THEN_KILL = "term_then_kill"  # SIGTERM, and SIGKILL some instants later


@dataclass(frozen=True, slots=True)
class Doom:
    """A death at an instant, counted from 1; `later` instants on for a second blow."""

    death: Death
    instant: int
    later: int = 1


class Instants:
    """Counts the instants of this process and strikes at the chosen one."""

    def __init__(self, doom: Doom | None) -> None:
        self.passed: list[str] = []
        self._doom = doom

    def __call__(self, label: str) -> None:
        self.passed.append(label)
        doom, now = self._doom, len(self.passed)
        if doom is None:
            return
        if now == doom.instant:
            _strike(doom.death)
        elif doom.death is Death.TERM_THEN_KILL and now == doom.instant + doom.later:
            _strike(Death.KILL)


def _strike(death: Death) -> None:
    match death:
        case Death.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        case Death.TIMEOUT:
            signal.raise_signal(signal.SIGALRM)
        case _:
            signal.raise_signal(signal.SIGTERM)


def dispatch(task: Work, doom: Doom | None, seen: Connection) -> None:
    """Dispatch a unit as one try of a task does, until it is done or death comes."""
    stopped = threading.Event()
    # what TrackOperator.on_kill does, which Airflow's own handler calls
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    ledger = open_ledger(task.ledger_url, task.keys)
    bench = Bench(ledger, api=None, settings=task.settings)  # type: ignore[arg-type]

    def run() -> None:
        for unit in task.units:
            bench.dispatch(unit, url=task.api_url, stopped=stopped.is_set)

    _live(run, ledger.engine, doom, seen)


def extract_and_transform(morning: Morning, doom: Doom | None, seen: Connection) -> None:
    """Stage a day's rows and apply them, as two tasks of a run do, until death comes."""
    ledger = open_ledger(morning.ledger_url, morning.keys)

    def run() -> None:
        morning.extract(ledger)
        morning.transform(ledger)

    _live(run, ledger.engine, doom, seen)


def _live(run: Callable[[], None], engine: Engine, doom: Doom | None, seen: Connection) -> None:
    """Run a task under Airflow's own timeout; tell which instants there were."""
    gc.freeze()  # to look through all that was imported would take longer than the whole life
    instants = Instants(doom)
    _watch_statements(engine, instants)
    _watch_sockets(instants)
    try:
        with timeout(NEVER), suppress(TrackDispatchError):  # type: ignore[no-untyped-call]
            run()
    except AirflowTaskTimeout:
        sys.exit(TIMED_OUT)
    finally:
        engine.dispose()
        seen.send(instants.passed)


def _watch_statements(engine: Engine, instant: Instants) -> None:
    def kind(statement: str) -> str:
        return " ".join(statement.split()[:3])

    @event.listens_for(engine, "begin")
    def _begin(_: Any) -> None:
        instant("at begin")

    @event.listens_for(engine, "before_cursor_execute")
    def _before(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        instant(f"before {kind(statement)}")

    @event.listens_for(engine, "after_cursor_execute")
    def _after(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        instant(f"after {kind(statement)}")

    # no event follows a commit, which is the instant that matters most
    for name in ("do_commit", "do_rollback"):
        _surround(engine.dialect, name, instant)


def _watch_sockets(instant: Instants) -> None:
    sendall = socket.socket.sendall

    def in_two_pieces(self: socket.socket, data: bytes, *flags: int) -> None:
        middle = len(data) // 2
        for number, piece in enumerate((data[:middle], data[middle:]), start=1):
            instant(f"before sendall {number}/2")
            sendall(self, piece, *flags)
        instant("after sendall")

    socket.socket.sendall = in_two_pieces  # type: ignore[method-assign, assignment]
    for name in ("connect", "recv_into"):
        _surround(socket.socket, name, instant)


def _surround(owner: Any, name: str, instant: Instants) -> None:
    original = getattr(owner, name)

    def surrounded(*args: Any, **kwargs: Any) -> Any:
        instant(f"before {name}")
        result = original(*args, **kwargs)
        instant(f"after {name}")
        return result

    setattr(owner, name, surrounded)


def chosen(instants: int, *, most: int, seed: int) -> Iterator[int]:
    """Choose instants to die at: all of them, or `most` that lie evenly, shifted by the seed."""
    count = min(most, instants)
    shift = (seed * 0.618) % 1 if count < instants else 0.0
    yield from (1 + int((number + shift) * instants / count) for number in range(count))
