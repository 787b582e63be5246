"""What the locks say is what is installed, whatever else the index has come to hold since."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import subprocess
import zipfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def wheel(folder: Path, name: str, version: str, *metadata: str) -> str:
    """Write a wheel that holds nothing; return its line in a lock."""
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    head = ("Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata, "")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join(head))
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def test_a_newer_release_of_what_is_wanted_with_an_extra_changes_nothing(tmp_path: Path) -> None:
    index, clone = tmp_path / "index", tmp_path / "a clone"
    index.mkdir()
    clone.mkdir()
    extra = "Provides-Extra: redis"
    lock = wheel(index, "queues", "5.6", extra)
    lock += wheel(index, "provider", "1.0", "Requires-Dist: queues[redis]<6,>=5.5")
    wheel(index, "queues", "5.7", extra)
    (clone / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    (clone / "requirements-celery.txt").write_text(lock, encoding="utf-8")
    only_ours = {
        "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": index.as_uri(), "PIP_CONFIG_FILE": os.devnull,
        "UV_NO_INDEX": "1", "UV_FIND_LINKS": index.as_uri(), "UV_NO_CONFIG": "1",
    }  # fmt: skip

    done = subprocess.run(
        ["make", ".venv-celery/installed"],
        cwd=clone,
        env=os.environ | only_ours,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in clone.glob(".venv-celery/lib/*/*/queues-*")] == [
        "queues-5.6.dist-info"
    ]


def test_the_locks_leave_out_nothing_that_an_installed_package_asks_for() -> None:
    installed = {
        canonicalize_name(found.metadata["Name"]): found
        for found in importlib.metadata.distributions()
    }
    wanted = [
        (name, Requirement(text))
        for name, found in installed.items()
        for text in found.requires or ()
    ]

    unmet = [
        f"{name} asks for {asked}"
        for name, asked in wanted
        if asked.marker is None or asked.marker.evaluate({"extra": ""})
        if (found := installed.get(canonicalize_name(asked.name))) is None
        or not asked.specifier.contains(found.version, prereleases=True)
    ]

    assert len(wanted) > 500
    assert unmet == []
