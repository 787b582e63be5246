"""`make new-hospital`: in a copy of the project, from nothing to a day of the demo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demo.world import ROOT

#: Codes that nobody types: who follows the README has files of ABC.
MV, TASY = "QZV7", "QZT7"
FILES = {
    erp: {
        f"include/hospitals/{code}.yaml",
        f"include/sql/{erp}/{code}.sql",
        f"include/sql/{erp}/{code}.examples.yaml",
        f"stand_ins/erp/sites/{code}.yaml",
    }
    for erp, code in (("mv", MV.lower()), ("tasy", TASY.lower()))
}


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module in the project."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "TRACK_INCLUDE"))
    }
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=project,
        env=inherited | {"PYTHONPATH": f"{project / 'plugins'}:{project}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def project_at(folder: Path) -> Path:
    """Copy what a hospital is made of and runs on."""
    for name in ("dags", "demo", "include", "plugins", "stand_ins"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    return folder


def files_of(project: Path) -> set[str]:
    return {
        str(path.relative_to(project))
        for path in project.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with a new hospital of either family."""
    made = project_at(tmp_path_factory.mktemp("project"))
    before = files_of(made)
    for code, erp in ((MV.lower(), "mv"), (TASY, "tasy")):
        done = run(made, "demo.new_hospital", code, erp)
        assert (done.stderr, done.returncode) == ("", 0)
    assert files_of(made) - before == FILES["mv"] | FILES["tasy"]
    return made


def test_the_files_are_valid(project: Path) -> None:
    done = run(project, "track_dispatch", "config", "check")

    assert {f"{MV}: ok", f"{TASY}: ok"} <= set(done.stdout.splitlines())
    assert done.returncode == 0


def test_the_queries_pass_the_linter(project: Path) -> None:
    done = run(project, "track_dispatch", "sql", "--all", "--check")

    assert {f"{MV}: ok", f"{TASY}: ok"} <= set(done.stdout.splitlines())
    assert done.returncode == 0


def test_their_examples_say_what_the_queries_do(project: Path) -> None:
    done = run(project, "demo.examples", MV.lower(), TASY)

    assert (done.stdout, done.returncode) == (f"{MV}: ok\n{TASY}: ok\n", 0)


def test_the_demo_runs_a_day_of_them(project: Path) -> None:
    done = run(project, "demo.run", "--hospitals", f"{MV},{TASY}", "--day", "2026-11-20")

    assert (done.stderr, done.returncode) == ("", 0)
    assert {f"track_{code.lower()}: run green" for code in (MV, TASY)} <= set(
        done.stdout.splitlines()
    )


@pytest.mark.parametrize("file", sorted(FILES["mv"] | FILES["tasy"]))
def test_what_a_person_must_decide_is_marked(project: Path, file: str) -> None:
    assert "TODO" in (project / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("code", "erp", "told"),
    [
        ("hms", "mv", "include/hospitals/hms.yaml is there already: nothing was written"),
        (MV, "tasy", f"include/hospitals/{MV.lower()}.yaml is there already: nothing was written"),
        ("a-b", "mv", "CODE=a-b: must be letters and digits"),
        ("morning", "mv", "CODE=morning: must be letters and digits, like abc, and no DAG's"),
        ("qzs7", "sap", "invalid choice: 'sap'"),
    ],
)
def test_what_cannot_be_leaves_no_file(project: Path, code: str, erp: str, told: str) -> None:
    before = files_of(project)

    done = run(project, "demo.new_hospital", code, erp)

    assert told in done.stderr
    assert done.returncode != 0
    assert files_of(project) == before


def test_without_arguments_it_says_what_to_type() -> None:
    done = run(ROOT, "demo.new_hospital")

    assert done.stderr.startswith("usage: make new-hospital CODE=abc ERP=mv\n")
    assert done.returncode == 2
