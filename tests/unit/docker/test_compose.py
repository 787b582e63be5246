"""docker-compose.yaml, read: there is no Docker where the tests run."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

from demo.erp_in_oracle import reader_connection
from demo.world import ROOT, oracle_connection, track_connection
from stand_ins.erp_data import erp_schema
from track_dispatch.config import working_hospitals
from track_dispatch.ledger.keys import parse_keys

TEXT = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def read_env(text: str) -> dict[str, str]:
    """Read lines of `NAME=value`, the value in single quotes or in none."""
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}


#: Services that end when their work is done.
PASSING = {"airflow-init", "oracle-erps"}
ENV = read_env((ROOT / ".env.example").read_text(encoding="utf-8"))
SECRETS = {name: value for name, value in ENV.items() if name != "AIRFLOW_USERS"}
#: LEDGER_DB_PASSWORD is in the ledger's connection, too, or nobody gets in.
SEEN_BY_INIT = sorted(
    name for name in SECRETS.keys() - {"LEDGER_DB_PASSWORD"} if "demo-only" in SECRETS[name]
)


def test_every_required_variable_has_an_example_and_every_example_a_use() -> None:
    required = set(re.findall(r"\$\{(\w+):\?", TEXT))
    optional = set(re.findall(r"\$\{(\w+):-\}", TEXT))

    assert required <= set(ENV)
    assert set(ENV) <= required | optional


def test_every_connection_that_a_hospital_names_reaches_the_tasks() -> None:
    named = {one.oracle_conn_id for one in working_hospitals()}

    passed = SERVICES["airflow-scheduler"]["environment"]

    assert {f"AIRFLOW_CONN_{name.upper()}" for name in named} <= set(passed)


#: Who needs what that is secret, by the variable of .env; tasks run in the scheduler.
CONNECTIONS = frozenset(name for name in re.findall(r"\$\{(AIRFLOW_CONN_\w+)", TEXT))
AIRFLOWS_OWN = frozenset({"AIRFLOW_DB_PASSWORD", "FERNET_KEY", "API_SECRET_KEY", "JWT_SECRET"})
NEEDED: dict[str, frozenset[str]] = {
    "postgres": frozenset({"POSTGRES_PASSWORD", "AIRFLOW_DB_PASSWORD", "LEDGER_DB_PASSWORD"}),
    # looks at all of them, so that none is public beside the real Track, and ends
    "airflow-init": CONNECTIONS | AIRFLOWS_OWN | {"AIRFLOW_PASSWORDS", "POSTGRES_PASSWORD"},
    "airflow-api-server": AIRFLOWS_OWN  # and what the board reads
    | {"AIRFLOW_PASSWORDS", "AIRFLOW_USERS", "AIRFLOW_CONN_TRACK_LEDGER"},
    "airflow-scheduler": CONNECTIONS | AIRFLOWS_OWN,
    "airflow-dag-processor": frozenset({"AIRFLOW_DB_PASSWORD"}),
    "airflow-triggerer": frozenset({"AIRFLOW_DB_PASSWORD", "FERNET_KEY", "API_SECRET_KEY"}),
    "demo-erps": frozenset(),
    "demo-track-api": frozenset(),
    "oracle": frozenset(),
    "oracle-erps": frozenset(),
}


def variables_of(service: dict[str, Any]) -> set[str]:
    """Return the variables of .env that reach a service, wherever they are filled in."""
    return set(re.findall(r"(?<!\$)\$\{(\w+)", json.dumps(service)))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_gets_the_secrets_that_it_needs_and_no_other(name: str) -> None:
    assert variables_of(SERVICES[name]) == NEEDED[name]


def test_no_file_of_variables_is_handed_to_a_service_as_a_whole() -> None:
    assert [name for name, service in SERVICES.items() if "env_file" in service] == []


def test_a_task_survives_a_busy_api_server() -> None:
    seconds = SERVICES["airflow-scheduler"]["environment"][
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT"
    ]

    assert float(seconds) >= 60


def test_ports_are_open_on_the_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_dumps_its_memory(name: str) -> None:
    assert SERVICES[name]["ulimits"] == {"core": 0}


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - PASSING))
def test_every_lasting_service_is_watched_and_started_again(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_the_erps_are_made_in_the_oracle_that_is_started() -> None:
    *sources, _, dsn = SERVICES["oracle-erps"]["command"]
    found = json.loads(reader_connection(dsn))

    assert {erp_schema(source).name for source in sources} == {"dbamv", "tasy", "usuario_principal"}
    assert len(sources) == 3  # sources of one schema would drop each other
    assert (found["host"], found["port"]) == ("oracle", 1521)
    assert dsn.split("@")[0] == f"system/{SERVICES['oracle']['environment']['ORACLE_PASSWORD']}"


def test_our_files_are_mounted_for_reading_only() -> None:
    mounts = {mount for service in SERVICES.values() for mount in service.get("volumes", [])}

    assert [mount for mount in mounts if mount.startswith("./") and not mount.endswith(":ro")] == []


def test_the_image_has_the_airflow_that_we_lock() -> None:
    locked = re.search(
        r"^apache-airflow==(\S+)",
        (ROOT / "requirements.in").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")

    assert locked
    assert f"FROM apache/airflow:{locked[1]}-python3.11" in dockerfile
    assert COMPOSE["x-airflow"]["image"].endswith(locked[1])


def test_the_examples_connections_reach_the_stand_ins() -> None:
    places = dict(place.split(":") for place in SERVICES["demo-erps"]["command"])
    (track_port,) = SERVICES["demo-track-api"]["command"]
    expected = {
        f"AIRFLOW_CONN_ORACLE_{source.upper()}": oracle_connection(int(port), "oracle.test")
        for source, port in places.items()
    }
    expected["AIRFLOW_CONN_TRACK_API"] = track_connection(f"http://track-api.test:{track_port}")

    assert {name: json.loads(ENV[name]) for name in expected} == {
        name: json.loads(value) for name, value in expected.items()
    }


@pytest.mark.parametrize("name", ["demo-erps", "demo-track-api"])
def test_a_stand_in_listens_to_the_other_containers(name: str) -> None:
    assert "--host 0.0.0.0" in " ".join(SERVICES[name]["entrypoint"])


def test_the_examples_ledger_has_keys_and_its_databases_password() -> None:
    connection = json.loads(ENV["AIRFLOW_CONN_TRACK_LEDGER"])

    parse_keys(connection["extra"], ".env.example")
    assert connection["password"] == ENV["LEDGER_DB_PASSWORD"]


def test_airflow_can_use_the_examples_fernet_key() -> None:
    Fernet(ENV["FERNET_KEY"])


def init(directory: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run airflow-init's command, with programs that only say that they were called."""
    for program in ("airflow", "python"):
        stub = directory / program
        stub.write_text(f'#!/bin/sh\necho {program} "$@"\n', encoding="utf-8")
        stub.chmod(0o700)
    values = ENV | changed
    passed = {
        name: re.sub(r"\$\{(\w+)[^}]*\}", lambda found: values.get(found[1], ""), value)
        for name, value in SERVICES["airflow-init"]["environment"].items()
    }
    command = [part.replace("$$", "$") for part in SERVICES["airflow-init"]["command"]]
    return subprocess.run(
        command,
        env=passed | {"PATH": f"{directory}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_init_migrates_airflow_before_it_sets_up(tmp_path: Path) -> None:
    done = init(tmp_path)

    assert done.stdout.splitlines() == ["airflow db migrate", "python -m track_dispatch setup"]


REAL = track_connection("https://api.track.co")


@pytest.mark.parametrize("kept", SEEN_BY_INIT)
def test_init_refuses_one_public_secret_beside_the_real_track(tmp_path: Path, kept: str) -> None:
    own = {name: value.replace("demo-only", "own") for name, value in SECRETS.items()}

    done = init(tmp_path, **own | {"AIRFLOW_CONN_TRACK_API": REAL, kept: SECRETS[kept]})

    assert (done.stdout, done.returncode) == ("", 1)
    assert "demo-only" in done.stderr


def test_init_serves_the_real_track_once_all_secrets_are_own(tmp_path: Path) -> None:
    own = {name: value.replace("demo-only", "own") for name, value in SECRETS.items()}

    assert init(tmp_path, **own | {"AIRFLOW_CONN_TRACK_API": REAL}).returncode == 0


def test_every_secret_of_the_example_says_that_it_is_public() -> None:
    # the stand-in of Track has its own: with them, no patient can be reached
    assert set(SECRETS) - {"AIRFLOW_CONN_TRACK_API", "LEDGER_DB_PASSWORD"} == set(SEEN_BY_INIT)
