"""An Airflow on several machines: its servers, and two workers with code and homes of their own."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from demo.components import Components
from demo.world import ROOT
from tests.live.live_airflow import LiveAirflow

if TYPE_CHECKING:
    import psutil

    from tests.live.live_airflow import Task

log = logging.getLogger("workers")

#: What makes the environment of `requirements-celery.txt`, and its Python.
CELERY = ".venv-celery/installed"
PYTHON = Path(os.environ.get("TRACK_CELERY_PYTHON", ROOT / ".venv-celery" / "bin" / "python"))
WORKERS = ("worker-1", "worker-2")
#: What a worker must not know: Airflow's own database, and the servers' secrets.
SERVERS_OWN = (
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
)
#: Nobody listens there.
NO_DATABASE = "postgresql+psycopg2://none@127.0.0.1:1/none"


def celery_settings(broker: str, results: str) -> dict[str, str]:
    """Return what makes tasks go to workers: that of deploy/compose.celery.yaml, but quicker."""
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": results,
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": "3",
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "86400",
        "AIRFLOW__LOGGING__JSON_LOGS": "True",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "tests.workers.worker_name.name",
        "WORKER_NAME": "servers",
    }


class Machines(LiveAirflow):
    """Starts with `with`, ends with everything it started.

    Attributes:
        workers: the processes of each worker, by its name.

    Args:
        home: the servers' AIRFLOW_HOME.
        env: of the servers; no connection of ours is in it.
        celery: what servers and workers share.
        connections: those of the tasks, by their ids; only the workers get them.
    """

    def __init__(
        self,
        home: Path,
        env: Mapping[str, str],
        *,
        celery: Mapping[str, str],
        connections: Mapping[str, object],
    ) -> None:
        super().__init__(home, {**env, **celery})
        commands = {
            "api-server": airflow("api-server"),
            "scheduler": airflow("scheduler", "--skip-serve-logs"),
            "dag-processor": airflow("dag-processor"),
        }
        self.components = Components(commands, logs=home, env=self.env)
        self.workers: dict[str, Components] = {}
        for name in WORKERS:
            place = home.parent / name
            its_env = worker_env(place, name, self.env, connections)
            command = {name: airflow("celery", "worker", "--skip-serve-logs", "--celery-hostname",
                                     f"{name}@track")}  # fmt: skip
            self.workers[name] = Components(command, logs=place, env=its_env)

    def __enter__(self) -> Self:
        super().__enter__()
        for name, worker in self.workers.items():
            worker.start(name)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers.values():
            worker.stop()
        super().__exit__()

    def look_after_components(self) -> None:
        """Start again what has ended by itself, as a container engine does."""
        for component in (self.components, *self.workers.values()):
            for name in component.ended():
                log.info("ended by itself: %s", name)
                component.start(name)
                self.done["restarts"] += 1

    def run_now(self, dag_id: str) -> None:
        """Trigger a DAG as it is."""
        self._ask("post", f"dags/{dag_id}/dagRuns", {"logical_date": None})

    def worker_of(self, task: Task) -> str:
        """Name the worker that runs a task."""
        found = self._ask("get", f"dags/{task.dag_id}/dagRuns/~/taskInstances?limit=1000")
        (name,) = [one["hostname"] for one in found["task_instances"] if one["id"] == task.key]
        return str(name)

    def hosts(self, dag_id: str) -> set[str]:
        """Name the workers that ran tasks of a DAG."""
        found = self._ask("get", f"dags/{dag_id}/dagRuns/~/taskInstances?limit=1000")
        return {one["hostname"] for one in found["task_instances"] if one["hostname"]}

    def delete_run(self, dag_id: str, run_id: str) -> None:
        """Delete a run, as a person does who wants to see it gone."""
        where = f"{self.api.url}/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"
        self.api.session.delete(where, timeout=30).raise_for_status()
        self.done["runs_deleted"] += 1

    def begun(self, task: Task) -> int:
        """Count how often a try of a task was handed to a worker that began with it."""
        logs = (worker.log(name).read_text("utf-8") for name, worker in self.workers.items())
        return sum(
            "Executing workload in Celery" in line and task.key in line
            for log in logs
            for line in log.splitlines()
        )

    def task_logs(self) -> list[Path]:
        """Return the files of the tasks' logs, which each worker keeps to itself."""
        return [
            file
            for name, worker in self.workers.items()
            for file in worker.log(name).parent.glob("home/logs/dag_id=*/**/attempt=*.log")
        ]

    def process_logs(self) -> list[Path]:
        """Return the files of what servers and workers say themselves."""
        every = {"servers": self.components, **self.workers}
        return [each.log(name) for each in every.values() for name in each.names]

    def processes_of(self, worker: str) -> list[psutil.Process]:
        """Return a worker with its tasks."""
        return self.workers[worker].processes()


def worker_env(
    place: Path, name: str, servers: Mapping[str, str], connections: Mapping[str, object]
) -> dict[str, str]:
    """Install a worker (checkout, AIRFLOW_HOME, file of connections); return its environment."""
    code, home = place / "code", place / "home"
    for folder in ("config", "dags", "plugins"):
        shutil.copytree(ROOT / folder, code / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(servers["TRACK_INCLUDE_DIR"], code / "include")
    (code / "tests" / "workers").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "workers" / "worker_name.py", code / "tests" / "workers")
    home.mkdir()
    (home / "config").symlink_to(code / "config")
    file = place / "connections.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(connections), encoding="utf-8")
    shared = {key: value for key, value in servers.items() if key not in SERVERS_OWN}
    return shared | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(code / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(code / "plugins"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": NO_DATABASE,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__WORKERS__SECRETS_BACKEND": (
            "airflow.secrets.local_filesystem.LocalFilesystemBackend"
        ),
        "AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS": json.dumps(
            {"connections_file_path": str(file)}
        ),
        "PYTHONPATH": f"{code / 'plugins'}:{code}",
        "TRACK_INCLUDE_DIR": str(code / "include"),
        "WORKER_NAME": name,
    }


def airflow(*arguments: str) -> list[str]:
    """Return the command of one of Airflow's components."""
    return [str(PYTHON), "-m", "airflow", *arguments]


def set_up(env: Mapping[str, str], ledger: Mapping[str, object]) -> None:
    """Migrate Airflow's database, create ledger and pools, as the deployment's first step does."""
    with_ledger = {**env, "AIRFLOW_CONN_TRACK_LEDGER": json.dumps(ledger)}
    for command in (airflow("db", "migrate"), [str(PYTHON), "-m", "track_dispatch", "setup"]):
        done = subprocess.run(
            command, env=with_ledger, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
