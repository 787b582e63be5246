"""What a run works with, as digests: the software installed here, and a hospital's rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from track_dispatch import __version__
from track_dispatch.config.loading import include_dir
from track_dispatch.records import Software

if TYPE_CHECKING:
    from track_dispatch.config.hospital import Hospital


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


#: Settings under which nobody is judged: they are read when a run begins, at the claim or at the
#: POST. All others count, so that a new one is in force at once, also for whoever waits.
_READ_LATER = (
    "acceptance", "batch_size", "code", "contact_cap_days", "extraction_max_age_hours",
    "import_fields",
    "lease_margin_seconds", "ledger_retention_days", "look_back_days", "max_age_days", "name",
    "oracle_conn_id", "oracle_logon_deadline_seconds", "post_deadline_seconds", "queue",
    "rehearsal_contacts", "rehearsal_lines", "reminder_days", "requests_per_5_minutes",
    "schedule", "send_days", "send_window", "surveys", "template_set", "templates",
    "validity_days", "volume_gate",
)  # fmt: skip


def rules_digest(hospital: Hospital, include: Path | None = None) -> str:
    """Return a digest of the rules in force: settings, queries, version of this package.

    Lines that were judged under another one are not sent: their day is read again.

    Args:
        hospital: whose lines are judged.
        include: the folder of configuration; by default `include_dir()`.
    """
    settings = hospital.model_dump(mode="json", exclude={*_READ_LATER})
    settings["areas"] = sorted(hospital.surveys)
    digest = hashlib.sha256(json.dumps([__version__, settings], sort_keys=True).encode())
    folder = (include or include_dir()) / "sql"
    for query in sorted({*folder.glob("*.sql"), *(folder / hospital.erp).glob("_*.sql")}):
        digest.update(query.read_bytes())
    digest.update((folder / hospital.sql).read_bytes())
    return digest.hexdigest()[:32]
