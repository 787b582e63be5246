"""What a day would become, without writing anything: the dry run, and `plan` in a shell."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from track_dispatch.extraction.query import render
from track_dispatch.ledger.known import Known
from track_dispatch.pipeline.evaluating import DayEvaluation
from track_dispatch.pipeline.extracting import day_chunks
from track_dispatch.pipeline.reporting import REASONS, STATES
from track_dispatch.records import LineState, Reason
from track_dispatch.transformation.persons import person_keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.pipeline.run import Run
    from track_dispatch.records import Area, Channel, ErpRow, Proposal

#: States that a new reading may change; any other decides by itself.
_OPEN = (LineState.READY, LineState.EXCLUDED)


@dataclass(frozen=True, slots=True)
class Planned:
    """One attendance: how it would be asked, or why not, or where the ledger has it already."""

    attendance_id: str = field(repr=False)
    area: Area | None
    channel: Channel | None
    reason: Reason | None
    state: LineState | None

    @property
    def verdict(self) -> str:
        """Say what would happen, in Portuguese."""
        if self.state is not None:
            return f"já no livro-razão: {STATES[self.state]}"
        return "convidar" if self.reason is None else f"excluir: {REASONS[self.reason]}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A day as it would be sent; `leaves_at` is the first moment it may."""

    rows: int
    planned: tuple[Planned, ...]
    leaves_at: datetime

    def text(self) -> Iterator[str]:
        """Yield counts by area, channel and verdict, in Portuguese."""
        yield f"{self.rows} registros do ERP = {len(self.planned)} atendimentos"
        counts = Counter(
            (
                one.area or "área desconhecida",
                one.channel.label if one.channel else "-",
                one.verdict,
            )
            for one in self.planned
        )
        for (area, channel, verdict), lines in sorted(counts.items()):
            yield f"{area} · {channel}: {lines} {verdict}"
        yield f"sairia a partir de {self.leaves_at:%d/%m/%Y %H:%M}"


def plan_day(run: Run, *, ledger: Ledger, now: datetime) -> Plan:
    """Extract, transform and evaluate a day in memory; write nothing.

    Raises:
        ConfigError: a setting, the SQL template or the connection is wrong.
        SourceUnavailableError: the ERP is unreachable or too slow.
        SourceContractError: the query's columns are not the agreed ones.
        LedgerError: the ledger failed.
    """
    hospital = run.hospital
    chunks = _read(run)
    with ledger.reading() as connection:
        known = Known(ledger, connection, source=hospital.source)
        day = _evaluation(run, chunks, known, now)
        proposals = [proposal for chunk in day.proposals() for proposal, _ in chunk]
        states = known.states([proposal.attendance_id for proposal in proposals])
        planned = tuple(
            _planned(proposal, states.get(proposal.attendance_id), run, known)
            for proposal in proposals
        )
    leaves_at = hospital.window.opening(now).astimezone(hospital.zone)
    return Plan(day.rows, planned, leaves_at)


def day_proposals(run: Run, *, ledger: Ledger, now: datetime) -> list[Proposal]:
    """Return what a day's attendances would become, whatever the ledger has of them."""
    chunks = _read(run)
    with ledger.reading() as connection:
        known = Known(ledger, connection, source=run.hospital.source)
        day = _evaluation(run, chunks, known, now)
        return [proposal for chunk in day.proposals() for proposal, _ in chunk]


def _read(run: Run) -> list[list[ErpRow]]:
    return list(day_chunks(run, render(run.hospital)))


def _evaluation(run: Run, chunks: list[list[ErpRow]], known: Known, now: datetime) -> DayEvaluation:
    today = now.astimezone(run.hospital.zone).date()
    return DayEvaluation(run, lambda: iter(chunks), known, evaluated_on=today)


def _planned(proposal: Proposal, state: LineState | None, run: Run, known: Known) -> Planned:
    if state is not None and state not in _OPEN:
        return Planned(proposal.attendance_id, proposal.area, proposal.channel, None, state)
    reason, channel = proposal.reason, proposal.channel
    if proposal.line is not None and known.invited_lately(
        person_keys(proposal.line), cap_days=run.hospital.contact_cap_days
    ):
        reason, channel = Reason.CONTACT_CAP, None
    return Planned(proposal.attendance_id, proposal.area, channel, reason, None)
