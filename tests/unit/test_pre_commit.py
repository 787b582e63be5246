"""The hooks of pre-commit: few, local, and downloading nothing."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
REPOSITORIES = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))[
    "repos"
]
HOOKS: dict[str, dict[str, Any]] = {
    hook["id"]: hook for repository in REPOSITORIES for hook in repository["hooks"]
}


#: What `make check` runs, by the hook that does the same.
CHECKS = {
    "ruff-format": "ruff format --check",
    "ruff": "ruff check",
    "mypy": "mypy",
    "layers": "lint-imports",
    "sql": "track_dispatch sql --all --check",
    "pages": "pytest -n0 tests/unit/docs",
}


def test_the_hooks_are_few() -> None:
    assert set(HOOKS) == {*CHECKS, "yaml", "toml", "gitleaks"}


def test_the_hooks_do_what_make_check_does() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe

    steps = recipe[1].splitlines()

    assert len(steps) == len(CHECKS)
    for step, (hook, command) in zip(steps, CHECKS.items(), strict=True):
        assert command in step
        assert command in HOOKS[hook]["entry"]


def test_no_hook_is_downloaded() -> None:
    assert {repository["repo"] for repository in REPOSITORIES} == {"local"}
    assert {hook["language"] for hook in HOOKS.values()} == {"system"}


@pytest.mark.parametrize(
    ("hook", "content", "passes"),
    [
        ("yaml", "a: !custom [1]\n---\nb: é\n", True),
        ("yaml", "a: [1\n", False),
        ("toml", "a = 1\n", True),
        ("toml", "a = \n", False),
    ],
)
def test_a_file_that_cannot_be_read_is_stopped(
    tmp_path: Path, hook: str, content: str, passes: bool
) -> None:
    file = tmp_path / "a"
    file.write_text(content, encoding="utf-8")
    command = [
        sys.executable if word == ".venv/bin/python" else word
        for word in shlex.split(HOOKS[hook]["entry"])
    ]

    done = subprocess.run([*command, str(file)], capture_output=True, check=False)

    assert (done.returncode == 0) is passes
