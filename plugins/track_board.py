"""The page *Pesquisas* in Airflow's UI, as Airflow's plugin loader finds it.

Airflow imports this file in every process, each task's too: nothing heavy may be imported here. The
app is built in the API server, when it is asked for first.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/pesquisas"
#: Airflow does not put a plugin's addresses below the path that it is served at itself.
BASE = urlsplit(conf.get("api", "base_url", fallback="") or "/").path.rstrip("/") + PREFIX


class LazyApp:
    """An ASGI app that is imported and built at its first request."""

    _app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        if self._app is None:
            from track_dispatch.board.app import create_app  # noqa: PLC0415 - see above

            self._app = create_app()
        await self._app(scope, receive, send)


def view(name: str, path: str, route: str, destination: str, **more: Any) -> dict[str, Any]:
    """Describe a page of ours that Airflow shows in a frame."""
    return {
        "name": name,
        "href": f"{BASE}/{path}",
        "url_route": route,
        "destination": destination,
        "icon": f"{BASE}/static/icon.svg",
        **more,
    }


@hookimpl
def on_dag_run_running(dag_run: DagRun) -> None:
    """Let a run's page say which day it is about; only the scheduler calls this."""
    if dag_run.dag_id.startswith("track_"):
        from track_dispatch.board.run_note import note_business_day  # noqa: PLC0415 - see above

        note_business_day(dag_run)


class TrackBoard(AirflowPlugin):
    """The board, the tabs of a DAG and of its runs, the card on the home page, a run's note."""

    name = "track_board"
    fastapi_apps: ClassVar[list[Any]] = [
        {"name": "Pesquisas", "app": LazyApp(), "url_prefix": PREFIX}
    ]
    external_views: ClassVar[list[Any]] = [
        view("Pesquisas", "", "pesquisas", "nav", nav_top_level=True),
        view("Conta dos dias", "dag?dag_id={DAG_ID}", "pesquisas_dag", "dag"),
        view("Conta do dia", "run?dag_id={DAG_ID}&run_id={RUN_ID}", "pesquisas_run", "dag_run"),
    ]
    listeners: ClassVar[list[Any]] = [sys.modules[__name__]]
    react_apps: ClassVar[list[Any]] = [
        {
            "name": "Pesquisas: a manhã",
            "bundle_url": f"{BASE}/static/home.js",
            "url_route": "pesquisas_home",
            "destination": "dashboard",
        }
    ]
