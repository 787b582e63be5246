"""Programs of Debian's packages that some tests need."""

from __future__ import annotations

import os
import shutil

import pytest

#: In which package each is; `.ci/run` installs them.
PACKAGES = {
    "chromium": "chromium",
    "redis-server": "redis-server",
    "pgbouncer": "pgbouncer",
    "systemd-analyze": "systemd",
}


def installed(name: str) -> str:
    """Return where a program is; an empty string where it is not."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") or ""


def skip_without(*programs: str) -> None:
    """Skip a test that cannot run here, or let it fail where all must run."""
    if missing := [PACKAGES[name] for name in programs if not installed(name)]:
        cannot_run(f"not installed: apt-get install {' '.join(missing)}")


def cannot_run(reason: str) -> None:
    """Skip a test for a reason; with TRACK_INSIST=1, as CI sets it, the test fails for it."""
    if os.environ.get("TRACK_INSIST") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
