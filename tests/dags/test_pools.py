"""A task whose pool is missing waits for ever and nothing turns red: none may be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.models.pool import Pool

from track_dispatch.hooks.pools import create_pools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import DAG


def test_setup_creates_every_pool_that_a_dag_names(
    airflow_db: None, dags: Mapping[str, DAG]
) -> None:
    named = {task.pool for dag in dags.values() for task in dag.tasks}

    create_pools()

    assert {pool.pool for pool in Pool.get_pools()} >= named


def test_each_extraction_has_its_sources_pool(dags: Mapping[str, DAG]) -> None:
    pools = {dag_id: dag.get_task("extract").pool for dag_id, dag in dags.items()}

    assert pools == {
        "track_hms": "oracle_hms",
        "track_hsmc": "oracle_hsmc",
        "track_otoa": "oracle_oto_ing",
    }
