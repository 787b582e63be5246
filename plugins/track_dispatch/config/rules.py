"""What a hospital's attendances are judged under, as one digest: other rules, another digest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from track_dispatch import __version__
from track_dispatch.config.loading import include_dir

if TYPE_CHECKING:
    from track_dispatch.config.hospital import Hospital

#: Settings that decide whether, how and as whom somebody is asked. Templates, surveys' ids and the
#: size of a batch are read anew at dispatch.
_JUDGED_UNDER = (
    "channels", "client_id", "companies", "erp", "first_business_day", "identifier",
    "min_age_years", "source", "sql", "staff_patterns", "test_patterns", "timezone", "unidade",
)  # fmt: skip


def rules_digest(hospital: Hospital, include: Path | None = None) -> str:
    """Return a digest of the rules in force: settings, queries, version of this package.

    Lines that were judged under another one are not sent: their day is read again.

    Args:
        hospital: whose lines are judged.
        include: the folder of configuration; by default `include_dir()`.
    """
    settings = hospital.model_dump(mode="json", include={*_JUDGED_UNDER})
    settings["areas"] = sorted(hospital.surveys)
    digest = hashlib.sha256(json.dumps([__version__, settings], sort_keys=True).encode())
    folder = (include or include_dir()) / "sql"
    for query in sorted({*folder.glob("*.sql"), *(folder / hospital.erp).glob("_*.sql")}):
        digest.update(query.read_bytes())
    digest.update((folder / hospital.sql).read_bytes())
    return digest.hexdigest()[:32]
