"""What was judged under other rules is told by its digest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from track_dispatch.config import load_hospital, rules_digest


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


@pytest.mark.parametrize(
    "changes", [{"batch_size": 5}, {"send_window": "09:00-10:00"}, {"name": "other"}], ids=str
)
def test_what_is_read_at_dispatch_does_not(
    write: Callable[..., Path], include: Path, changes: dict[str, Any]
) -> None:
    before = digest(include)
    write(**changes)

    assert digest(include) == before


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
