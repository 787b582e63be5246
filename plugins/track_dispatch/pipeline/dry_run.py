"""A dry run: what a day would become, told by the real transform, which is then rolled back.

So it cannot disagree with what a run would do. Nothing of it stays: no line, no staged row, no
event. The patients are in memory until it ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import TYPE_CHECKING

from track_dispatch.config import rules_digest
from track_dispatch.ledger.apply_extraction import applying_extractions
from track_dispatch.ledger.claims import ClaimTerms, barred_lines, read_ahead
from track_dispatch.ledger.contact_policy import ContactPolicy
from track_dispatch.ledger.envelopes import address_of
from track_dispatch.ledger.extractions import stage_within
from track_dispatch.ledger.history import DayLine, lines_of_day
from track_dispatch.ledger.units import ready_envelopes
from track_dispatch.pipeline.extract import read_columns_of
from track_dispatch.pipeline.transform import apply_day, standing_back
from track_dispatch.records import Channel
from track_dispatch.states import LineState, Reason

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from track_dispatch.config import Hospital
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.pipeline.run import Run


class _RolledBackError(Exception):
    """Ends the transaction of a dry run."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """A day as it would be sent.

    Attributes:
        rows: of the ERP.
        lines: what each attendance would become; patient data.
        leaves_at: the first moment at which something may leave, in the hospital's zone.
    """

    rows: int
    lines: tuple[DayLine, ...] = field(repr=False)
    leaves_at: datetime

    def text(self) -> Iterator[str]:
        """Yield counts by area, channel and fate, in Portuguese."""
        yield f"{self.rows} registros do ERP = {len(self.lines)} atendimentos"
        counts = Counter(
            (
                line.area or "área desconhecida",
                Channel(line.channel).label if line.channel else "-",
                fate(line),
            )
            for line in self.lines
        )
        for (area, channel, what), count in sorted(counts.items()):
            yield f"{area} · {channel}: {count} {what}"
        yield f"sairia a partir de {self.leaves_at:%d/%m/%Y %H:%M}"

    def summary(self) -> dict[str, int]:
        """Count the rows and what they are."""
        return {"rows": self.rows, "attendances": len(self.lines)}


def fate(line: DayLine) -> str:
    """Say in Portuguese what would happen to an attendance."""
    state = LineState(line.state)
    if state is LineState.READY:
        return "convidar"
    if state is LineState.EXCLUDED and line.reason:
        return f"excluir: {Reason(line.reason).label}"
    if state is LineState.HELD:
        return "reter até a aprovação do volume"
    return f"já no livro-razão: {state.label}"


def dry_run(run: Run, *, ledger: Ledger, now: datetime) -> DryRun:
    """Extract and evaluate a day; write nothing.

    Args:
        run: the hospital and its day.
        ledger: open.
        now: aware.

    Raises:
        ConfigError: a setting, the SQL template or the connection is wrong.
        SourceUnavailableError: the ERP is unreachable or too slow.
        SourceContractError: the query's columns are not the agreed ones.
        LedgerError: the ledger failed.
    """
    hospital, today = run.hospital, run.today(now)
    chunks = list(read_columns_of(run, ledger, run.business_day))
    found: list[DayLine] = []
    with (
        suppress(_RolledBackError),
        applying_extractions(
            ledger, source=hospital.source, zone=hospital.zone, actor=run.actor
        ) as transforming,
    ):
        connection = transforming.connection
        extraction = stage_within(
            connection, ledger.keys, chunks, source=hospital.source, day=run.day
        )
        apply_day(run, transforming, extraction, today)
        transforming.finish(standing_back)
        barred = _barred(connection, ledger, run, now)
        found += [_judged(line, barred) for line in lines_of_day(connection, run.day)]
        raise _RolledBackError
    leaves_at = hospital.window.opening(now).astimezone(hospital.zone)
    return DryRun(sum(len(chunk["cd_atendimento"]) for chunk in chunks), tuple(found), leaves_at)


def _judged(line: DayLine, barred: Mapping[int, Reason]) -> DayLine:
    """Return the line as a claim would leave it."""
    reason = barred.get(line.address)
    if reason is None:
        return line
    return line._replace(state=LineState.EXCLUDED, reason=reason, channel="")


def _barred(connection: Connection, ledger: Ledger, run: Run, now: datetime) -> dict[int, Reason]:
    """Return the addresses of ready lines that a claim would exclude at this moment."""
    barred: dict[int, Reason] = {}
    terms = claim_terms(run.hospital, now)
    for ready in ready_envelopes(connection, run.hospital.code, until=run.business_day):
        if ready.unit.business_day == run.business_day:
            [sealed] = read_ahead(connection, [ready.envelope])
            lines = sealed.open(ledger.keys).lines
            reasons = barred_lines(connection, lines, channel=ready.unit.channel, terms=terms)
            barred |= {
                address_of(ready.envelope, line.place): reasons[line.place]
                for line in lines
                if line.place in reasons
            }
    return barred


def claim_terms(hospital: Hospital, now: datetime) -> ClaimTerms:
    """Return the terms under which a claim would judge patients; nothing is claimed by them."""
    today = now.astimezone(hospital.zone).date()
    return ClaimTerms(
        survey="",
        validity_at=0,
        reminder_at=None,
        lease_seconds=0,
        today=today,
        policy=ContactPolicy(
            cap_days=hospital.contact_cap_days,
            day_began=datetime.combine(today, time(), hospital.zone),
        ),
        rules=rules_digest(hospital),
        extraction_max_age_hours=hospital.extraction_max_age_hours,
        requests_per_5_minutes=hospital.requests_per_5_minutes,
    )
