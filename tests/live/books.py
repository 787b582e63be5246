"""What the databases say, read from outside by plain SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, inspect, text

if TYPE_CHECKING:
    from tests.e2e.leaks import Place


#: Lines with their units: the address of a line is its envelope's id and its place in it.
LINES = "lines join envelopes on envelopes.id = address / 1000 join units on units.id = unit"


@dataclass(frozen=True)
class Line:
    """An attendance in the ledger."""

    source: str
    attendance_id: str = field(repr=False)
    hospital: str
    business_day: date
    area: str
    channel: str
    state: str
    reason: str | None


@dataclass(frozen=True)
class Flight:
    """A batch that was claimed, and the run that claimed it."""

    batch_id: str
    hospital: str
    business_day: date
    area: str
    channel: str
    run_id: str


class Books:
    """Reads the ledger at `url`."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)

    def lines(self) -> list[Line]:
        """Return every line."""
        return [
            Line(**row)
            for row in self._rows(
                "select source, attendance_id, hospital, business_day, area, channel, state, reason"
                f" from {LINES}"
            )
        ]

    def flight(self, survey: str) -> Flight | None:
        """Return a survey's batch that is in flight."""
        return next(
            iter(self._flights("survey = :survey and state = 'sending'", survey=survey)), None
        )

    def flights(self) -> list[Flight]:
        """Return every batch that was ever claimed."""
        return self._flights("true")

    def batch_state(self, batch_id: str) -> str:
        """Return a batch's state."""
        return str(self._rows("select state from batches where id = :id", id=batch_id)[0]["state"])

    def days_of_runs(self) -> dict[tuple[str, str], date]:
        """Return the business day of each hospital's runs, by hospital and run id."""
        return {
            (row["hospital"], row["run_id"]): row["business_day"]
            for row in self._rows("select distinct hospital, run_id, business_day from extractions")
        }

    def leased_days(self) -> set[tuple[str, date]]:
        """Return the days with a line whose lease still runs."""
        return self._days(
            "state = 'sending' and exists (select * from batches where batches.id = lines.batch"
            " and lease_until >= clock_timestamp())"
        )

    def open_days(self) -> set[tuple[str, date]]:
        """Return the days with a line that waits, or whose lease is over."""
        return self._days("state in ('ready', 'held', 'reopened', 'sending')")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _flights(self, condition: str, **values: str) -> list[Flight]:
        found = self._rows(
            "select batches.id as batch_id, hospital, business_day, area, channel, run_id"
            f" from batches join units on units.id = unit where {condition}",
            **values,
        )
        return [Flight(**one) for one in found]

    def _days(self, condition: str) -> set[tuple[str, date]]:
        rows = self._rows(f"select distinct hospital, business_day from {LINES} where {condition}")
        return {(row["hospital"], row["business_day"]) for row in rows}

    def _rows(self, statement: str, **values: str) -> list[dict[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(statement), values).mappings()]


def cells_of(url: str) -> Iterator[Place]:
    """Yield what every column of every table of a database holds."""
    engine = create_engine(url)
    with engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            found = connection.execute(text(f'select * from "{table}"'))
            for name, values in zip(found.keys(), zip(*found, strict=True), strict=False):
                kept = [value for value in values if value is not None]
                lines = [v if isinstance(v, bytes) else str(v).encode() for v in kept]
                yield f"the column {table}.{name}", b"\n".join(lines)
    engine.dispose()
