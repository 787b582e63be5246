"""Processes that die at their n-th instant: around a statement, a commit, a socket operation.

The instants are counted in each of the two threads of a dispatch by itself, so a death can be had
again; nothing here depends on how long things take.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from tests.proof.crash_hospital import dispatch_once, read_days
from tests.proof.driver_instants import watchable_drivers, watching_drivers
from tests.unit.delivery.delivery_worker import RealTime
from track_dispatch.errors import TrackDispatchError
from track_dispatch.ledger.database import Ledger, connect
from track_dispatch.ledger.keys import KeyRing

if TYPE_CHECKING:
    from tests.proof.crash_hospital import Reading

#: What these processes are forked with.
PRELOADED = [
    "tests.unit.delivery.delivery_worker",
    "tests.proof.dying_process",
    "airflow.sdk.execution_time.timeout",
]
#: How a process ends that `execution_timeout` put an end to.
TIMED_OUT = 44
#: Far away: the alarm is raised by the instant, not by the clock.
NEVER = 3600
#: After these something has changed that the next instant does not show by itself.
_TELLING = ("commit", "_commit_gen", "_exit_gen", "connect", "sendall", "recv_into")
#: How a dying process introduces itself to PostgreSQL.
DYING = "dying"


class Death(StrEnum):
    """How a process may end."""

    KILL = "kill"  # SIGKILL: the machine, the kernel, the supervisor's last resort
    TIMEOUT = "timeout"  # `execution_timeout`: Airflow raises out of the middle of our code
    TERM = "term"  # SIGTERM, after which the process goes on
    TERM_THEN_KILL = "term_then_kill"  # SIGTERM, and SIGKILL some instants later


class Lane(StrEnum):
    """The threads of a dispatch."""

    MAIN = "main"  # claims, settles, reads ahead
    POST = "post"  # posts


@dataclass(frozen=True, slots=True)
class Doom:
    """A death at an instant of a thread, counted from 1; `later` instants on for a second blow."""

    death: Death
    lane: Lane
    instant: int
    later: int = 1


@dataclass(frozen=True, slots=True)
class Life:
    """What a process is told: its ledger, Track, its settings, and what it reads."""

    ledger_url: str
    keys: str
    api_url: str = ""
    settings: Mapping[str, Any] | None = None
    reading: Reading | None = None


class Instants:
    """Counts the instants of this process and strikes at the chosen one."""

    def __init__(self, doom: Doom | None) -> None:
        self.passed: dict[Lane, list[str]] = defaultdict(list)
        self._doom = doom
        self._until_blow: int | None = None
        self._lock = threading.RLock()

    def __call__(self, label: str) -> None:
        if label.startswith("after") and not label.endswith(_TELLING):
            return
        is_main = threading.current_thread() is threading.main_thread()
        with self._lock:
            struck = self._pass(Lane.MAIN if is_main else Lane.POST, label)
        if struck is not None:
            _strike(struck)

    def _pass(self, lane: Lane, label: str) -> Death | None:
        """Count an instant; return what strikes at it."""
        self.passed[lane].append(label)
        doom = self._doom
        if doom is None:
            return None
        if self._until_blow is not None:
            self._until_blow -= 1
            return Death.KILL if self._until_blow == 0 else None
        if (lane, len(self.passed[lane])) != (doom.lane, doom.instant):
            return None
        if doom.death is Death.TERM_THEN_KILL:
            self._until_blow = doom.later
        self._doom = doom if self._until_blow is not None else None
        return doom.death


def _strike(death: Death) -> None:
    match death:
        case Death.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        case Death.TIMEOUT:
            _signal_main_thread(signal.SIGALRM)
        case _:
            _signal_main_thread(signal.SIGTERM)


def _signal_main_thread(number: signal.Signals) -> None:
    """Signal the thread that the kernel gives a process's signals to."""
    signal.pthread_kill(threading.main_thread().ident or 0, number)


def dispatch_until_death(life: Life, doom: Doom | None, seen: Connection) -> None:
    """Dispatch the hospital as one try of a task does, until it is done or death comes."""
    stopped = threading.Event()
    # what the operator's on_kill does, which Airflow's own handler calls
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())

    def run(ledger: Ledger) -> None:
        dispatch_once(
            ledger, life.api_url, life.settings or {}, time=RealTime(), stopped=stopped.is_set
        )

    _live(run, life, doom, seen)


def read_until_death(life: Life, doom: Doom | None, seen: Connection) -> None:
    """Extract days and apply them, as two tasks of a run do, until death comes."""
    reading = life.reading
    assert reading is not None
    _live(lambda ledger: read_days(ledger, reading), life, doom, seen)


def _live(run: Callable[[Ledger], None], life: Life, doom: Doom | None, seen: Connection) -> None:
    """Run a task under Airflow's own timeout; tell which instants there were."""
    gc.freeze()  # to look through all that was imported would take longer than the whole life
    instants = Instants(doom)
    keys = KeyRing.model_validate_json(life.keys)
    on_postgresql = life.ledger_url.startswith("postgresql")
    options = {"application_name": DYING} if on_postgresql else None
    with watchable_drivers(), ExitStack() as living:
        ledger = living.enter_context(Ledger(connect(life.ledger_url, options=options), keys))
        if doom is not None and doom.death is Death.TIMEOUT:
            living.enter_context(_under_timeout())
        living.enter_context(watching_drivers(instants))
        living.enter_context(watching_sockets(instants))
        with suppress(TrackDispatchError):
            run(ledger)
    seen.send(dict(instants.passed))


@contextmanager
def _under_timeout() -> Iterator[None]:
    """Run a task as Airflow does under `execution_timeout`."""
    # here: only some of the dying need it, and it takes long
    from airflow.sdk.exceptions import AirflowTaskTimeout  # noqa: PLC0415
    from airflow.sdk.execution_time.timeout import timeout  # noqa: PLC0415

    try:
        with timeout(NEVER):  # type: ignore[no-untyped-call]
            yield
    except AirflowTaskTimeout:
        sys.exit(TIMED_OUT)


@contextmanager
def watching_sockets(instant: Callable[[str], None]) -> Iterator[None]:
    """Be told the instants around what sockets do; each sending goes in two pieces."""
    sendall = socket.socket.sendall

    def in_two_pieces(self: socket.socket, data: bytes, *flags: int) -> None:
        middle = len(data) // 2
        for number, piece in enumerate((data[:middle], data[middle:]), start=1):
            instant(f"before sendall {number}/2")
            sendall(self, piece, *flags)
        instant("after sendall")

    socket.socket.sendall = in_two_pieces  # type: ignore[method-assign, assignment]
    names: Sequence[str] = ("connect", "recv_into")
    for name in names:
        _surround(socket.socket, name, instant)
    try:
        yield
    finally:
        socket.socket.sendall = sendall  # type: ignore[method-assign]
        for name in names:
            delattr(socket.socket, name)  # the C class below has it


def _surround(owner: Any, name: str, instant: Callable[[str], None]) -> None:
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
