"""What every task imports is imported once, in the process that tasks are forks of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo.world import ROOT, airflow_settings


def imported_in_a_fork(home: Path, *arguments: str) -> list[str]:
    """Return the modules that a fork of a component imports to parse the DAG files."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.dags.forking", *arguments],
        env=os.environ
        | airflow_settings(home)
        | {"PYTHONPATH": f"{ROOT / 'plugins'}{os.pathsep}{ROOT}"},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    # one number, and the DAG files themselves
    return [name for name in found if not name.startswith(("airflow.version", "unusual_prefix_"))]


@pytest.mark.parametrize("component", ["scheduler", "dag-processor"])
def test_a_fork_of_a_component_imports_nothing_but_the_dag_files(
    component: str, tmp_path: Path
) -> None:
    assert imported_in_a_fork(tmp_path, component) == ["hospital_surveys"]


def test_who_forks_no_task_imports_nothing_for_it(tmp_path: Path) -> None:
    assert "track_dispatch.operators.track" in imported_in_a_fork(tmp_path, "api-server")
