"""Where a hospital's tasks run, and what tells what a worker there sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.run import dag_bag
from demo.world import practice_include


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let HMS be reached from one site only."""
    folder = practice_include(tmp_path / "include")
    file = folder / "hospitals" / "hms.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "queue: site-es\n", encoding="utf-8")
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(folder))
    return folder


def test_all_tasks_of_a_hospital_wait_for_its_own_workers(include: Path) -> None:
    dags = dag_bag().dags

    assert {task.queue for task in dags["track_hms"].tasks} == {"site-es"}
    assert {task.queue for task in dags["track_otoa"].tasks} == {"default"}


def test_the_doctor_has_a_task_for_each_queue(include: Path) -> None:
    tasks = dag_bag().dags["track_doctor"].tasks

    assert {task.task_id: task.queue for task in tasks} == {
        "doctor_default": "default",
        "doctor_site-es": "site-es",
    }
