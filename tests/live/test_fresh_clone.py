"""What the README tells a newcomer to type, in a fresh clone whose path has a space and a quote.

A clone holds what is committed. It installs for itself, from the registry that this machine knows,
and needs no git for it: sources may come as an archive.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.airflow_api import free_port
from demo.world import ROOT

#: The suite's own.
NOT_TYPED = {"make test"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a newcomer's home") / "track dispatch"
    if not (ROOT / ".git").exists():
        pytest.skip("these sources are no clone: there is nothing to clone")
    # whoever's files they are: CI may run as another user than the one who cloned
    ours = ["git", "-c", "safe.directory=*"]
    subprocess.run([*ours, "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a newcomer's shell: nothing of ours is in it, and no git."""
    no_git = tmp_path / "git"
    no_git.write_text("#!/bin/sh\necho git: not found >&2\nexit 127\n", encoding="utf-8")
    no_git.chmod(0o755)
    ours = ("AIRFLOW", "TRACK", "PYTHONPATH", "VIRTUAL_ENV", "MAKE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PATH": f"{tmp_path}:{kept['PATH']}"}


def readme(clone: Path) -> str:
    return (clone / "README.md").read_text(encoding="utf-8")


def blocks(clone: Path) -> list[list[str]]:
    """Return the commands of each indented block, without their comments."""
    found = re.findall(r"(?<=\n\n)(?: {4}\S.*\n)+", readme(clone))
    return [[line.split("  #")[0].strip() for line in block.splitlines()] for block in found]


def words(line: str) -> str:
    return " ".join(line.split())


def typed(
    commands: list[str], clone: Path, env: dict[str, str], *, exit_codes: tuple[int, ...] = (0,)
) -> str:
    done = subprocess.run(
        ["bash", "-ec", "\n".join(commands)],
        cwd=clone,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode in exit_codes, done.stdout
    return done.stdout


@pytest.fixture
def running_ui(clone: Path, shell: dict[str, str]) -> Iterator[str]:
    """Type `make ui`, wait until it says where to look, and stop it as Ctrl-C does."""
    process = subprocess.Popen(
        ["make", "ui", f"PORT={free_port()}"],
        cwd=clone,
        env=shell,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "Ctrl-C" in line:
            break
    yield said
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()


def test_every_block_is_typed_by_one_of_the_tests_below(clone: Path) -> None:
    [first, *others] = blocks(clone)

    assert {*first} - NOT_TYPED == {"make demo", "make ui"}
    assert [block for block in others if block[0] != "source .airflow/ui/env"] == []


def test_the_demo_ends_as_the_readme_shows(clone: Path, shell: dict[str, str]) -> None:
    [shown] = re.findall(r"^```\n( hospital .*?)^```$", readme(clone), re.DOTALL | re.MULTILINE)
    day = re.findall(r"20\d\d-\d\d-\d\d", shown)[0]

    typed(["make demo"], clone, shell)
    said = {words(line) for line in typed([f"make demo DAY={day}"], clone, shell).splitlines()}

    missing = [line for line in map(words, shown.splitlines()) if line not in said | {"..."}]
    assert [line for line in missing if set(line) != {"─"}] == []


def test_the_ui_gets_healthy_and_a_shell_enters_its_world(
    clone: Path, shell: dict[str, str], running_ui: str
) -> None:
    assert "Pesquisas" in running_ui, running_ui

    for block in blocks(clone)[1:]:
        # 1: there is something to mend, as the week is made to show
        assert "HMS" in typed(block, clone, shell, exit_codes=(0, 1))
