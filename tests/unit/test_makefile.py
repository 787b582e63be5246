"""What a newcomer meets first: without the right Python, `make` says what is missing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Make a folder, with a space in its name, of what `make setup` reads."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def make_setup(clone: Path, python: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "setup", f"PYTHON={python}"],
        cwd=clone,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )


def another_python(folder: Path) -> str:
    """Write an interpreter whose version is another one: what asks it for 3.11 gets a no."""
    (folder / "python3.12").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (folder / "python3.12").chmod(0o755)
    return "./python3.12"


@pytest.mark.parametrize("is_there", [True, False], ids=["of another version", "not there"])
def test_without_python_3_11_it_says_so_and_installs_nothing(clone: Path, is_there: bool) -> None:
    python = another_python(clone) if is_there else "python-that-is-not-there"

    done = make_setup(clone, python)

    assert done.returncode != 0
    assert f"{python} cannot make an environment of Python 3.11" in done.stderr
    assert "make setup PYTHON=" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (clone / ".venv").exists()
