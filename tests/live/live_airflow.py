"""A live Airflow: its components, its REST API as a person uses it, the processes of its tasks."""

from __future__ import annotations

import logging
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import psutil

from demo.airflow_api import AirflowApi, free_port, live_settings
from demo.components import AIRFLOW, Components

if TYPE_CHECKING:
    T = TypeVar("T")

log = logging.getLogger("live")

#: How long anything may take unless told otherwise, in seconds.
PATIENCE = 120.0
#: Everybody who dies is missed soon; more tasks than cores, for those that are held wait only.
SETTINGS = {
    "AIRFLOW__CORE__PARALLELISM": "10",
    # so many tasks that report every second need more than the usual 15 connections: where requests
    # hold all of them and each wants one more, the API server stands still for 30 seconds
    "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": "40",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "12",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
}
#: A scheduler that has imported what a task imports: its tasks are forks of it, and most of the
#: time of one that finds little to do would go into imports.
SCHEDULER = [
    sys.executable,
    "-c",
    """
from airflow.__main__ import main
import track_dispatch.operators.track, track_dispatch.operators
import track_dispatch.pipeline.extract, track_dispatch.pipeline.transform
main()
""",
    *AIRFLOW["scheduler"][3:],
]
#: What must be well; nothing here is deferred, so there is no triggerer.
PARTS = ("metadatabase", "scheduler", "dag_processor")


@dataclass(frozen=True)
class Task:
    """A task instance as the REST API tells of it; `key` is its latest try's id."""

    key: str
    dag_id: str
    run_id: str
    task_id: str
    state: str | None
    try_number: int


class LiveAirflow:
    """Starts with `with`, ends with everything it started.

    Attributes:
        done: how often what was done to it: `clears`, `marks`, `kills`, ...
        env: the environment of its processes.

    Args:
        home: Airflow's home, with a migrated database.
        env: what else is in that environment.
    """

    def __init__(self, home: Path, env: Mapping[str, str]) -> None:
        self.home = home
        self.api = AirflowApi(free_port(), secrets.token_urlsafe(9))
        self.env = {**env, **live_settings(self.api, home), **SETTINGS}
        self.components = Components({**AIRFLOW, "scheduler": SCHEDULER}, logs=home, env=self.env)
        self.done: Counter[str] = Counter()
        self._given_up = threading.Event()

    def __enter__(self) -> Self:
        self.components.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.components.stop()

    def wait_for(self, what: str, happened: Callable[[], T], seconds: float = PATIENCE) -> T:
        """Look until something has happened and return what that says."""
        begin = time.monotonic()
        while not (found := happened()):
            waited = time.monotonic() - begin
            assert waited < seconds, f"waited {waited:.0f} s for {what}; logs in {self.home}"
            self.look_after_components()
            assert not self._given_up.is_set(), f"gave up waiting for {what}"
            time.sleep(0.2)
        log.info("%5.1f s until %s", time.monotonic() - begin, what)
        return found

    def look_after_components(self) -> None:
        """Fail if a component has ended by itself."""
        assert not self.components.ended(), f"{self.components.ended()}; logs in {self.home}"

    @contextmanager
    def giving_up_on_errors(self) -> Iterator[None]:
        """Let other threads wait no longer when this one is broken off."""
        try:
            yield
        except BaseException:
            self._given_up.set()
            raise

    def wait_until_healthy(self) -> None:
        """Wait until all parts say they are well."""
        self.wait_for("Airflow is healthy", lambda: self.api.is_healthy(*PARTS), 120)

    # -- what a person does --------------------------------------------------------

    def trigger(self, dag_id: str, day: date) -> str:
        """Run a day by hand and return the run's id."""
        body = {"logical_date": None, "conf": {"business_day": day.isoformat()}}
        return str(self._ask("post", f"dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def backfill(self, dag_id: str, first: date, last: date, *, offset: str, runs: int) -> None:
        """Backfill days, both ends included."""
        body = {
            "dag_id": dag_id,
            "from_date": f"{first}T00:00:00{offset}",
            "to_date": f"{last}T23:59:59{offset}",
            "max_active_runs": runs,
        }
        self._ask("post", "backfills", body)

    def clear_run(self, dag_id: str, run_id: str) -> None:
        """Clear a whole run."""
        self._ask("post", f"{_run(dag_id, run_id)}/clear", {"dry_run": False})
        self.done["clears"] += 1

    def clear(self, dag_id: str, run_id: str, tasks: Collection[str]) -> None:
        """Clear tasks of a run, in whatever state, with all that follows them."""
        body = {
            "dry_run": False,
            "only_failed": False,
            "dag_run_id": run_id,
            "task_ids": list(tasks),
            "include_downstream": True,
        }
        self._ask("post", f"dags/{dag_id}/clearTaskInstances", body)
        self.done["clears"] += 1

    def mark(self, task: Task, state: str) -> None:
        """Mark a task failed or success."""
        self._ask("patch", _task(task), {"new_state": state})
        self.done["marks"] += 1

    # -- what a person sees --------------------------------------------------------

    def runs(self, dag_id: str) -> dict[str, str]:
        """Return the states of a DAG's runs by run id."""
        found = self._ask("get", f"dags/{dag_id}/dagRuns?limit=100")["dag_runs"]
        return {run["dag_run_id"]: run["state"] for run in found}

    def tasks(self, dag_id: str, run_id: str) -> list[Task]:
        """Return the task instances of a run, at their latest tries."""
        found = self._ask("get", f"{_run(dag_id, run_id)}/taskInstances?limit=100")
        return [
            Task(
                key=one["id"],
                dag_id=dag_id,
                run_id=run_id,
                task_id=one["task_id"],
                state=one["state"],
                try_number=one["try_number"],
            )
            for one in found["task_instances"]
        ]

    def dispatch_task(self, dag_id: str, run_id: str) -> Task:
        """Return the dispatch of a run."""
        [task] = [one for one in self.tasks(dag_id, run_id) if one.task_id == "dispatch"]
        return task

    def state_of(self, task: Task) -> str | None:
        """Return the state of a task now."""
        state: str | None = self._ask("get", _task(task))["state"]
        return state

    def log_of(self, task: Task) -> str:
        """Return the log of a task's try."""
        where = f"{_task(task)}/logs/{task.try_number}?full_content=true"
        return str(self._ask("get", where)["content"])

    # -- processes -----------------------------------------------------------------

    def process_of(self, task: Task) -> psutil.Process | None:
        """Return the process of a running task; its parent supervises it."""
        title = f"airflow worker -- {task.key}"
        return next(
            (one for one in self.components.processes("scheduler") if title in _title(one)), None
        )

    def kill(self, process: psutil.Process) -> None:
        """Kill one process."""
        process.kill()
        self.done["kills"] += 1

    @contextmanager
    def without(self, component: str) -> Iterator[None]:
        """Kill a component with all its processes, and start it again afterwards."""
        self.components.kill(component)
        self.done["kills"] += 1
        log.info("killed: %s", component)
        yield
        self.components.start(component)
        self.wait_until_healthy()

    def _ask(self, method: str, where: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = self.api.session.request(
            method, f"{self.api.url}/api/v2/{where}", json=body, timeout=30
        )
        assert answer.ok, f"{method} {where}: {answer.status_code} {answer.text}"
        return answer.json()


def _run(dag_id: str, run_id: str) -> str:
    return f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"


def _task(task: Task) -> str:
    return f"{_run(task.dag_id, task.run_id)}/taskInstances/{task.task_id}"


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
