"""What is installed on this machine: the package's code and the include folder, as digests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from track_dispatch import __version__
from track_dispatch.config.loading import include_dir
from track_dispatch.records import Software


def software_here(include: Path | None = None) -> Software:
    """Return what runs in this process.

    Args:
        include: the folder of configuration; by default `include_dir()`.
    """
    return Software(PACKAGE_VERSION, include_digest(include or include_dir()))


def include_digest(include: Path) -> str:
    """Return a digest of a folder's files: names and contents, hidden ones left out."""
    found = (path for path in include.rglob("[!.]*") if path.is_file())
    return _digest(found, include)


def package_version(package: Path) -> str:
    """Return the version with a digest of the code: two commits may have the same number."""
    return f"{__version__}+{_digest(package.rglob('*.py'), package)}"


def _digest(files: Iterable[Path], root: Path) -> str:
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in files):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


#: Of the code that this process has imported: files that change later do not run here.
PACKAGE_VERSION = package_version(Path(__file__).parents[1])
