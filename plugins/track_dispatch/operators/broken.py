"""The DAG that stands for a hospital's file with errors: red, and saying why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, task

from track_dispatch.errors import ConfigError
from track_dispatch.operators.texts import broken_doc

if TYPE_CHECKING:
    from track_dispatch.config import BrokenHospital


@task(task_id="config_error", execution_timeout=timedelta(minutes=5))
def config_error(message: str) -> None:
    """Say what is wrong in the hospital's file."""
    raise ConfigError(message)


def build_broken(broken: BrokenHospital) -> None:
    """Build the DAG of a file that cannot be used."""
    with DAG(
        dag_id=broken.dag_id,
        dag_display_name=f"Pesquisa · {broken.code} (configuração com erro)",
        doc_md=broken_doc(broken.code, broken.message),
        schedule="@daily",
        start_date=datetime(2024, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        default_args={"owner": "track-dispatch", "retries": 0},
        tags=["pesquisa", "config-error"],
    ):
        config_error(broken.message)
