"""What Airflow's components import at their start; it lies in Airflow's config folder.

A task is a fork, and so is each parsing of a DAG file. What every one of them would import anew,
a second of CPU each time, the process that forks them imports once: just before its first fork,
when Airflow itself is complete. Without this file all works the same, and slower.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib import import_module

#: Nothing of this file becomes a setting of Airflow's.
__all__: list[str] = []

#: The components whose forks run tasks or parse DAG files.
PARENTS = frozenset({"celery", "dag-processor", "scheduler", "standalone"})
#: What the DAG files import, and the ledger's drivers.
MODULES = (
    "airflow.dag_processing.dagbag",
    "airflow.providers.standard.decorators.branch_python",
    "airflow.providers.standard.decorators.python",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "track_dispatch.hooks.alert",
    "track_dispatch.operators",
    "track_dispatch.operators.track",
    "track_dispatch.pipeline.decide",
    "track_dispatch.pipeline.housekeeping",
    "track_dispatch.pipeline.morning",
    "track_dispatch.pipeline.rehearse",
)


@cache
def import_once() -> None:
    """Import what every fork needs; Python prints what an import raises, and forks nevertheless."""
    for name in MODULES:
        import_module(name)
    sys.modules["track_dispatch.operators"].day_asset("any")  # the first one imports, too


if PARENTS.intersection(sys.argv):
    os.register_at_fork(before=import_once)
