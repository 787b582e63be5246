"""`make ui` leaves a file by which a shell is in the same world."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from demo.live import write_exports
from demo.world import airflow_settings, track_connection
from track_dispatch.hooks import ledger

#: Of an address with all that a shell would take for something else.
CONNECTION = track_connection("http://127.0.0.1:1/'\"$HOME `a` \\")


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """Return the file of an installation below `tmp_path`."""
    file = tmp_path / "env"
    write_exports(file, airflow_settings(tmp_path) | {"AIRFLOW_CONN_TRACK_API": CONNECTION})
    return file


def in_a_shell(exports: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that has nothing but the exports."""
    bash = shutil.which("bash")
    assert bash
    return subprocess.run(
        [bash, "-c", f"source '{exports}' && {command}"],
        cwd=exports.parent,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_verb_finds_the_ledger(exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "AIRFLOW_HOME", str(exports.parent))
    ledger.init()
    made = in_a_shell(exports, "python -c 'from airflow.utils.db import initdb; initdb()'")
    assert made.returncode == 0, made.stderr

    done = in_a_shell(exports, "python -m track_dispatch doubt list")

    assert (done.stdout, done.stderr, done.returncode) == ("0 batches in doubt\n", "", 0)


def test_a_connection_arrives_as_it_is(exports: Path) -> None:
    assert in_a_shell(exports, 'printf %s "$AIRFLOW_CONN_TRACK_API"').stdout == CONNECTION


def test_only_its_owner_reads_it(exports: Path) -> None:
    assert exports.stat().st_mode & 0o777 == 0o600
