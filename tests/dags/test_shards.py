"""Parsing costs a task only itself, and no hospital's trouble is everybody's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from demo.made_up import fill_up
from demo.run import dag_bag
from demo.world import ROOT, airflow_settings
from tests.airflow_world import parsing_for

if TYPE_CHECKING:
    from airflow.sdk import DAG

SHARDS = sorted(path.name for path in (ROOT / "dags").glob("hospitals_*.py"))
MADE_UP = 500
#: A busy machine needs more CPU for the same work, too.
SLACK = 3


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Parse five hundred hospitals in an interpreter of its own."""
    home = tmp_path_factory.mktemp("airflow")
    settings = airflow_settings(home)
    fill_up(home / "include", MADE_UP)
    done = subprocess.run(
        [sys.executable, "-m", "tests.dags.parsing_cost", "track_x123"],
        env=os.environ | settings | {"PYTHONPATH": f"{ROOT / 'plugins'}{os.pathsep}{ROOT}"},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_every_hospital_is_in_one_shard(costs: dict[str, dict[str, Any]]) -> None:
    dags = [dag_id for shard in SHARDS for dag_id in costs[shard]["dags"]]

    assert len(dags) == len(set(dags)) == MADE_UP
    assert max(len(costs[shard]["dags"]) for shard in SHARDS) < MADE_UP / 2


def test_five_hundred_hospitals_parse_in_seconds(costs: dict[str, dict[str, Any]]) -> None:
    seconds = [costs[shard]["seconds"] for shard in SHARDS]
    print(f"{sum(seconds):.2f} s of CPU, the longest shard {max(seconds):.2f} s")  # noqa: T201 - for -s

    assert sum(seconds) < 8 * SLACK
    assert max(seconds) < 3 * SLACK


def test_a_task_parses_its_own_dag_only(costs: dict[str, dict[str, Any]]) -> None:
    print(f"{costs['task']['seconds']:.3f} s of CPU a task")  # noqa: T201 - for -s

    assert costs["task"]["dags"] == ["track_x123"]
    assert costs["task"]["seconds"] < 0.3 * SLACK


@pytest.mark.parametrize("dag_id", ["track_hms", "track_hsmc", "track_morning"])
def test_what_a_task_parses_is_the_dag_that_airflow_stored(
    dags: Mapping[str, DAG], dag_id: str
) -> None:
    with parsing_for(dag_id):
        alone = dag_bag().dags

    assert {one for one in alone if "pesquisa" in alone[one].tags} <= {dag_id}
    assert alone[dag_id].task_ids == dags[dag_id].task_ids
    assert alone[dag_id].relative_fileloc == dags[dag_id].relative_fileloc


def test_a_slip_in_one_shard_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "dags"
    folder.mkdir()
    for file in (ROOT / "dags").glob("*.py"):
        (folder / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / SHARDS[0]).write_text("import airflow, dag  # a slip of the pen", encoding="utf-8")
    monkeypatch.setattr("demo.run.ROOT", tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    bag = dag_bag()

    assert list(bag.import_errors) == [SHARDS[0]]
    assert len([one for one in bag.dags.values() if "pesquisa" in one.tags]) > len(SHARDS)
