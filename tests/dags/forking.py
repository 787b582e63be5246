"""Stands for a component of Airflow: forks, parses the DAG files there, prints what that imported.

python -m tests.dags.forking scheduler
"""

from __future__ import annotations

import json
import os
import sys

import airflow.dag_processing.processor  # noqa: F401 - as each parent of forks does

from demo.run import load_dags


def imported_by_parsing() -> list[str]:
    """Parse the DAG files and name the modules that came with them."""
    before = set(sys.modules)
    assert load_dags()
    return sorted(set(sys.modules) - before)


if __name__ == "__main__":
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, json.dumps(imported_by_parsing()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as found:
        print(found.read())  # noqa: T201 - to the test that started it
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
