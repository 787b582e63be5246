"""Parsing a DAG file reads YAML and nothing else: it happens every 30 seconds, everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demo.world import ROOT, airflow_settings

WATCHED = "tests.dags.watched_secrets.WatchedSecrets"


def parse(file: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Parse a DAG file in a fresh interpreter whose Airflow has no database and watched secrets."""
    environment = (
        os.environ
        | airflow_settings(home)
        | {
            "PYTHONPATH": f"{ROOT / 'plugins'}{os.pathsep}{ROOT}",
            "AIRFLOW__SECRETS__BACKEND": WATCHED,
            "AIRFLOW__WORKERS__SECRETS_BACKEND": WATCHED,
        }
    )
    return subprocess.run(
        [sys.executable, "-m", "tests.dags.parsing_alone", str(file)],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )


def result(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("file", sorted((ROOT / "dags").glob("*.py")), ids=lambda file: file.name)
def test_parsing_opens_no_socket_no_database_and_reads_no_secret(
    file: Path, tmp_path: Path
) -> None:
    found = result(parse(file, tmp_path))
    print(f"{file.name}: {found['seconds']} s with and without its imports")  # noqa: T201 - for -s

    assert found["touched"] == []


FORBIDDEN = """
import socket, sqlite3
from airflow.sdk import BaseHook, Variable

with socket.socket() as unconnected:
    unconnected.connect_ex(("127.0.0.1", 9))
sqlite3.connect(":memory:").close()
open("/etc/hostname").close()
Variable.get("some_variable")
BaseHook.get_connection("track_api")
"""


def test_the_watch_sees_what_it_forbids(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text(FORBIDDEN)

    assert {
        "socket.connect",
        "sqlite3.connect",
        "open /etc/hostname",
        "variable some_variable",
        "connection track_api",
    } <= set(result(parse(file, tmp_path))["touched"])
