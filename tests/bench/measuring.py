"""Measuring: stand-ins in this process, each phase of each size in a process of its own.

Those processes are forked from one that has only imported, so that each begins alike.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from typing import TYPE_CHECKING

from demo.oracle import OracleStandIn
from demo.track_api import TrackStandIn
from demo.world import (
    PASSWORD,
    SERVICE,
    USER,
    chosen_hospitals,
    oracle_connection,
    surveys_of,
    track_connection,
)
from tests.bench.big_day import HOSPITAL, NOW, erp_sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.bench.phases import Measured

PHASES = ("extract", "transform", "dispatch")

#: Run twice, the second time with the byte code of the first.
_PARSE = """
import airflow.sdk, airflow.dag_processing.dagbag, time
began = time.perf_counter()
bag = airflow.dag_processing.dagbag.DagBag(bundle_name="dags-folder")
seconds = time.perf_counter() - began
assert not bag.import_errors, bag.import_errors
print(len(bag.dags), seconds)
"""


def measurements(sizes: Sequence[int], home: Path) -> Iterator[tuple[str, int, Measured]]:
    """Yield what each phase takes for a day of each size."""
    [hospital] = chosen_hospitals([HOSPITAL])
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.bench.phases"])
    with ExitStack() as running:
        pool = running.enter_context(
            ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1)
        )
        track = running.enter_context(
            TrackStandIn(surveys=surveys_of(hospital), keep_bodies=False, clock=lambda: NOW)
        )
        for size in sizes:
            erp = OracleStandIn(users={USER: PASSWORD}, services=(SERVICE,), init_sql=erp_sql(size))
            with erp:
                connections = {
                    f"AIRFLOW_CONN_{hospital.oracle_conn_id.upper()}": oracle_connection(erp.port),
                    "AIRFLOW_CONN_TRACK_API": track_connection(track.url),
                }
                for phase in PHASES:
                    ledger = home / f"ledger_{size}.db"
                    yield phase, size, pool.submit(_measure, phase, ledger, connections).result()


def _measure(phase: str, ledger: Path, connections: dict[str, str]) -> Measured:
    from tests.bench.phases import measure  # noqa: PLC0415 - the fork server has imported it

    return measure(phase, ledger, connections)


def parsing(home: Path) -> tuple[int, float]:
    """Return the number of DAGs, and the seconds to parse them beyond importing Airflow."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(home / "pycache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for _ in range(2):
        output = subprocess.run(
            [sys.executable, "-c", _PARSE], env=environment, check=True, capture_output=True
        ).stdout
    dags, seconds = output.split()[-2:]
    return int(dags), float(seconds)
