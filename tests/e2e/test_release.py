"""The wheel is the DAG package: whoever has only that has the code, the DAGs and the hospitals."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from track_dispatch import __version__

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("config", "dags", "include", "plugins")


def files(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder, but for what Python makes there itself."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path)
    }


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the sources and install it, alone, into an environment."""
    folder = tmp_path_factory.mktemp("release")
    source, installed = folder / "source", folder / "environment"
    for name in SHIPPED:
        shutil.copytree(ROOT / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, source)
    [wheel] = folder.glob("*.whl")
    run(sys.executable, "-m", "venv", installed)
    run(installed / "bin/python", "-m", "pip", "install", "--no-index", "--no-deps", wheel)
    return installed


def run(*command: str | Path, **environment: str) -> str:
    """Run a command that does not see the sources."""
    without = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, check=True, text=True, stdout=subprocess.PIPE, env=without | environment
    ).stdout


def cli(prefix: Path, *arguments: str) -> str:
    """Run the command line of the wheel, with the libraries that we have, from anywhere else."""
    return run(
        prefix / "bin/python", "-P", "-m", "track_dispatch", *arguments,
        PYTHONPATH=sysconfig.get_path("purelib"),
        TRACK_INCLUDE_DIR=str(prefix / "share/track-dispatch/include"),
    )  # fmt: skip


def test_what_airflow_reads_as_files_lies_beside_the_environment(prefix: Path) -> None:
    share = prefix / "share/track-dispatch"

    for name in ("config", "dags", "include"):
        assert files(share / name) == files(ROOT / name)
    board = (ROOT / "plugins/track_board.py").read_bytes()
    assert files(share / "plugins") == {"track_board.py": board}


def test_the_package_is_whole(prefix: Path) -> None:
    [package] = prefix.glob("lib/python*/site-packages/track_dispatch")

    assert files(package) == files(ROOT / "plugins/track_dispatch")
    [licence] = prefix.rglob("track_dispatch-*.dist-info/licenses/LICENSE")
    assert licence.read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_its_command_line_reads_the_shipped_hospitals(prefix: Path) -> None:
    assert __version__ in cli(prefix, "--version")

    assert "HMS" in cli(prefix, "config", "check")


def test_it_says_what_it_is(prefix: Path) -> None:
    [metadata] = prefix.rglob("track_dispatch-*.dist-info/METADATA")
    text = metadata.read_text(encoding="utf-8")

    assert f"\nVersion: {__version__}\n" in text
    assert "\nSummary: Airflow DAG package" in text
    assert "\nClassifier: Framework :: Apache Airflow\n" in text
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changes.split("\n## [")[1].startswith(f"{__version__}]")
