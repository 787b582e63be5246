from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from erp_days import CONN_ID, PASSWORD, SERVICE, SQL, TABLE, USER, ErpDays, connection_to

from stand_ins.oracle import OracleStandIn

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger


@pytest.fixture(scope="session")
def _erp() -> Iterator[OracleStandIn]:
    with OracleStandIn(users={USER: PASSWORD}, services=(SERVICE,), init_sql=TABLE) as server:
        yield server


@pytest.fixture
def erp_days(
    _erp: OracleStandIn, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ErpDays:
    """Return an empty ERP, and the ledger on one engine after the other."""
    query = tmp_path / "include" / "sql" / "mv" / "days.sql"
    query.parent.mkdir(parents=True)
    query.write_text(SQL, encoding="utf-8")
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(tmp_path / "include"))
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", connection_to(_erp.port))
    days = ErpDays(_erp, ledger)
    days.begin()
    return days
