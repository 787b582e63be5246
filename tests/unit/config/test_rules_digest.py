"""What was judged under other rules is told by its digest."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from track_dispatch.config import Hospital, load_hospital, rules_digest


def digest(include: Path) -> str:
    return rules_digest(load_hospital("HMS", include), include)


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": ["whatsapp"]},
        {"staff_patterns": ["x"]},
        {"test_patterns": ["x"]},
        {"min_age_years": 18},
        {"unidade": "other"},
        {"first_business_day": "2026-11-20"},
        {"surveys": {"exames": "00000000-0000-4000-8000-000000000001"}},
    ],
    ids=str,
)
def test_what_decides_who_is_asked_changes_the_digest(
    write: Callable[..., Path], include: Path, changes: dict[str, Any]
) -> None:
    before = digest(include)
    write(**changes)

    assert digest(include) != before


#: What is read when a run begins, at the claim or at the POST: changing it reads nobody anew.
READ_LATER = {
    "acceptance", "batch_size", "code", "contact_cap_days", "extraction_max_age_hours",
    "import_fields",
    "lease_margin_seconds", "ledger_retention_days", "look_back_days", "max_age_days", "name",
    "oracle_conn_id", "oracle_logon_deadline_seconds", "post_deadline_seconds", "queue",
    "rehearsal_contacts", "rehearsal_lines", "reminder_days", "requests_per_5_minutes",
    "schedule", "send_days", "send_window", "template_set", "templates",
    "validity_days", "volume_gate",
}  # fmt: skip


class WithNewPolicy(Hospital):
    """A hospital of a version that knows one setting more."""

    new_policy: int = 1


@pytest.mark.parametrize("name", [*WithNewPolicy.model_fields])
def test_every_setting_counts_but_those_that_are_read_later(include: Path, name: str) -> None:
    hospital = WithNewPolicy.model_construct(None, **dict(load_hospital("HMS", include)))
    other = "mv/hat.sql" if name == "sql" else "another"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pydantic's, of the other type
        changed = rules_digest(hospital.model_copy(update={name: other}), include)

    assert (changed == rules_digest(hospital, include)) == (name in READ_LATER)


@pytest.mark.parametrize("file", ["mv/hms.sql", "mv/_macros.sql", "_extraction.sql"])
def test_mended_sql_changes_the_digest(include: Path, file: str) -> None:
    before = digest(include)
    with (include / "sql" / file).open("a", encoding="utf-8") as query:
        query.write("-- mended\n")

    assert digest(include) != before


def test_the_sql_of_others_does_not(include: Path) -> None:
    before = digest(include)
    with (include / "sql" / "mv" / "hat.sql").open("a", encoding="utf-8") as query:
        query.write("-- mended\n")

    assert digest(include) == before
