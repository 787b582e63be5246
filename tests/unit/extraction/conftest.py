from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from erp_rows import PASSWORD, SERVICE, USER
from many_rows import CONN_ID, TABLE, connection_to

from stand_ins.oracle import Faults, OracleStandIn


@contextmanager
def _serving(conn_ids: str, init_sql: str) -> Iterator[OracleStandIn]:
    with (
        OracleStandIn(users={USER: PASSWORD}, init_sql=init_sql, services=(SERVICE,)) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        for conn_id in conn_ids.split():
            patch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection_to(server.port))
        yield server


@pytest.fixture(scope="package")
def serving() -> Callable[[str, str], AbstractContextManager[OracleStandIn]]:
    """Return what runs an Oracle with a script behind Airflow connections of these ids."""
    return _serving


@pytest.fixture(scope="package")
def running() -> Iterator[OracleStandIn]:
    with _serving(CONN_ID, TABLE) as server:
        yield server


@pytest.fixture
def server(running: OracleStandIn) -> Iterator[OracleStandIn]:
    """Return an Oracle with a day of many rows, without faults yet."""
    running.faults = Faults()
    running.statements.clear()
    yield running
    running.faults = Faults()
