"""The task of `track_morning`: all hospitals in one table, and whether anybody has to act.

It judges each hospital by the latest day whose run was due, by the hospital's own schedule: at
09:15 a run of 09:20 is not late, and its day is judged the next morning. Read by an analyst, in
Portuguese.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from track_dispatch.config import BrokenHospital
from track_dispatch.ledger.settling import expire_leases
from track_dispatch.ledger.switch import standing_stops
from track_dispatch.ledger.views import last_run
from track_dispatch.pipeline.reporting import judge, stop_text
from track_dispatch.records import LineState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from track_dispatch.config import Hospital
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor

#: What a run may take before it counts as late.
PATIENCE = timedelta(minutes=5)
#: The table's columns, as the analyst reads them.
COLUMNS = (
    "hospital", "dia", "execução", "extraídas", "aceitas", "excluídas", "recusadas", "retidas",
    "em dúvida", "o que fazer",
)  # fmt: skip
_STATES = (
    LineState.ACCEPTED,
    LineState.EXCLUDED,
    LineState.REFUSED,
    LineState.HELD,
    LineState.IN_DOUBT,
)


@dataclass(frozen=True, slots=True)
class HospitalDay:
    """One hospital's row: `counts` are by state, None where no run was found; red has problems."""

    code: str
    business_day: date | None
    run: str
    extracted: int | None
    counts: tuple[int, ...] | None
    problems: tuple[str, ...]

    def cells(self) -> tuple[str, ...]:
        """Return the row's texts, in the order of `COLUMNS`."""
        blank = ("-",) * len(_STATES)
        return (
            self.code,
            f"{self.business_day:%d/%m/%Y}" if self.business_day else "-",
            self.run,
            "-" if self.extracted is None else str(self.extracted),
            *(blank if self.counts is None else map(str, self.counts)),
            "; ".join(self.problems) or "nada",
        )


@dataclass(frozen=True, slots=True)
class Morning:
    """All hospitals, and what holds all of them up."""

    rows: tuple[HospitalDay, ...]
    stops: tuple[str, ...]

    @property
    def red(self) -> list[str]:
        """What a person has to act on: nothing means green."""
        return [
            *self.stops,
            *(f"{row.code}: {row.cells()[-1]}" for row in self.rows if row.problems),
        ]

    def text(self) -> Iterator[str]:
        """Yield the table line by line, set for a log."""
        table = [COLUMNS, *(row.cells() for row in self.rows)]
        widths = [max(len(row[column]) for row in table) for column in range(len(COLUMNS) - 1)]
        for row in table:
            set_apart = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            yield "  ".join([*set_apart, row[-1]])
        yield from self.stops
        yield "VERMELHO: há o que fazer" if self.red else "VERDE: nada a fazer"


def morning(
    hospitals: Sequence[Hospital | BrokenHospital],
    *,
    ledger: Ledger,
    actor: Actor,
    moment: datetime,
    business_day: date | None = None,
) -> Morning:
    """Judge all hospitals.

    Args:
        hospitals: every file there is, the broken ones too.
        ledger: open.
        actor: who looks: a lease that has run out becomes a doubt.
        moment: when the look is due, aware; a run counts as late by it.
        business_day: another day than the latest one that was due.

    Raises:
        LedgerError: the ledger failed.
    """
    expire_leases(ledger, actor=actor)
    with ledger.reading() as connection:
        rows = [_row(connection, entry, moment, business_day) for entry in hospitals]
        stops = [stop_text(stop) for stop in standing_stops(connection)]
    return Morning(tuple(rows), tuple(stops))


def due_day(hospital: Hospital, moment: datetime) -> date:
    """Return the latest business day whose run should be over at a moment."""
    local = moment.astimezone(hospital.zone)
    minute, hour = hospital.schedule.split()[:2]
    due = datetime.combine(local.date(), time(int(hour), int(minute)), hospital.zone) + PATIENCE
    return local.date() - timedelta(days=1 if local >= due else 2)


def _row(
    connection: Connection,
    entry: Hospital | BrokenHospital,
    moment: datetime,
    business_day: date | None,
) -> HospitalDay:
    if isinstance(entry, BrokenHospital):
        problem = "arquivo com erro: avise a engenharia de dados"
        return HospitalDay(entry.code, None, "não há", None, None, (problem,))
    day = business_day or due_day(entry, moment)
    if day < entry.first_business_day:
        return HospitalDay(entry.code, day, "antes da entrada em operação", None, None, ())
    found = last_run(connection, hospital=entry.code, business_day=day)
    if found is None:
        problem = f"nenhuma execução deste dia: veja se {entry.dag_id} está pausada e dispare o dia"
        return HospitalDay(entry.code, day, "FALTA", None, None, (problem,))
    report = judge(connection, hospital=entry.code, business_day=day, run_id=found.run_id)
    started = found.started_at.astimezone(entry.zone)
    return HospitalDay(
        code=entry.code,
        business_day=day,
        run=f"{started:%d/%m %H:%M}",
        extracted=report.balance.attendances if report.balance else 0,
        counts=tuple(report.states[state] for state in _STATES),
        problems=report.problems,
    )
