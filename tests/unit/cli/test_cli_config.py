"""`config check`: every hospital's file, before a DAG turns red."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cli_shell import Shell


def test_good_files_are_named_one_a_line(empty_shell: Shell, include: Path) -> None:
    done = empty_shell.track_dispatch("config", "check", TRACK_INCLUDE_DIR=str(include))

    assert (done.stdout.splitlines(), done.stderr, done.returncode) == (
        ["HMS: ok", "HSMC: ok", "OTOA: ok"],
        "",
        0,
    )


def test_a_file_with_an_error_shows_its_message_among_the_good(
    empty_shell: Shell, broken_include: Path
) -> None:
    done = empty_shell.track_dispatch("config", "check", TRACK_INCLUDE_DIR=str(broken_include))

    lines = done.stdout.splitlines()
    assert (lines[0], lines[1], lines[-1]) == ("HMS: ok", "HSMC: ERROR", "OTOA: ok")
    assert 'did you mean "channels"' in done.stdout
    assert done.returncode == 1


def test_a_missing_include_folder_is_a_message(empty_shell: Shell, tmp_path: Path) -> None:
    done = empty_shell.track_dispatch(
        "config", "check", TRACK_INCLUDE_DIR=str(tmp_path / "nowhere")
    )

    assert done.stderr.startswith(f"error: {tmp_path}/nowhere/hospitals is not a folder")
    assert (done.stdout, done.returncode) == ("", 1)
