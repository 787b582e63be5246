from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from many_rows import CONN_ID, TABLE, connection_to

from demo.world import erp_server
from stand_ins.oracle import OracleStandIn


@contextmanager
def _serving(conn_ids: str, init_sql: str) -> Iterator[OracleStandIn]:
    with (
        erp_server(init_sql) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        for conn_id in conn_ids.split():
            patch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection_to(server.port))
        yield server


@pytest.fixture(scope="package")
def serving() -> Callable[[str, str], AbstractContextManager[OracleStandIn]]:
    """Return what runs an Oracle with a script behind Airflow connections of these ids."""
    return _serving


def _many_rows() -> OracleStandIn:
    return erp_server(TABLE)


@pytest.fixture
def make_oracle() -> Callable[[], OracleStandIn]:
    """Let `oracle` have a day of many rows."""
    return _many_rows


@pytest.fixture
def server(oracle: OracleStandIn, monkeypatch: pytest.MonkeyPatch) -> OracleStandIn:
    """Return an Oracle with a day of many rows, behind the connection of `many_rows`."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", connection_to(oracle.port))
    return oracle
