"""What the ledger holds, as tests look at it, and what may happen to it from outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import func, select, text

from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import open_envelope, parse_places
from track_dispatch.ledger.schema import PLACES
from track_dispatch.records import HospitalDay, IdentityKind
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from sqlalchemy import RowMapping, Table

    from tests.unit.ledger.reading_steps import Attendance
    from track_dispatch.ledger.database import Ledger


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line with the unit of the envelope that it lies in; `payload`: what would be sent of it."""

    id: int
    address: int
    attendance_id: str
    state: str
    reason: str | None
    digest: bytes | None
    ask_until: date | None
    batch: str | None
    question: int | None
    source: str
    day: HospitalDay
    area: str
    channel: str
    payload: Mapping[str, str] | None

    @property
    def stands(self) -> tuple[str, str | None]:
        """State and reason."""
        return self.state, self.reason


def _payload(ledger: Ledger, row: Any) -> Mapping[str, str] | None:
    if row.payload is None:
        return None
    held = open_envelope(ledger.keys, row.address // PLACES, row.payload)
    found: list[Mapping[str, str]] = [
        orjson.loads(line.fields) for line in held if line.place == row.address % PLACES
    ]
    return found[0] if found else None


class LedgerFacts:
    """A ledger, looked at.

    Args:
        ledger: open.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def rows(self, table: Table, *order: str) -> Sequence[RowMapping]:
        """Return a table as it stands."""
        ordered = select(table).order_by(*(table.c[name] for name in order or ("id",)))
        with self.ledger.reading() as connection:
            return connection.execute(ordered).mappings().all()

    def lines(self) -> list[FoundLine]:
        """Return the lines in the order of their attendances."""
        lines, envelopes, units = schema.lines, schema.envelopes, schema.units
        named = (
            "id", "address", "attendance_id", "state", "reason", "digest", "ask_until", "batch",
            "question", "source",
        )  # fmt: skip
        with self.ledger.reading() as connection:
            rows = connection.execute(
                select(
                    *(lines.c[name] for name in named),
                    units.c.hospital,
                    units.c.business_day,
                    units.c.area,
                    units.c.channel,
                    envelopes.c.payload,
                )
                .join_from(lines, envelopes, envelopes.c.id == lines.c.address // PLACES)
                .join(units, units.c.id == envelopes.c.unit)
                .order_by(lines.c.attendance_id, lines.c.id)
            ).all()
        return [
            FoundLine(
                *row[:10],
                HospitalDay(row.hospital, row.business_day),
                row.area,
                row.channel,
                _payload(self.ledger, row),
            )
            for row in rows
        ]

    def line(self) -> FoundLine:
        """Return the only line."""
        (line,) = self.lines()
        return line

    def stands(self) -> list[tuple[str, str | None]]:
        """Return states and reasons of the lines in the order of their attendances."""
        return [line.stands for line in self.lines()]

    def events(self) -> list[tuple[str, str, str | None, int]]:
        """Return transition, state, reason and number of lines of the events, in order."""
        return [
            (row["transition"], row["state"], row["reason"], len(parse_places(row["places"])))
            for row in self.rows(schema.events)
        ]

    def identities(self, line: int) -> set[tuple[str, int]]:
        """Return kinds and hashes of a line's identities."""
        rows = self.rows(schema.identities, "hash")
        return {(row["kind"], row["hash"]) for row in rows if row["line"] == line}

    def hashed(self, attendance: Attendance) -> set[tuple[str, int]]:
        """Return kinds and hashes of an attendance's identities."""
        return {
            (str(kind), found)
            for kind, values in zip(IdentityKind, attendance.identities, strict=True)
            for found in self.ledger.keys.hash_identities(values)
        }

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all rows of all tables, to compare them before and after."""
        with self.ledger.reading() as connection:
            return {
                table.name: sorted(tuple(row) for row in connection.execute(select(table)))
                for table in schema.metadata.sorted_tables
            }

    def extraction(self, id_: str) -> Any:
        """Return an extraction."""
        return next(row for row in self.rows(schema.extractions) if row["id"] == id_)

    def counted(self, id_: str) -> dict[str, int]:
        """Return what an extraction counted, but for the zeros."""
        row = self.extraction(id_)
        names = ("attendances", "other_day", "other_hospital", "absent", "lacking")
        return {name: row[name] for name in names if row[name]}

    def states(self, envelope: int | None = None) -> list[str]:
        """Return the states of an envelope's lines as they were found, or of all, by their ids."""
        return [
            line["state"]
            for line in self.rows(schema.lines)
            if envelope is None or line["id"] // PLACES == envelope
        ]

    def reasons(self, envelope: int) -> list[str | None]:
        """Return the reasons of the lines found in an envelope."""
        return [
            line["reason"] for line in self.rows(schema.lines) if line["id"] // PLACES == envelope
        ]

    def moves(self) -> list[tuple[str, str]]:
        """Return each event's transition and places, in order."""
        return [(row["transition"], row["places"]) for row in self.rows(schema.events)]

    def batches(self) -> dict[str, RowMapping]:
        """Return the batches by id."""
        return {row["id"]: row for row in self.rows(schema.batches, "created_at")}

    def batch_state(self, batch: str) -> BatchState | None:
        """Return where a batch stands; None when it is not in the ledger."""
        row = self.batches().get(batch)
        return BatchState(row["state"]) if row is not None else None

    def requests_taken(self) -> int:
        """Return how many requests to Track were taken of the budget, at any time."""
        return sum(row["taken"] for row in self.rows(schema.requests, "slot"))

    def counts_are_true(self) -> bool:
        """Tell whether every envelope's counts and payload say what is true of its lines."""
        lines, envelopes = schema.lines, schema.envelopes

        def count(*states: str) -> Any:
            here = lines.c.address.between(envelopes.c.id * PLACES, envelopes.c.id * PLACES + 999)
            counted = select(func.count()).where(here, lines.c.state.in_(states))
            return counted.scalar_subquery()

        with self.ledger.reading() as connection:
            rows = connection.execute(
                select(
                    envelopes.c.waiting == count("ready", "held"),
                    envelopes.c.reopened == count("reopened"),
                    envelopes.c.payload.is_not(None) == (count("ready", "held") > 0),
                )
            )
            return all(all(row) for row in rows)

    def fates(self) -> Counter[str]:
        """Count the lines by state, and reason if any."""
        return Counter(
            f"{row['state']} {row['reason']}" if row["reason"] else row["state"]
            for row in self.rows(schema.lines)
        )

    def payloads(self) -> list[bool]:
        """Tell of each envelope, in order, whether it holds a payload."""
        return [row["payload"] is not None for row in self.rows(schema.envelopes)]

    def run_sql(self, statement: str, **values: Any) -> None:
        """Write by SQL, as an accident would."""
        with self.ledger.writing() as connection:
            connection.execute(text(statement), values)

    @contextmanager
    def refusing(self, table: str, action: str, when: str = "") -> Iterator[None]:
        """Make the database refuse to insert or update on a table meanwhile.

        `when` narrows it to new rows, e.g. "new.state = 'sending'".
        """
        where = f" when ({when})" if when else ""
        if self.ledger.on_postgresql:
            self.run_sql(
                "create function refuse() returns trigger language plpgsql as"
                " $$ begin raise exception 'refused'; end $$",
            )
            trigger = f"create trigger refuse before {action} on {table} for each row{where}"
            self.run_sql(f"{trigger} execute function refuse()")
        else:
            trigger = f"create trigger refuse before {action} on {table}{where}"
            self.run_sql(f"{trigger} begin select raise(abort, 'refused'); end")
        try:
            yield
        finally:
            self.run_sql(
                "drop function refuse cascade"
                if self.ledger.on_postgresql
                else "drop trigger refuse",
            )
