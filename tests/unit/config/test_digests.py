"""Two machines that run something else tell so, and two that run the same do not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from track_dispatch import __version__
from track_dispatch.config import include_dir, software_here
from track_dispatch.config.loading import PACKAGE_VERSION, include_digest, package_version

Change = Callable[[Path], object]

OTHER: dict[str, Change] = {
    "a setting": lambda folder: (folder / "defaults.yaml").write_text("min_age_years: 21"),
    "a query": lambda folder: (folder / "sql/mv/hms.sql").write_text("select 1 from dual"),
    "one more hospital": lambda folder: (folder / "hospitals/new.yaml").write_text(""),
    "one less": lambda folder: (folder / "hospitals/hms.yaml").unlink(),
    "another name": lambda folder: (folder / "sql/mv/hms.sql").rename(folder / "sql/mv/h.sql"),
}
SAME: dict[str, Change] = {
    "nothing": lambda folder: None,
    "an editor's file": lambda folder: (folder / "hospitals/.hms.yaml.swp").write_text("x"),
    "the time of a file": lambda folder: (folder / "defaults.yaml").touch(),
}


@pytest.fixture
def changed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "include"
    shutil.copytree(include_dir(), folder)
    change: Change = request.param
    change(folder)
    return folder


@pytest.mark.parametrize("changed", OTHER.values(), ids=OTHER, indirect=True)
def test_another_include_folder_has_another_digest(changed: Path) -> None:
    assert include_digest(changed) != include_digest(include_dir())


@pytest.mark.parametrize("changed", SAME.values(), ids=SAME, indirect=True)
def test_the_same_files_elsewhere_have_the_same_digest(changed: Path) -> None:
    assert include_digest(changed) == include_digest(include_dir())


def test_contents_that_only_together_are_the_same_are_told_apart(tmp_path: Path) -> None:
    for folder, (first, second) in {"a": ("12", "3"), "b": ("1", "23")}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_text(first)
        (tmp_path / folder / "y").write_text(second)

    assert include_digest(tmp_path / "a") != include_digest(tmp_path / "b")


def test_another_commit_of_the_same_version_is_told(tmp_path: Path) -> None:
    package = Path(__file__).parents[3] / "plugins" / "track_dispatch"
    copy = tmp_path / "track_dispatch"
    shutil.copytree(package, copy)
    assert package_version(copy) == PACKAGE_VERSION

    (copy / "states.py").write_text("# a commit")

    assert package_version(copy) != PACKAGE_VERSION
    assert package_version(copy).startswith(f"{__version__}+")


def test_what_runs_here_is_told_of_the_include_folder_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = software_here()
    (tmp_path / "defaults.yaml").write_text("")
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(tmp_path))

    assert software_here() == before._replace(include_digest=include_digest(tmp_path))
    assert software_here() != before
