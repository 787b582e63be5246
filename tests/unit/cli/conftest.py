"""Installations for the command line's tests; a call may cost an import of Airflow, so few."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cli_shell import Shell

from demo.world import practice_include


@pytest.fixture
def empty_shell(tmp_path: Path) -> Shell:
    """Return a shell on an installation whose Airflow has no database yet."""
    home = tmp_path / "airflow"
    home.mkdir()
    return Shell(home)


@pytest.fixture(scope="session")
def migrated_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate an Airflow database, once."""
    shell = Shell(tmp_path_factory.mktemp("airflow"))
    done = shell.python("-c", "from airflow.utils.db import initdb; initdb()")
    assert done.returncode == 0, done.stderr
    return shell.home


@pytest.fixture
def shell(empty_shell: Shell, migrated_home: Path) -> Shell:
    """Return a shell on an installation whose Airflow is migrated and has nothing of ours."""
    shutil.copy(migrated_home / "airflow.db", empty_shell.home)
    return empty_shell


@pytest.fixture
def include(tmp_path: Path) -> Path:
    """Return an include folder of three hospitals."""
    folder = practice_include(tmp_path / "include")
    for file in (folder / "hospitals").iterdir():
        if file.stem not in {"hms", "hsmc", "otoa"}:
            file.unlink()
    return folder


@pytest.fixture
def broken_include(include: Path, tmp_path: Path) -> Path:
    """Return a copy of `include` in which HSMC's file has a mistyped field."""
    folder = tmp_path / "broken_include"
    shutil.copytree(include, folder)
    file = folder / "hospitals" / "hsmc.yaml"
    mistyped = file.read_text(encoding="utf-8").replace("channels:", "chanels:")
    file.write_text(mistyped, encoding="utf-8")
    return folder
