"""Measuring: stand-ins in this process, each piece of work in a fresh process of its own.

So no figure of the product or of the script holds what the stand-ins cost. The product's processes
are forked from one that has only imported, so that each begins alike.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

from demo.world import (
    PASSWORD,
    SERVICE,
    USER,
    chosen_hospitals,
    erp_server,
    oracle_connection,
    surveys_of,
    track_connection,
)
from stand_ins.oracle import OracleStandIn
from stand_ins.track_api import ORGANIZATION, TOKEN, TrackStandIn
from tests.bench.big_day import DAY, HOSPITAL, NOW, erp_sql
from tests.bench.databases import database
from tests.bench.figures import Measured
from track_dispatch.delivery.client import distribution, validity_and_reminder
from track_dispatch.extraction.query import binds, render
from track_dispatch.ledger.keys import new_keys
from track_dispatch.records import Area, Channel

if TYPE_CHECKING:
    from tests.bench.databases import Database

PHASES = ("extract", "transform", "ledger", "dispatch")

#: Run twice, the second time with the byte code of the first.
_PARSE = """
import airflow.sdk, airflow.dag_processing.dagbag, airflow.settings, pathlib, time
began = time.perf_counter()
folder = airflow.settings.DAGS_FOLDER
bag = airflow.dag_processing.dagbag.BundleDagBag(
    dag_folder=folder, bundle_path=pathlib.Path(folder), bundle_name="dags-folder"
)
seconds = time.perf_counter() - began
assert not bag.import_errors, bag.import_errors
print(len(bag.dags), seconds)
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement: of what, and on a day of how many rows.

    Attributes:
        work: a phase, `whole` or `script`.
        database: that the ledger lives in; "" for the script, which has none.
        size: rows of the day.
        measured: what it took.
        stand_in_seconds: of CPU that ERP and Track needed meanwhile.
    """

    work: str
    database: str
    size: int
    measured: Measured
    stand_in_seconds: float


class Bench:
    """One day's ERP running, and a pool that forks a process for each piece of work."""

    def __init__(self, size: int, erp: OracleStandIn, pool: ProcessPoolExecutor) -> None:
        self.size = size
        self._erp = erp
        self._pool = pool
        self._keys = new_keys()
        [self._hospital] = chosen_hospitals([HOSPITAL])

    def phases(self, kind: str, place: Database, phases: Sequence[str]) -> Iterator[Figure]:
        """Measure the phases of one day in their order, on one ledger.

        What claims lines is given a copy: it leaves none for the next.
        """
        name = f"day_{self.size}"
        url = place.new(name, self._keys)
        for phase in phases:
            claims = phase in {"ledger", "dispatch"}
            yield self._product(phase, kind, place.copy(name, f"{name}_{phase}") if claims else url)

    def whole(self, kind: str, place: Database, turn: int) -> Figure:
        """Measure the whole path on a ledger of its own."""
        return self._product("whole", kind, place.new(f"whole_{self.size}_{turn}", self._keys))

    def script(self) -> Figure:
        """Measure the plain script."""

        def run(track: TrackStandIn) -> Measured:
            output = subprocess.run(
                [sys.executable, "-m", "tests.bench.plain_script"],
                input=json.dumps(self._script_settings(track)),
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
            return Measured(**json.loads(output))

        return self._figure("script", "", run)

    def _product(self, phase: str, kind: str, url: str) -> Figure:
        def run(track: TrackStandIn) -> Measured:
            oracle = f"AIRFLOW_CONN_{self._hospital.oracle_conn_id.upper()}"
            connections = {
                oracle: oracle_connection(self._erp.port),
                "AIRFLOW_CONN_TRACK_API": track_connection(track.url),
            }
            keys = self._keys.model_dump_json()
            return self._pool.submit(_measure, phase, url, keys, connections).result()

        return self._figure(phase, kind, run)

    def _figure(self, work: str, kind: str, run: Callable[[TrackStandIn], Measured]) -> Figure:
        surveys = surveys_of(self._hospital)
        with TrackStandIn(surveys=surveys, keep_bodies=False, clock=lambda: NOW) as track:
            began = process_time()
            measured = run(track)
            return Figure(work, kind, self.size, measured, process_time() - began)

    def _script_settings(self, track: TrackStandIn) -> dict[str, object]:
        """Return what the script has in its first lines: the same SQL, the same bodies."""
        hospital = self._hospital
        validity_at, reminder_at = validity_and_reminder(NOW, hospital)
        bodies = {
            channel: distribution(
                channel=channel,
                survey_uuid="",
                lines=[],
                template_set=hospital.template_set,
                validity_at=validity_at,
                reminder_at=reminder_at,
            )
            for channel in Channel
        }
        return {
            "oracle": {
                "user": USER,
                "password": PASSWORD,
                "dsn": f"127.0.0.1:{self._erp.port}/{SERVICE}",
            },
            "sql": render(hospital),
            "binds": {name: moment.isoformat() for name, moment in binds(DAY).items()},
            "url": f"{track.url}/v1/organizations/{ORGANIZATION}/distributions",
            "token": TOKEN,
            "surveys": {area: str(hospital.survey(area)) for area in Area},
            "bodies": bodies,
        }


@contextmanager
def bench(size: int) -> Iterator[Bench]:
    """Run the ERP of a day of so many rows."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.bench.phases"])
    erp = erp_server(erp_sql(size))
    with erp, ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        yield Bench(size, erp, pool)


def phase_figures(
    sizes: Sequence[int], kinds: Sequence[str], phases: Sequence[str], home: Path
) -> Iterator[Figure]:
    """Measure each phase of each day on each database."""
    for kind in kinds:
        with database(kind, home) as place:
            for size in sizes:
                with bench(size) as day:
                    yield from day.phases(kind, place, phases)


def whole_figures(
    sizes: Sequence[int], kinds: Sequence[str], rounds: int, home: Path
) -> Iterator[Figure]:
    """Measure the script and the whole path in turn, so that both meet the same machine."""
    with ExitStack() as running:
        places = {kind: running.enter_context(database(kind, home)) for kind in kinds}
        for size in sizes:
            with bench(size) as day:
                for turn in range(rounds):
                    yield day.script()
                    for kind, place in places.items():
                        yield day.whole(kind, place, turn)


def _measure(phase: str, url: str, keys: str, connections: dict[str, str]) -> Measured:
    from tests.bench.phases import measure  # noqa: PLC0415 - the fork server has imported it

    return measure(phase, url, keys, connections)


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
