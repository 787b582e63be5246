from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from premises import NOW, Premises

from demo.world import PASSWORD, SERVICE, USER, surveys_of
from stand_ins.erp_data import erp_sql
from stand_ins.oracle import Faults, OracleStandIn
from stand_ins.track_api import TrackStandIn
from track_dispatch.config import load_hospital
from track_dispatch.hooks import ledger as place
from track_dispatch.hooks.pools import create_pools


@pytest.fixture(scope="package")
def running_erp() -> Iterator[OracleStandIn]:
    script = erp_sql("hms", days=[date(2026, 3, 2)])
    with OracleStandIn(users={USER: PASSWORD}, services=(SERVICE,), init_sql=script) as erp:
        yield erp


@pytest.fixture
def erp(running_erp: OracleStandIn) -> Iterator[OracleStandIn]:
    """Return the ERP of HMS, without faults yet."""
    running_erp.faults = Faults()
    running_erp.statements.clear()
    yield running_erp
    running_erp.faults = Faults()


@pytest.fixture
def track() -> Iterator[TrackStandIn]:
    with TrackStandIn(surveys=surveys_of(load_hospital("HMS")), clock=lambda: NOW) as stand_in:
        yield stand_in


@pytest.fixture
def bare_premises(
    erp: OracleStandIn,
    track: TrackStandIn,
    ledger_url: str,
    airflow_db: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Premises:
    """Return an installation that is well, but for its ledger: there is none."""
    monkeypatch.setattr(place, "AIRFLOW_HOME", str(tmp_path / "airflow"))
    create_pools()
    found = Premises(monkeypatch, erp, track, ledger_url)
    for conn_id in ("oracle_hms", "track_api", "track_ledger"):
        found.connect(conn_id)
    return found


@pytest.fixture
def premises(bare_premises: Premises) -> Premises:
    """Return an installation that is well."""
    bare_premises.make_ledger()
    return bare_premises
