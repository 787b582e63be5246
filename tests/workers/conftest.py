from __future__ import annotations

import json
import logging
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from demo.world import World, chosen_hospitals, leave_hospitals
from tests.debian import cannot_run, skip_without
from tests.e2e.elsewhere import environment
from tests.live.books import Books
from tests.live.gate import Gate
from tests.postgres import administer, running_postgres
from tests.proof.proof_report import IN_FULL, note
from tests.workers.faults import Faults, play
from tests.workers.machines import CELERY, PYTHON, Machines, celery_settings, set_up
from tests.workers.services import Broker, Pooler
from track_dispatch.ledger.keys import new_keys

if TYPE_CHECKING:
    from tests.live.books import Line

log = logging.getLogger("workers")

DAYS = [date(2026, 3, 10), date(2026, 3, 11)]
HOSPITALS = ["ALL"] if IN_FULL else ["HMS", "OTOA", "HSMC"]
POLICIES = {
    "batch_size": 5,
    "contact_cap_days": 30,
    "import_fields": "all",  # the search afterwards knows patients by what Track was sent, too
    "look_back_days": 0,  # each run has the colour of its own day
    "post_deadline_seconds": 10,
    "lease_margin_seconds": 5,
    "requests_per_5_minutes": 100_000,  # more than there are: nothing waits for a triggerer
}


@dataclass(frozen=True)
class Proof:
    """What is left when everything is over."""

    faults: Faults
    lines: list[Line]
    days: list[date]


@pytest.fixture(scope="session")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    """Play the scenario once, with everything on PostgreSQL, the ledger behind a pooler."""
    skip_without("redis-server", "pgbouncer")
    if not PYTHON.exists():
        cannot_run(f"no environment for Celery at {PYTHON}: make {CELERY}")
    # whoever stops the tests wants all processes to end, too
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begin = time.monotonic()
    folder = tmp_path_factory.mktemp("workers")
    hospitals = chosen_hospitals(HOSPITALS)
    with ExitStack() as running:
        postgres = running.enter_context(running_postgres(folder))
        ledger, airflow, results = (
            _database(postgres, name) for name in ("track_ledger", "airflow", "celery")
        )
        world = running.enter_context(World(hospitals, days=DAYS, refused_domain=None))
        gate = running.enter_context(Gate(world.track))
        gate.picky = False
        books = running.enter_context(closing(Books(ledger)))
        broker = running.enter_context(Broker(folder / "broker"))
        pooler = running.enter_context(Pooler(folder / "pooler", ledger))
        home = folder / "servers"
        connections = _connections(world, pooler)
        env = environment(home, **POLICIES) | {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": _for_psycopg2(airflow),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
            "PGHOST": str(make_url(airflow).query["host"]),
        }
        (home / "tmp").mkdir()
        leave_hospitals(Path(env["TRACK_INCLUDE_DIR"]), world.hospitals)
        celery = celery_settings(broker.url, f"db+{_for_psycopg2(results)}")
        set_up(env | celery, connections["track_ledger"])
        log.info("%5.1f s until it is set up", time.monotonic() - begin)
        machines = Machines(home, env, celery=celery, connections=connections)
        running.enter_context(machines)
        faults = Faults(machines, world, gate, books, broker, postgres)
        machines.wait_until_healthy()
        machines.wait_for(
            "the DAGs", lambda: machines.api.unpause([one.dag_id for one in hospitals])
        )
        play(faults, DAYS, in_full=IN_FULL)
        lines = books.lines()
        note("workers", **faults.numbers(lines, DAYS, seconds=time.monotonic() - begin))
        yield Proof(faults, lines, DAYS)


def _database(postgres: str, name: str) -> str:
    administer(postgres, f"create database {name}")
    return make_url(postgres).set(database=name).render_as_string(hide_password=False)


def _for_psycopg2(url: str) -> str:
    """Leave out the socket's folder: PGHOST says it."""
    place = make_url(url).set(drivername="postgresql+psycopg2", query={})
    return place.render_as_string(hide_password=False)


def _connections(world: World, pooler: Pooler) -> dict[str, dict[str, object]]:
    """Return the connections that the workers' file has; the ledger's leads to the pooler."""
    found = {
        name.removeprefix("AIRFLOW_CONN_").lower(): json.loads(value)
        for name, value in world.connections().items()
    }
    found["track_ledger"] = {
        "conn_type": "postgres",
        "host": "127.0.0.1",
        "port": pooler.port,
        "login": "track_ledger",
        "schema": pooler.name,
        "extra": new_keys().model_dump(mode="json"),
    }
    return found
