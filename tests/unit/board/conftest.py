"""Airflow's own API app with our plugin in it, people with each role, and a ledger to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.airflow_rows import AirflowInDatabase
from track_dispatch.config import load_hospitals
from track_dispatch.hooks import ledger as place

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.testclient import TestClient

    from track_dispatch.ledger.database import Ledger

#: What each of our pages is asked for with.
PAGES = (
    "",
    "summary",
    "day?hospital=HMS&day=2026-03-10",
    "dag?dag_id=track_hms",
    "run?dag_id=track_hms&run_id=run-1",
    "trends",
    "trends?hospital=HMS",
)

Person = Callable[..., "TestClient"]


@pytest.fixture(scope="session")
def airflow_app(airflow_db: None) -> Iterator[FastAPI]:
    """Build the app that `airflow api-server` serves, with the plugins that it finds."""
    from airflow.api_fastapi.app import create_app  # noqa: PLC0415 - imports Airflow

    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "a-made-up-secret-" * 8)
        yield create_app(apps="core")


@pytest.fixture
def board_app(airflow_app: FastAPI) -> Any:
    """Return our app as it is mounted in Airflow's."""
    lazy = next(one for one in airflow_app.routes if getattr(one, "path", "") == "/pesquisas").app  # type: ignore[attr-defined]
    if lazy._app is None:
        from track_dispatch.board.app import create_app  # noqa: PLC0415 - imports Airflow

        lazy._app = create_app()
    return lazy._app


@pytest.fixture
def ledger_connection() -> str | None:
    """Return the connection `track_ledger`: none, so the ledger is a file beside Airflow's own."""
    return None


@pytest.fixture
def installed(
    airflow_runs: AirflowInDatabase,
    board_app: Any,
    ledger_connection: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Ledger]:
    """Return the installation's ledger, which the pages find; Airflow knows all the DAGs."""
    monkeypatch.setattr(place, "AIRFLOW_HOME", str(tmp_path))
    if ledger_connection is not None:
        monkeypatch.setenv("AIRFLOW_CONN_TRACK_LEDGER", ledger_connection)
    airflow_runs.at(datetime.now(UTC), [one.dag_id for one in load_hospitals()])
    place.init()
    with place.open_ledger() as opened:
        yield opened
    board_app.state.ledger.close()


@pytest.fixture
def person(airflow_app: FastAPI) -> Iterator[Person]:
    """Log somebody in with a role, as the browser does: by Airflow's cookie."""
    from airflow.api_fastapi.app import get_auth_manager  # noqa: PLC0415 - imports Airflow
    from airflow.api_fastapi.auth.managers.simple.user import (  # noqa: PLC0415
        SimpleAuthManagerUser,
    )
    from starlette.testclient import TestClient  # noqa: PLC0415

    opened = []

    def log_in(role: str | None = "viewer", *, token: str | None = None) -> TestClient:
        client = TestClient(airflow_app, raise_server_exceptions=False)
        if role is not None:
            token = get_auth_manager().generate_jwt(
                SimpleAuthManagerUser(username=f"ana.{role}", role=role)
            )
        if token is not None:
            client.cookies.set("_token", token)
        opened.append(client)
        return client

    yield log_in
    for client in opened:
        client.close()
