"""What the tests of the bare ledger share: one line by SQL, everything as it stands, a proxy."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, text

from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import reserve_envelopes, unit_id

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

DAY = date(2026, 3, 10)


def add_line(ledger: Ledger, attendance_id: str, *, state: str = "excluded") -> None:
    """Write a line with its unit and its envelope, as transform would."""
    with ledger.writing() as connection:
        unit = unit_id(connection, "HMS", DAY, "EXAMES", "")
        envelope = reserve_envelopes(connection, 1)[0]
        connection.execute(
            insert(schema.envelopes).values(
                id=envelope, unit=unit, extraction="x", rules="r", lines=1, waiting=0
            )
        )
        connection.execute(
            insert(schema.lines).values(
                id=envelope * 1000,
                address=envelope * 1000,
                source="hms",
                attendance_id=attendance_id,
                state=state,
                reason="no_contact",
            )
        )


def run_sql(ledger: Ledger, statement: str, **parameters: Any) -> None:
    """Change the ledger behind the product's back."""
    with ledger.writing() as connection:
        connection.execute(text(statement), parameters)


def everything(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all tables."""
    with ledger.reading() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(select(table)))
            for table in schema.metadata.sorted_tables
        }
