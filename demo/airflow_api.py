"""A live Airflow's REST API, as a person with the password meets it, and the settings it needs."""

from __future__ import annotations

import json
import secrets
import socket
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import requests
from cryptography.fernet import Fernet

#: Airflow's roles, each with a user of its name; they share the password.
USERS = ("admin", "op", "user", "viewer")
USER = USERS[0]
#: Entries of a collection that Airflow gives at once.
_PAGE = 100


class RunSeen(NamedTuple):
    """A run's state, and when it ended."""

    state: str
    ended: datetime | None


@dataclass(frozen=True)
class AirflowApi:
    """The API server on the loopback."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @cached_property
    def session(self) -> requests.Session:
        """Log in, once."""
        session = requests.Session()
        login = {"username": USER, "password": self.password}
        token = session.post(f"{self.url}/auth/token", json=login, timeout=30).json()
        session.headers["Authorization"] = f"Bearer {token['access_token']}"
        return session

    def is_healthy(self, *components: str) -> bool:
        """Tell whether Airflow's components, or the named ones, all say that they are well."""
        try:
            answer = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5)
        except requests.RequestException:
            return False
        parts = answer.json() if answer.ok else {}
        return bool(parts) and all(
            parts[name]["status"] == "healthy" for name in components or parts
        )

    def unpause(self, dag_ids: Collection[str]) -> bool:
        """Unpause DAGs and tell whether they are all there; others have no ERP in this world."""
        answers = [
            self.session.patch(
                f"{self.url}/api/v2/dags/{dag_id}", json={"is_paused": False}, timeout=30
            )
            for dag_id in dag_ids
        ]
        return all(answer.ok for answer in answers)

    def count_dags(self, tag: str) -> int:
        """Return how many DAGs with a tag Airflow knows."""
        return int(self._get("dags", tags=tag, limit=1)["total_entries"])

    def unpause_all(self, tag: str) -> None:
        """Unpause the DAGs with a tag, at once."""
        self.session.patch(
            f"{self.url}/api/v2/dags",
            params={"dag_id_pattern": "%", "tags": tag},
            json={"is_paused": False},
            timeout=30,
        ).raise_for_status()

    def runs(self) -> list[RunSeen]:
        """Return all runs of all DAGs."""
        return [
            RunSeen(run["state"], run["end_date"] and datetime.fromisoformat(run["end_date"]))
            for run in self._all("dags/~/dagRuns", "dag_runs")
        ]

    def task_states(self) -> Counter[str]:
        """Count the task instances of all runs by state."""
        found = self._all("dags/~/dagRuns/~/taskInstances", "task_instances")
        return Counter(str(one["state"]) for one in found)

    def _all(self, where: str, name: str) -> list[dict[str, Any]]:
        """Return a collection, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            page = self._get(where, limit=_PAGE, offset=len(found))
            found += page[name]
            if not page[name] or len(found) >= page["total_entries"]:
                return found

    def _get(self, where: str, **parameters: str | int) -> dict[str, Any]:
        answer = self.session.get(f"{self.url}/api/v2/{where}", params=parameters, timeout=30)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def live_settings(api: AirflowApi, home: Path) -> dict[str, str]:
    """Return what a live Airflow needs beyond the demo's settings: an address, users, secrets."""
    passwords = home / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps(dict.fromkeys(USERS, api.password)), encoding="utf-8")
    return {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(api.port),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{api.port}",
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{api.url}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__CORE__PARALLELISM": "4",  # a process each, from the start
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{name}" for name in USERS),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        # a task dies of no answer in Airflow's 5 seconds, which a busy machine may need
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    }
