"""Two runs at once have a folder each; what a run left is cleared away by the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.folders import emptied_folder, fresh_folder


def test_two_at_once_have_a_folder_each(tmp_path: Path) -> None:
    with fresh_folder(tmp_path) as first:
        (first / "airflow.db").touch()
        with fresh_folder(tmp_path) as second:
            assert first != second
        with fresh_folder(tmp_path):
            assert (first / "airflow.db").exists()
            assert not second.exists()


def test_what_it_left_stays_until_the_next_one(tmp_path: Path) -> None:
    with fresh_folder(tmp_path) as first:
        (first / "demo.log").touch()

    assert (first / "demo.log").exists()
    with fresh_folder(tmp_path):
        assert not first.exists()


def test_a_named_folder_is_emptied(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "ui"
    (folder / "logs").mkdir(parents=True)
    (folder / "env").touch()
    (folder / "config").symlink_to(elsewhere)

    with emptied_folder(folder):
        assert [one.name for one in folder.iterdir()] == ["lock"]
    assert elsewhere.exists()


def test_a_named_folder_has_one_user_at_a_time(tmp_path: Path) -> None:
    with emptied_folder(tmp_path):
        (tmp_path / "env").touch()
        with pytest.raises(SystemExit, match="another one runs in"), emptied_folder(tmp_path):
            pass
        assert (tmp_path / "env").exists()
    with emptied_folder(tmp_path):
        pass
