"""Programs of Debian's packages that some tests need; each package is named as its program."""

from __future__ import annotations

import os
import shutil

import pytest

#: `.ci/run` installs them.
PACKAGES = ("chromium", "redis-server", "pgbouncer")


def installed(name: str) -> str:
    """Return where a program is; an empty string where it is not."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") or ""


def skip_without(*programs: str) -> None:
    """Skip a test that cannot run here, or let it fail where all must run."""
    if missing := [name for name in programs if not installed(name)]:
        cannot_run(f"not installed: apt-get install {' '.join(missing)}")


def cannot_run(reason: str) -> None:
    """Skip a test for a reason; with TRACK_INSIST=1, as CI sets it, the test fails for it."""
    if os.environ.get("TRACK_INSIST") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
