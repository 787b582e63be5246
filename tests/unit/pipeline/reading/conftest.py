from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from erp_days import CONN_ID, SQL, TABLE, ErpDays

from demo.world import erp_server, oracle_connection
from stand_ins.oracle import OracleStandIn

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger


def _empty() -> OracleStandIn:
    return erp_server(TABLE)


@pytest.fixture
def make_oracle() -> Callable[[], OracleStandIn]:
    """Let `oracle` be an ERP of one table."""
    return _empty


@pytest.fixture
def erp_days(
    oracle: OracleStandIn, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ErpDays:
    """Return an empty ERP, and the ledger on one engine after the other."""
    query = tmp_path / "include" / "sql" / "mv" / "days.sql"
    query.parent.mkdir(parents=True)
    (tmp_path / "include" / "hospitals").mkdir()
    query.write_text(SQL, encoding="utf-8")
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(tmp_path / "include"))
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", oracle_connection(oracle.port))
    days = ErpDays(oracle, ledger)
    days.begin()
    return days
