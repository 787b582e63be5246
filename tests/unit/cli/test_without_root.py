"""Whoever is not root has what Airflow's user owns, in folders with spaces, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_shell import Shell

from demo.world import ROOT
from track_dispatch.cli.options import ExitCode
from track_dispatch.config import load_hospitals

#: Root keeps its name, and may no more than what its files' modes say.
AS_NOBODY = () if os.geteuid() else ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


@pytest.fixture
def ledger_folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder for the ledger alone, which tests may lock."""
    folder = tmp_path / "the ledger"
    folder.mkdir()
    yield folder
    folder.chmod(0o755)


@pytest.fixture
def installed(
    migrated_home: Path, tmp_path: Path, ledger_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    """Return a shell on an installation whose code nobody may change."""
    if subprocess.run([*AS_NOBODY, "true"], check=False, capture_output=True).returncode:
        pytest.skip("root cannot give up its powers here")
    code, home = tmp_path / "code of commit 1", tmp_path / "airflow's home"
    for name in ("plugins", "include"):
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    home.mkdir()
    shutil.copy(migrated_home / "airflow.db", home)
    folders = [code, *(path for path in code.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    shell = Shell(home, AS_NOBODY, code)
    keys = shell.track_dispatch("ledger", "new-keys").stdout
    known = {
        "conn_type": "sqlite",
        "host": str(ledger_folder / "track_ledger.db"),
        "extra": json.loads(keys),
    }
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(code / "include"))
    # the shell takes no variable of Airflow's from here: it is given in each call
    yield Shell(home, (*AS_NOBODY, "env", f"AIRFLOW_CONN_TRACK_LEDGER={json.dumps(known)}"), code)
    for folder in folders:
        folder.chmod(0o755)


def test_it_is_set_up_and_used(installed: Shell) -> None:
    made = installed.track_dispatch("setup")
    listed = installed.track_dispatch("optout", "list", "--json")
    checked = installed.track_dispatch("sql", "--all", "--check")

    assert (made.stderr, made.returncode) == ("", ExitCode.DONE)
    assert (json.loads(listed.stdout), listed.stderr) == ([], "")
    assert checked.stdout.count(": ok") == len(load_hospitals())
    assert checked.returncode == ExitCode.DONE


def test_a_ledger_that_may_not_be_written_is_told(installed: Shell, ledger_folder: Path) -> None:
    installed.track_dispatch("setup")
    ledger_folder.chmod(0o555)

    told = installed.track_dispatch("resume", "--by", "ANA", "--why", "teste")
    visit = installed.track_dispatch("doctor", "HMS", "--json")

    assert (told.stdout, told.returncode, told.stderr.count("\n")) == ("", ExitCode.FAILED, 1)
    [ledger] = [found for found in json.loads(visit.stdout) if found["name"] == "ledger"]
    for text in (told.stderr, ledger["detail"]):
        assert "may not be written" in text
        assert "does this user own file and folder?" in text
