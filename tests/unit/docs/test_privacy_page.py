"""The privacy officer's page says of every table of the ledger what it keeps, and how long."""

from __future__ import annotations

from pathlib import Path

from track_dispatch.ledger.schema import metadata

PAGE = Path(__file__).parents[3] / "docs/policy.md"


def test_every_table_is_in_the_list_of_what_is_stored_where() -> None:
    stored = PAGE.read_text(encoding="utf-8").split("## What is stored where")[1].split("\n## ")[0]
    places = " ".join(row.split(" | ")[1] for row in stored.splitlines() if row.startswith("| "))

    assert [name for name in sorted(metadata.tables) if f"`{name}" not in places] == []
