"""The pipeline's phases as one task's process sees them: what each took, in time and memory."""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

# everything a phase needs is imported here: it is there before a phase's own memory is counted
from airflow.providers.oracle.hooks.oracle import OracleHook  # noqa: F401

from tests.bench.big_day import DAY, HOSPITAL, NOW
from track_dispatch.config import load_hospital
from track_dispatch.delivery.desk import Desk
from track_dispatch.delivery.dispatch import dispatch as dispatch_unit
from track_dispatch.hooks.track import TrackHook, track_host
from track_dispatch.ledger.creation import init_ledger
from track_dispatch.ledger.keys import new_keys, parse_keys
from track_dispatch.ledger.opening import open_ledger
from track_dispatch.ledger.views import day_counts
from track_dispatch.pipeline.extracting import extract as extract_day
from track_dispatch.pipeline.run import Run
from track_dispatch.pipeline.transforming import transform as transform_day
from track_dispatch.records import Actor, Area, Channel, LineState, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from track_dispatch.ledger.database import Ledger


@dataclass(frozen=True, slots=True)
class Measured:
    """What a phase took.

    Attributes:
        rows: that it worked through.
        seconds: from its first to its last statement.
        peak_kib: the most memory that the whole process ever held.
    """

    rows: int
    seconds: float
    peak_kib: int


def measure(phase: str, path: Path, connections: Mapping[str, str]) -> Measured:
    """Run one phase, once, in a process that will do nothing else.

    Args:
        phase: one of `PHASES`.
        path: the ledger, made where there is none.
        connections: Airflow's, as environment variables.
    """
    os.environ.update(connections)
    run = Run(load_hospital(HOSPITAL), DAY, Actor(phase, run_id="bench", try_number=1))
    with closing(opened(path)) as ledger:
        began = perf_counter()
        rows = PHASES[phase](run, ledger)
        return Measured(rows, perf_counter() - began, peak_kib())


def opened(path: Path) -> Ledger:
    """Open the ledger at `path`, with its keys beside it."""
    url, key_file = f"sqlite:///{path}", path.with_suffix(".keys")
    if not path.exists():
        key_file.write_text(new_keys().model_dump_json())
        init_ledger(url, parse_keys(json.loads(key_file.read_text()), str(key_file)))
    return open_ledger(url, parse_keys(json.loads(key_file.read_text()), str(key_file)))


def peak_kib() -> int:
    """Return the most memory that this process ever held, KiB.

    Source: proc_pid_status(5), VmHWM; of a forked process it starts with what it was given.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def extract(run: Run, ledger: Ledger) -> int:
    return extract_day(run, ledger=ledger, track_host=track_host())["rows"]


def transform(run: Run, ledger: Ledger) -> int:
    return sum(transform_day(run, ledger=ledger, now=NOW).counts.values())


def dispatch(run: Run, ledger: Ledger) -> int:
    hook = TrackHook()
    with hook.client(deadline_seconds=run.hospital.post_deadline_seconds) as client:
        desk = Desk(
            hospital=run.hospital,
            ledger=ledger,
            client=client,
            track_host=hook.base_url,
            actor=run.actor,
            now=lambda: NOW,
        )
        return sum(dispatch_unit(desk, unit).accepted for unit in _ready_units(run, ledger))


def _ready_units(run: Run, ledger: Ledger) -> Iterator[Unit]:
    hospital, day = run.hospital.code, run.business_day
    with ledger.reading() as connection:
        counts = day_counts(connection, hospital=hospital, business_day=day)
    for count in counts:
        if count.state is LineState.READY:
            yield Unit(hospital, day, Area(count.area), Channel(count.channel))


PHASES = {"extract": extract, "transform": transform, "dispatch": dispatch}
