"""A task whose pool is missing waits for ever and nothing turns red: none may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow.models.pool import Pool

from track_dispatch.config import working_hospitals
from track_dispatch.hooks.airflow_state import create_pools

if TYPE_CHECKING:
    from airflow.sdk import DAG


def test_setup_creates_every_pool_that_a_dag_names(
    airflow_db: None, dags: Mapping[str, DAG]
) -> None:
    named = {task.pool for dag in dags.values() for task in dag.tasks}

    create_pools()

    assert {pool.pool for pool in Pool.get_pools()} >= named


def test_each_extraction_has_the_pool_of_its_source(dags: Mapping[str, DAG]) -> None:
    sources = {hospital.dag_id: hospital.source for hospital in working_hospitals()}

    pools = {dag_id: dags[dag_id].get_task("extract").pool for dag_id in sources}

    assert pools == {dag_id: f"oracle_{source}" for dag_id, source in sources.items()}
