"""Parses the DAG files as a fork of Airflow does, and prints what that costs beyond its imports.

    python -m tests.dags.parsing_cost DAG_ID

Prints JSON: by file its DAGs and the seconds of CPU to parse and store them, under `dag_id` the
same of a task of that DAG: its file, parsed for it alone.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import airflow.dag_processing.processor  # noqa: F401 - Airflow's own imports are not the file's doing
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager
from airflow.serialization.serialized_objects import LazyDeserializedDAG

from demo.world import ROOT

DAGS = ROOT / "dags"


def parse(file: Path) -> BundleDagBag:
    """Parse one file as if for the first time."""
    sys.modules.pop("hospital_surveys", None)
    bag = BundleDagBag(dag_folder=str(file), bundle_path=DAGS, bundle_name="dags-folder")
    assert bag.import_errors == {}
    return bag


def cost(file: Path) -> dict[str, Any]:
    """Parse and store the DAGs of a file, as the DAG processor does."""
    began = time.process_time()
    dags = parse(file).dags.values()
    for dag in dags:
        LazyDeserializedDAG.from_dag(dag)
    return {"dags": [dag.dag_id for dag in dags], "seconds": time.process_time() - began}


def task_cost(file: Path, dag_id: str) -> dict[str, Any]:
    """Parse a file as a task of one of its DAGs does."""
    began = time.process_time()
    with _airflow_parsing_context_manager(dag_id=dag_id):
        dags = list(parse(file).dags)
    return {"dags": dags, "seconds": time.process_time() - began}


if __name__ == "__main__":
    files = sorted(DAGS.glob("hospitals_*.py"))
    found = {file.name: cost(file) for file in files}
    mine = next(file for file in files if sys.argv[1] in found[file.name]["dags"])
    found["task"] = task_cost(mine, sys.argv[1])
    print(json.dumps(found))  # noqa: T201 - to the test that started it
