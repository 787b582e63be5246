"""deploy/, read: Celery under Compose and on the Helm chart, neither of which runs here."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.configuration import conf
from cryptography.fernet import Fernet

from demo.world import ROOT
from tests.postgres import administer
from track_dispatch.ledger.keys import parse_keys

COMPOSE: dict[str, Any] = yaml.safe_load(
    (ROOT / "deploy" / "compose.celery.yaml").read_text(encoding="utf-8")
)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name in SERVICES if name.startswith("airflow-"))
VALUES: dict[str, Any] = yaml.safe_load(
    (ROOT / "deploy" / "helm" / "values.yaml").read_text(encoding="utf-8")
)
#: Options of Celery's provider that may come from a command: the environment of the tests lacks it.
CELERYS = {("celery", "broker_url"), ("celery", "result_backend")}


def secrets_of(service: dict[str, Any]) -> dict[str, str]:
    """Return the secrets of a service, and the name of the file that each is there."""
    entries = service.get("secrets", [])
    return dict(
        (entry, entry) if isinstance(entry, str) else (entry["source"], entry["target"])
        for entry in entries
    )


#: Who needs which file: connections to ERPs and Track are where tasks run, and nowhere else.
NEEDED = {
    "postgres": {
        "postgres_password",
        "airflow_db_password",
        "celery_db_password",
        "ledger_db_password",
    },
    "broker": {"broker_password"},
    "airflow-init": {"airflow_database_url", "fernet_key", "ledger_connection"},
    "airflow-api-server": {
        "airflow_database_url",
        "airflow_passwords",
        "api_secret_key",
        "fernet_key",
        "jwt_secret",
        "ledger_connection",
    },
    "airflow-scheduler": {
        "airflow_database_url",
        "api_secret_key",
        "broker_url",
        "fernet_key",
        "jwt_secret",
        "result_backend_url",
    },
    "airflow-dag-processor": {"airflow_database_url"},
    "airflow-triggerer": {"airflow_database_url", "api_secret_key", "fernet_key"},
    "airflow-worker": {"api_secret_key", "broker_url", "connections", "result_backend_url"},
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_gets_the_files_that_it_needs_and_no_other(name: str) -> None:
    assert secrets_of(SERVICES[name]).keys() == NEEDED[name]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_reads_every_file_that_it_gets_and_gets_every_file_that_it_reads(
    name: str,
) -> None:
    service = SERVICES[name]

    read = set(re.findall(r"/run/secrets/([a-z_.]+)", json.dumps(service)))

    assert read == set(secrets_of(service).values())


def test_no_secret_is_a_variable() -> None:
    text = json.dumps(COMPOSE)

    assert set(re.findall(r"(?<!\$)\$\{(\w+)", text)) == {
        "AIRFLOW_HOST",
        "TRACK_COMMIT",
        "WORKER_QUEUES",
    }


def test_airflow_asks_a_command_for_what_it_may_ask_a_command_for() -> None:
    names = {name for one in SERVICES.values() for name in one.get("environment", {})}
    asked = {
        (section.lower(), option.lower())
        for section, option in re.findall(r"AIRFLOW__(\w+?)__(\w+)_CMD", "\n".join(names))
    }

    assert asked
    assert asked <= conf.sensitive_config_values | CELERYS


def test_a_worker_is_not_told_where_airflows_database_is() -> None:
    place = SERVICES["airflow-worker"]["environment"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]

    assert place.endswith("@127.0.0.1:1/none")


def test_results_are_not_kept_in_the_broker() -> None:
    # the scheduler ends when its result backend goes
    made = new_secrets()

    assert made["result_backend_url"].startswith("db+postgresql")
    assert VALUES["data"]["resultBackendSecretName"] != VALUES["data"]["brokerUrlSecretName"]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_can_change_nothing_of_their_own(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["user"] == "50000:0"
    assert service["cap_drop"] == ["ALL"]
    assert [mount for mount in service["volumes"] if not mount.endswith(":/opt/airflow/logs")] == []


def test_the_image_runs_as_airflows_user_who_owns_none_of_it() -> None:
    lines = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line for line in lines if line.startswith("USER")]

    assert users[-1] == "USER 50000:0"
    assert [line for line in lines if line.startswith(("COPY", "ADD")) and "--chown" in line] == []
    assert {"COPY dags /opt/airflow/dags", "COPY include /opt/airflow/include"} <= set(lines)


def test_the_image_is_one_commits() -> None:
    assert {SERVICES[name]["image"] for name in OURS} == {
        "track-dispatch:${TRACK_COMMIT:?git rev-parse --short HEAD}"
    }


def test_the_build_sends_what_the_image_copies_and_nothing_secret() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    sent = {line[1:] for line in ignored if line.startswith("!")}
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")

    assert "*" in ignored
    assert sent == set(re.findall(r"^COPY (\S+) ", dockerfile, re.MULTILINE))


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - {"airflow-init"}))
def test_every_lasting_service_is_watched_bounded_and_started_again(name: str) -> None:
    service = SERVICES[name]

    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert service["ulimits"] == {"core": 0}
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


def test_one_worker_may_be_missing() -> None:
    assert SERVICES["airflow-worker"]["deploy"]["replicas"] >= 2
    assert VALUES["workers"]["celery"]["replicas"] >= 2


def test_a_worker_that_is_stopped_may_end_its_post() -> None:
    helm = VALUES["workers"]["celery"]["terminationGracePeriodSeconds"]

    assert SERVICES["airflow-worker"]["stop_grace_period"] == "180s"
    assert helm >= 180


# -- the secrets that are made -----------------------------------------------------------------


def new_secrets() -> dict[str, str]:
    """Make secrets as `python deploy/new_secrets.py` does."""
    namespace: dict[str, Any] = {"__name__": "new_secrets"}
    exec((ROOT / "deploy" / "new_secrets.py").read_text(encoding="utf-8"), namespace)
    made: dict[str, str] = namespace["new_secrets"]()
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Run the script."""
    made = tmp_path / "secrets"
    subprocess.run(
        [sys.executable, ROOT / "deploy" / "new_secrets.py", made], check=True, timeout=60
    )
    return made


def test_every_file_that_compose_names_is_made(folder: Path) -> None:
    named = {Path(entry["file"]).name for entry in COMPOSE["secrets"].values()}

    assert {path.name for path in folder.iterdir()} == named


def test_only_its_owner_enters_the_folder(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_is_there_is_never_overwritten(folder: Path) -> None:
    again = subprocess.run(
        [sys.executable, ROOT / "deploy" / "new_secrets.py", folder],
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert again.returncode != 0


def test_what_must_agree_in_two_files_does() -> None:
    made = new_secrets()
    worker, server = (
        json.loads(made[name])["track_ledger"]
        for name in ("connections.json", "ledger_connection.json")
    )

    assert worker == server
    assert server["password"] == made["ledger_db_password"]
    assert f":{made['airflow_db_password']}@" in made["airflow_database_url"]
    assert f":{made['celery_db_password']}@" in made["result_backend_url"]
    assert f":{made['broker_password']}@" in made["broker_url"]


def test_the_keys_that_are_made_are_a_ledgers() -> None:
    made = new_secrets()

    parse_keys(json.loads(made["connections.json"])["track_ledger"]["extra"], "new_secrets")
    Fernet(made["fernet_key"])


def test_airflow_reads_the_file_of_connections(folder: Path) -> None:
    from airflow.secrets.local_filesystem import load_connections_dict  # noqa: PLC0415

    found = load_connections_dict(str(folder / "connections.json"))

    assert set(found) == {"oracle_hms", "track_api", "track_ledger"}
    parse_keys(found["track_ledger"].extra_dejson, "connections.json")


# -- the databases -----------------------------------------------------------------------------


@pytest.mark.parametrize("with_celery", [True, False])
def test_each_database_is_made_with_a_role_of_its_own(
    postgres: str, tmp_path: Path, *, with_celery: bool
) -> None:
    from sqlalchemy.engine import make_url  # noqa: PLC0415

    url = make_url(postgres)
    names = ["airflow", "track_ledger", *(["celery"] if with_celery else [])]
    environment = {
        "PATH": "/usr/bin:/bin",
        "PGHOST": str(url.query["host"]),
        "PGDATABASE": str(url.database),
        "POSTGRES_USER": str(url.username),
    }
    for variable in ("AIRFLOW_DB_PASSWORD", "LEDGER_DB_PASSWORD", "CELERY_DB_PASSWORD"):
        (tmp_path / variable).write_text(f"of-{variable}\n", encoding="utf-8")
        if with_celery or variable != "CELERY_DB_PASSWORD":
            environment[f"{variable}_FILE"] = str(tmp_path / variable)
    try:
        done = subprocess.run(
            ["bash", ROOT / "docker" / "create-databases.sh"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        made = re.findall(r"^CREATE DATABASE$", done.stdout, re.MULTILINE)
        assert len(made) == len(names)
    finally:
        for name in ("airflow", "track_ledger", "celery"):
            administer(postgres, f"drop database if exists {name}", f"drop role if exists {name}")


# -- the chart ---------------------------------------------------------------------------------


def keys_of(values: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each value of the chart that a file sets."""
    if not isinstance(values, dict):
        yield path
        return
    for name, value in values.items():
        yield from keys_of(value, f"{path}.{name}" if path else name)


KEYS = (Path(__file__).parent / "chart_keys.txt").read_text(encoding="utf-8")


def test_the_list_of_keys_is_of_the_chart_that_is_installed_and_says_when_it_was_looked_up() -> (
    None
):
    values = (ROOT / "deploy" / "helm" / "values.yaml").read_text(encoding="utf-8")
    listed = re.search(r"apache-airflow/airflow (\S+) knows", KEYS)

    assert listed
    assert f"apache-airflow/airflow {listed[1]}, " in values
    assert f" --version {listed[1]} " in values
    assert re.search(r"Looked up on 20\d\d-\d\d-\d\d", KEYS)


def test_the_chart_knows_every_key_that_we_set() -> None:
    known = [line for line in KEYS.splitlines() if line and line[0] != "#"]
    free = tuple(line[:-1] for line in known if line.endswith(".*"))
    used = set(keys_of(VALUES))

    assert {key for key in used if key not in known and not key.startswith(free)} == set()
    assert {
        line
        for line in known
        if line not in used and not any(key.startswith(line[:-1]) for key in used)
    } == set()


def test_airflow_knows_every_setting_that_we_make() -> None:
    settings = {
        (section, option) for section, found in VALUES["config"].items() for option in found
    }
    celerys = {
        ("celery", "worker_concurrency"),
        ("celery_broker_transport_options", "visibility_timeout"),
    }

    assert {one for one in settings if not conf.has_option(*one)} <= celerys


def test_the_charts_metrics_have_a_client_and_labels() -> None:
    locked = (ROOT / "requirements-celery.txt").read_text(encoding="utf-8")

    assert VALUES["statsd"]["enabled"] is True
    assert re.search(r"^statsd==", locked, re.MULTILINE)
    # plain StatsD has none: all hospitals would be one number
    assert VALUES["config"]["metrics"] == {"statsd_influxdb_enabled": "True"}


def test_the_charts_airflow_is_the_one_that_is_locked() -> None:
    locked = re.search(
        r"^apache-airflow==(\S+)",
        (ROOT / "requirements-celery.txt").read_text(encoding="utf-8"),
        re.MULTILINE,
    )

    assert locked
    assert VALUES["airflowVersion"] == locked[1]
