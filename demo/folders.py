"""A folder for each run: two demos at once must not touch each other's files.

Whoever works in a folder holds a lock on a file in it, which ends with the process: what has no
holder any more is left over, and the next run removes it.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_LOCK = "lock"


@contextmanager
def fresh_folder(parent: Path) -> Iterator[Path]:
    """Make an empty folder below `parent`, held until the block ends; clear away left-over ones.

    It stays when the block has ended, with its log, until the next one is made.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / _LOCK).open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # nobody clears away what another one is about to hold
        for left in parent.iterdir():
            if left.is_dir() and not is_held(left):
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
        held = (folder / _LOCK).open("w")
        _hold(held)
    with held:
        yield folder


@contextmanager
def emptied_folder(folder: Path) -> Iterator[None]:
    """Empty a folder whose name is known to others, and hold it until the block ends.

    Raises:
        SystemExit: somebody works in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a") as held:
        if not _hold(held):
            raise SystemExit(f"another one runs in {folder}: stop it first")
        for left in folder.iterdir():
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            elif left.name != _LOCK:
                left.unlink()
        yield


def is_held(folder: Path) -> bool:
    """Tell whether somebody works in a folder."""
    with (folder / _LOCK).open("a") as lock:
        return not _hold(lock)


def _hold(lock: TextIO) -> bool:
    """Take a lock that ends with its file; tell whether it was free."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
