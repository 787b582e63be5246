from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from erp_rows import Serving
from many_rows import CONN_ID, TABLE, connection_to

from demo.erp_in_oracle import load, reader_connection
from demo.world import erp_server
from stand_ins.erp.schemas import ErpSchema
from stand_ins.erp.tables import Tables
from stand_ins.oracle import OracleStandIn

#: A DBA's `user/password@host:port/service`: then the ERPs of the tests are made there.
REAL_ORACLE = os.environ.get("TRACK_TEST_ORACLE")


@contextmanager
def _connected(conn_ids: str, connection: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for conn_id in conn_ids.split():
            patch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection)
        yield


@contextmanager
def _serving(conn_ids: str, schema: ErpSchema, tables: Tables) -> Iterator[None]:
    if REAL_ORACLE:
        load(REAL_ORACLE, [(schema, tables)])
        with _connected(conn_ids, reader_connection(REAL_ORACLE)):
            yield
    else:
        with _serving_script(conn_ids, schema.duckdb(tables)):
            yield


@contextmanager
def _serving_script(conn_ids: str, init_sql: str) -> Iterator[OracleStandIn]:
    with erp_server(init_sql) as server, _connected(conn_ids, connection_to(server.port)):
        yield server


@pytest.fixture(scope="package")
def serving() -> Serving:
    """Return what runs an ERP behind Airflow connections of these ids."""
    return _serving


@pytest.fixture(scope="package")
def serving_script() -> Callable[[str, str], AbstractContextManager[OracleStandIn]]:
    """Return what runs a stand-in with a script behind Airflow connections of these ids."""
    return _serving_script


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
