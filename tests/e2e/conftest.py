from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow import settings
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import sync_bag_to_db
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.session import create_session
from sqlalchemy import delete, select

from demo.run import dag_bag
from demo.world import World, chosen_hospitals, practice_include
from tests.airflow_world import AirflowWorld, ledger_connection
from tests.e2e.webhook import Webhook
from track_dispatch.hooks import ledger as ledger_hook
from track_dispatch.hooks.airflow_state import create_pools
from track_dispatch.ledger.keys import new_keys

if TYPE_CHECKING:
    OpenWorld = Callable[..., AirflowWorld]


@pytest.fixture(scope="module")
def airflow(airflow_db: None) -> None:
    """Bring the DAGs into Airflow's database, as the DAG processor does.

    Once a module: tests of the doctor, in the same process, take them away.
    """
    with create_session() as session:
        known = select(DagModel.dag_id).join(
            SerializedDagModel, SerializedDagModel.dag_id == DagModel.dag_id
        )
        if session.scalars(known).first() is not None:
            return
    create_pools()
    DagBundlesManager().sync_bundles_to_db()
    bag = dag_bag()
    assert bag.import_errors == {}
    sync_bag_to_db(bag, "dags-folder", None)


@pytest.fixture
def no_runs(airflow: None) -> Iterator[None]:
    """Forget the test's runs: Airflow keeps only one for each logical date."""
    yield
    session = settings.Session()
    session.rollback()
    session.execute(delete(DagRun))
    session.commit()


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the include folder for a test to change; what is bound to the clock is off in it."""
    folder = practice_include(tmp_path / "include")
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(folder))
    return folder


@pytest.fixture
def open_world(
    no_runs: None,
    include: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[OpenWorld]:
    """Start a group of hospitals and a fresh ledger; the demo's patients come on `days`."""
    with ExitStack() as running:

        def opened(codes: Sequence[str] = ("HMS",), *, days: Sequence[date] = ()) -> AirflowWorld:
            for file in (include / "hospitals").iterdir():
                if file.stem.upper() not in codes:
                    file.unlink()  # parsing is quicker
            stand_ins = running.enter_context(World(chosen_hospitals(codes), days=days))
            for name, value in stand_ins.connections().items():
                monkeypatch.setenv(name, value)
            ledger = ledger_connection(tmp_path / "ledger.db", new_keys())
            monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", ledger)
            ledger_hook.init()
            return AirflowWorld(stand_ins)

        yield opened


@pytest.fixture
def world(open_world: OpenWorld) -> AirflowWorld:
    """Start HMS with an ERP that has no patients yet: `hms_patients` plants them."""
    return open_world()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """Start a webhook that keeps what it is told."""
    with Webhook() as running:
        yield running
