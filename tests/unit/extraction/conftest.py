from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from erp_rows import PASSWORD, SERVICE, USER

from demo.oracle import OracleStandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


@contextmanager
def _serving(conn_id: str, init_sql: str) -> Iterator[OracleStandIn]:
    with (
        OracleStandIn(users={USER: PASSWORD}, init_sql=init_sql, services=(SERVICE,)) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        password = PASSWORD.replace(" ", "%20")
        patch.setenv(
            f"AIRFLOW_CONN_{conn_id.upper()}",
            f"oracle://{USER}:{password}@127.0.0.1:{server.port}/?service_name={SERVICE}",
        )
        yield server


@pytest.fixture(scope="package")
def serving() -> Callable[[str, str], AbstractContextManager[OracleStandIn]]:
    """Return what runs an Oracle with this script behind the Airflow connection of this id."""
    return _serving
