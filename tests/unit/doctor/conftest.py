from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from premises import NOW, Premises

from demo.world import erp_server, surveys_of
from stand_ins.erp_data import erp_sql
from stand_ins.oracle import OracleStandIn
from stand_ins.track_api import TrackStandIn
from tests.airflow_rows import AirflowInDatabase
from track_dispatch.config import load_hospital
from track_dispatch.hooks import ledger as place
from track_dispatch.hooks.airflow_state import create_pools


def _hms() -> OracleStandIn:
    return erp_server(erp_sql("hms", days=[date(2026, 3, 2)]))


@pytest.fixture
def make_oracle() -> Callable[[], OracleStandIn]:
    """Let `oracle` be the ERP of HMS."""
    return _hms


@pytest.fixture
def track() -> Iterator[TrackStandIn]:
    with TrackStandIn(surveys=surveys_of(load_hospital("HMS")), clock=lambda: NOW) as stand_in:
        yield stand_in


@pytest.fixture
def bare_premises(
    oracle: OracleStandIn,
    track: TrackStandIn,
    ledger_url: str,
    airflow_db: None,
    airflow_runs: AirflowInDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Premises:
    """Return an installation that is well, but for its ledger: there is none."""
    monkeypatch.setattr(place, "AIRFLOW_HOME", str(tmp_path / "airflow"))
    create_pools()
    airflow_runs.at(NOW)
    found = Premises(monkeypatch, oracle, track, ledger_url)
    for conn_id in ("oracle_hms", "track_api", "track_ledger"):
        found.connect(conn_id)
    return found


@pytest.fixture
def premises(bare_premises: Premises) -> Premises:
    """Return an installation that is well."""
    bare_premises.make_ledger()
    return bare_premises
