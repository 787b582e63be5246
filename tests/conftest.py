"""What every floor of the tests shares: a ledger on either database, and an Airflow of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from sqlalchemy.engine import make_url

from demo.world import airflow_settings
from stand_ins.oracle import Faults, OracleStandIn
from tests.airflow_rows import AirflowInDatabase
from tests.postgres import administer, running_postgres
from track_dispatch.ledger.creation import init_ledger, open_ledger_at
from track_dispatch.ledger.keys import new_keys

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger

#: Airflow reads its settings when it is imported, so they must be there before any test module.
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="airflow-"))
os.environ.update(airflow_settings(AIRFLOW_HOME))

# The same examples each time, however slow the machine: a change is judged by what it changed. New
# ones are looked for with `--hypothesis-profile=search`.
settings.register_profile("same", deadline=None, derandomize=True, database=None)
settings.register_profile("search", deadline=None, max_examples=1000, database=None)
settings.load_profile("same")


def pytest_unconfigure() -> None:
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Make Airflow's database."""
    from airflow.utils.db import initdb  # noqa: PLC0415 - only where it is wanted

    initdb()


@pytest.fixture
def airflow_runs(airflow_db: None) -> Iterator[AirflowInDatabase]:
    """Let Airflow's database look as if all of Airflow ran; a test spoils what it wants."""
    rows = AirflowInDatabase()
    yield rows
    rows.clear()


@pytest.fixture(scope="session")
def dags() -> Mapping[str, DAG]:
    """Load the project's DAGs as the DAG processor does."""
    from demo.run import load_dags  # noqa: PLC0415 - imports Airflow

    return load_dags()


@pytest.fixture(scope="session")
def _oracles() -> Iterator[Callable[[Callable[[], OracleStandIn]], OracleStandIn]]:
    """Start each Oracle that a folder makes once, and stop all of them at the end."""
    with ExitStack() as running:
        yield cache(lambda make: running.enter_context(make()))


@pytest.fixture
def oracle(
    make_oracle: Callable[[], OracleStandIn],
    _oracles: Callable[[Callable[[], OracleStandIn]], OracleStandIn],
) -> Iterator[OracleStandIn]:
    """Return the Oracle that the folder's `make_oracle` makes: without faults, not asked yet."""
    server = _oracles(make_oracle)
    server.faults = Faults()
    server.statements.clear()
    yield server
    server.faults = Faults()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a real PostgreSQL and return the URL of its first database."""
    with running_postgres(tmp_path_factory.mktemp("runtime")) as url:
        administer(url, "alter system set fsync = off", "select pg_reload_conf()")
        yield url


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """Return the URL of a new, empty database."""
    name = f"ledger_{uuid.uuid4().hex}"
    administer(postgres, f"create database {name}")
    yield make_url(postgres).set(database=name).render_as_string(hide_password=False)
    administer(postgres, f"drop database {name} with (force)")


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a ledger's database that holds nothing yet, on either engine."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path}/track_ledger.db"


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """Open a new ledger."""
    keys = new_keys()
    init_ledger(ledger_url, keys)
    opened = open_ledger_at(ledger_url, keys)
    yield opened
    opened.close()


@pytest.fixture
def steps(ledger: Ledger) -> Steps:
    """Return the steps of a day on an empty ledger."""
    from tests.unit.ledger.steps import Steps  # noqa: PLC0415 - few tests want them

    return Steps(ledger)
