from __future__ import annotations

import json
import logging
import shutil
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from demo.world import ROOT, World, chosen_hospitals, leave_hospitals
from tests.e2e.elsewhere import Elsewhere, environment
from tests.live.books import Books
from tests.live.gate import Gate
from tests.live.late_arrivals import MV, TASY, LateArrivals
from tests.live.live_airflow import LiveAirflow
from tests.live.numbers_of_proof import numbers
from tests.live.scenario import HOSPITALS, play
from tests.live.stage import Stage
from tests.proof.proof_report import IN_FULL, note
from track_dispatch.ledger.keys import new_keys

if TYPE_CHECKING:
    from tests.live.books import Line
    from track_dispatch.config import Hospital

log = logging.getLogger("live")

DONE_DAYS = [date(2026, 3, day) for day in range(10, 15)]
POLICIES = {
    "batch_size": 5,
    "contact_cap_days": 30,
    "import_fields": "all",  # the search afterwards knows patients by what Track was sent, too
    "look_back_days": 0,  # each run has the colour of its own day
    "post_deadline_seconds": 10,
    "lease_margin_seconds": 5,
    "requests_per_5_minutes": 100_000,  # more than there are: nothing waits for a triggerer
}
#: The longest that HSMC's dispatches may run, in seconds: less than a POST may take.
SHORT_TIMEOUT = 9
#: All hospitals, and a long outage.
FULL = IN_FULL


@dataclass(frozen=True)
class Proof:
    """What is left when everything is over.

    Attributes:
        home: Airflow's home.
        airflow: the address of its database.
        days: the days that the ERPs have patients on.
        stage: Track's record, and what was struck.
        lines: all that the ledger holds.
        colours: the states of the live runs of a day, by hospital and day.
        late_runs: the live runs of the day that somebody came late to.
    """

    home: Path
    airflow: str
    days: list[date]
    stage: Stage
    lines: list[Line]
    colours: Mapping[tuple[str, date], set[str]]
    late_runs: list[str]

    def hospital_days(self) -> list[tuple[Hospital, date]]:
        """Return what was run, in process or live."""
        known = {(line.hospital, line.business_day) for line in self.lines}
        return [(self.stage.hospital(code), day) for code, day in sorted(known)]


@pytest.fixture(scope="session")
def proof(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    """Play the scenario, once for all tests, with both databases on PostgreSQL as in production."""
    # whoever stops the tests wants all processes to end, too
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begin = time.monotonic()
    folder = tmp_path_factory.mktemp("live")
    home = folder / "home"
    hospitals = chosen_hospitals(["ALL"] if FULL else HOSPITALS)
    days = [*DONE_DAYS, *_latest_days()]
    ledger, airflow = (_new_database(postgres, name) for name in ("track_ledger", "airflow"))
    with World(hospitals, days=days, refused_domain=None) as world, closing(Books(ledger)) as books:
        late = _late_arrivals(world, days)
        databases = _databases(ledger, airflow)
        env = {**environment(home, **POLICIES), **world.connections(), **databases}
        # parsing is quicker
        leave_hospitals(Path(env["TRACK_INCLUDE_DIR"]), world.hospitals)
        dags = {"AIRFLOW__CORE__DAGS_FOLDER": str(_dags(folder / "dags"))}
        with (
            Elsewhere(home, world, env) as elsewhere,
            # starts while the first days are done: its DAGs are paused
            LiveAirflow(home, env | dags) as live,
            Gate(world.track) as gate,
        ):
            for code, day in product(HOSPITALS, DONE_DAYS):
                elsewhere.run_day(code, day)
            assert books.open_days() == set()
            gate.picky = False
            live.wait_until_healthy()
            log.info("%5.1f s until it begins", time.monotonic() - begin)
            stage = Stage(live, world, gate, books, DONE_DAYS, late)
            stage.begin()
            play(stage, outage_seconds=300 if FULL else 0)
            proof = _proof(home, airflow, days, stage)
        log.info("%5.1f s until everything is over", time.monotonic() - begin)
        note("live", **numbers(proof, seconds=time.monotonic() - begin))
        yield proof


def _proof(home: Path, airflow: str, days: list[date], stage: Stage) -> Proof:
    days_of_runs = stage.books.days_of_runs()
    colours: defaultdict[tuple[str, date], set[str]] = defaultdict(set)
    late_runs = []
    for hospital in stage.world.hospitals:
        for run_id, state in stage.runs(hospital.code).items():
            day = days_of_runs[hospital.code, run_id]
            tries = [task.try_number for task in stage.tasks(hospital.code, run_id)]
            stage.live.done.update(runs=1, tasks=sum(tries))
            colours[hospital.code, day].add(state)
            if (hospital.code, day) == ("HSMC", stage.late_day):
                late_runs.append(run_id)
    return Proof(home, airflow, days, stage, stage.books.lines(), colours, late_runs)


def _latest_days() -> list[date]:
    """Return the days of which the latest scheduled run can be, whatever the hour is."""
    today = datetime.now(UTC).date()
    return [today - timedelta(days=back) for back in (3, 2, 1)]


def _late_arrivals(world: World, days: list[date]) -> dict[str, LateArrivals]:
    """Keep some of HSMC's for a day that will have been done, of the others for the latest days."""
    latest = days[len(DONE_DAYS)], days[-1]
    return {
        "HSMC": LateArrivals(world.erps["hsmc"], TASY, DONE_DAYS[2], DONE_DAYS[2]),
        "HMS": LateArrivals(world.erps["hms"], MV, *latest),
        "OTOA": LateArrivals(world.erps["oto_ing"], MV, *latest),
    }


def _new_database(postgres: str, name: str) -> str:
    engine = create_engine(postgres, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name}"))
    engine.dispose()
    return make_url(postgres).set(database=name).render_as_string(hide_password=False)


def _databases(ledger: str, airflow: str) -> dict[str, str]:
    """Return the environment that leads to them; PGHOST is the folder of PostgreSQL's socket."""
    connection = {
        "conn_type": "postgres",
        "login": make_url(ledger).username,
        "schema": make_url(ledger).database,
        "extra": new_keys().model_dump(mode="json"),
    }
    place = make_url(airflow).set(drivername="postgresql+psycopg2", query={})
    return {
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW_CONN_TRACK_LEDGER": json.dumps(connection),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": place.render_as_string(hide_password=False),
        "PGHOST": str(make_url(ledger).query["host"]),
    }


def _dags(folder: Path) -> Path:
    """Copy the DAGs; HSMC's dispatches get a timeout that can be waited for."""
    shutil.copytree(ROOT / "dags", folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "hospital_surveys.py"
    shipped = 'options("dispatch", hours=3)'
    source = file.read_text(encoding="utf-8")
    assert source.count(shipped) == 1
    hours = f'{SHORT_TIMEOUT} / 3600 if code == "HSMC" else 3'
    file.write_text(
        source.replace(shipped, f'options("dispatch", hours={hours})'), encoding="utf-8"
    )
    return folder
