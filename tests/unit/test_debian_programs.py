"""Where a program is missing its tests say what to install, and CI, which has all, skips none."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.world import ROOT
from tests.debian import PACKAGES, skip_without

CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.fixture
def only_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be installed but one of the programs."""
    (tmp_path / "redis-server").write_text("#!/bin/sh\n", encoding="utf-8")
    (tmp_path / "redis-server").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize(
    ("insist", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)]
)
def test_a_test_whose_program_is_missing_is_skipped_or_fails_and_says_what_to_install(
    only_redis: None,
    monkeypatch: pytest.MonkeyPatch,
    insist: str,
    outcome: type[BaseException],
) -> None:
    monkeypatch.setenv("TRACK_INSIST", insist)

    with pytest.raises(outcome, match=r"apt-get install systemd$"):
        skip_without("redis-server", "systemd-analyze")


def test_a_test_whose_programs_are_there_runs(
    only_redis: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACK_INSIST", "1")

    skip_without("redis-server")


def test_ci_installs_what_tests_need_and_insists_on_it() -> None:
    assert f"packages=({' '.join(PACKAGES.values())})" in CI
    assert CI.index("export TRACK_INSIST=1") < CI.index("make test")
