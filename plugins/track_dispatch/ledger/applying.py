"""Applying an extraction: one line or exclusion per attendance, in one transaction.

Transform never touches a line that is on its way, in doubt or settled: every UPDATE here is guarded
by the states it may leave. What it reads first only spares statements.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, or_, select, true, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.inserting import insert_unknown
from track_dispatch.ledger.known import Known
from track_dispatch.ledger.lists import among
from track_dispatch.ledger.moves import NO_CLAIM, move, record
from track_dispatch.ledger.restoring import doubt_waiting, require_extractable
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.transitions import TABLE, Transition
from track_dispatch.records import LineState, Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, tzinfo

    from sqlalchemy import ColumnElement, Connection, Row

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.staging import Extraction
    from track_dispatch.records import Actor, Proposal

#: Columns that tell whether a new reading changes a line.
COMPARED = ("area", "channel", "state", "reason", "digest")


@dataclass(frozen=True, slots=True)
class Distrust:
    """A backup was put back: what becomes ready since `began` may have been sent before."""

    restored: int
    began: datetime


@dataclass
class Application:
    """The open transaction of one transform and what it has counted so far."""

    ledger: Ledger
    connection: Connection
    extraction: Extraction
    actor: Actor
    distrust: Distrust | None = None
    counts: dict[str, int] = field(
        default_factory=lambda: {"attendances": 0, "other_day": 0, "other_hospital": 0}
    )

    @cached_property
    def known(self) -> Known:
        """What the ledger knows while the day is evaluated."""
        return Known(self.ledger, self.connection, source=self.extraction.source)

    def propose(self, proposals: Sequence[tuple[Proposal, Mapping[str, str]]]) -> None:
        """Write a chunk of proposals, each with the normalised identity of its person."""
        if not proposals:
            return
        rows = {p.attendance_id: self._row(p, identity) for p, identity in proposals}
        self.counts["attendances"] += len(rows)
        new = insert_unknown(self.connection, list(rows.values()))
        record(self.connection, Transition.FOUND, self.actor, list(new.values()))
        known = [row for key, row in rows.items() if key not in new]
        if known:
            self._reevaluate(known)

    def finish(self, *, rows_merged: int) -> None:
        """Exclude what the day no longer holds, erase the staged rows, mark the extraction."""
        extraction, lines = self.extraction, schema.lines
        move(
            self.connection,
            Transition.GONE,
            LineState.EXCLUDED,
            lines.c.hospital == extraction.hospital,
            lines.c.business_day == extraction.business_day,
            lines.c.extraction_id != extraction.id,
            actor=self.actor,
            reason=Reason.GONE,
        )
        if self.distrust is not None:
            self._doubt_woken(self.distrust)
        self._mark(applied_at=moment_in(), rows_merged=rows_merged, **self.counts)
        self._erase_staged()

    def supersede(self) -> None:
        """Note that a newer extraction of the day was applied first; its rows are erased."""
        self._mark(superseded_at=moment_in())
        self._erase_staged()

    def _doubt_woken(self, distrust: Distrust) -> None:
        lines = schema.lines
        doubt_waiting(
            self.connection,
            lines.c.extraction_id == self.extraction.id,
            lines.c.state == LineState.READY,
            lines.c.changed_at >= distrust.began,
            actor=self.actor,
            decision_id=distrust.restored,
        )

    def _row(self, proposal: Proposal, identity: Mapping[str, str]) -> dict[str, Any]:
        keys, extraction = self.ledger.keys, self.extraction
        payload, digest = keys.seal(proposal.line) if proposal.line is not None else (None, None)
        return {
            "source": extraction.source,
            "attendance_id": proposal.attendance_id,
            "hospital": extraction.hospital,
            "business_day": extraction.business_day,
            "area": proposal.area,
            "channel": proposal.channel,
            "state": proposal.state,
            "reason": proposal.reason,
            "payload": payload,
            "digest": digest,
            **{
                f"{kind}_hash": keys.identity(kind, identity.get(kind, ""))
                for kind in ("cpf", "email", "phone")
            },
            "extraction_id": extraction.id,
        }

    def _reevaluate(self, rows: list[dict[str, Any]]) -> None:
        lines, extraction = schema.lines, self.extraction
        proposed = {row["attendance_id"]: row for row in rows}
        wanted = ("id", "attendance_id", "hospital", "business_day", *COMPARED)
        existing = self.connection.execute(
            select(*(lines.c[name] for name in wanted))
            .where(lines.c.source == extraction.source, among(lines.c.attendance_id, "ids"))
            .order_by(lines.c.attendance_id),
            {"ids": list(proposed)},
        )
        ours = []
        for line in existing.all():
            if line.hospital != extraction.hospital:
                self.counts["other_hospital"] += 1
            elif line.business_day != extraction.business_day:
                self.counts["other_day"] += 1
            else:
                ours.append(line.id)
                self._reevaluate_line(line, proposed[line.attendance_id])
        self.connection.execute(
            update(lines).where(among(lines.c.id, "ids")),
            {"ids": ours, "extraction_id": extraction.id},
        )

    def _reevaluate_line(self, line: Row[Any], row: dict[str, Any]) -> None:
        if line.state == LineState.REFUSED:
            transition, condition = Transition.REFUSAL_REOPENED, self._may_reopen(row)
        elif line.state in TABLE[Transition.REEVALUATED].leaves:
            transition, condition = Transition.REEVALUATED, true()
        else:
            return
        if all(getattr(line, name) == row[name] for name in COMPARED):
            return
        move(
            self.connection,
            transition,
            row["state"],
            schema.lines.c.id == line.id,
            condition,
            actor=self.actor,
            **{name: value for name, value in row.items() if name != "state"},
            retry_allowed=False,
            batch_id=None,
            **NO_CLAIM,
        )

    def _may_reopen(self, row: dict[str, Any]) -> ColumnElement[bool]:
        """Tell whether to reopen a refused line: allowed by a person, or mended in the ERP."""
        keys, lines = self.ledger.keys, schema.lines
        digests = keys.digests(keys.decrypt(row["payload"])) if row["payload"] else ()
        mended = and_(lines.c.reason == Refusal.BY_STATUS, lines.c.digest.not_in(digests))
        return or_(lines.c.retry_allowed, mended)

    def _mark(self, **values: Any) -> None:
        table = schema.extractions
        self.connection.execute(
            update(table).where(table.c.id == self.extraction.id).values(**values)
        )

    def _erase_staged(self) -> None:
        """Erase this extraction's rows and those of earlier tries of its run.

        An earlier try that broke off is superseded: were it still alive, it would end without the
        rows that are erased here.
        """
        table, staged, mine = schema.extractions, schema.staged_rows, self.extraction
        tries = (
            table.c.run_id == mine.run_id,
            table.c.hospital == mine.hospital,
            table.c.business_day == mine.business_day,
            func.coalesce(table.c.completed_at, table.c.started_at) <= mine.completed_at,
        )
        self.connection.execute(
            update(table)
            .where(*tries, table.c.completed_at.is_(None), table.c.superseded_at.is_(None))
            .values(superseded_at=moment_in())
        )
        erased = select(table.c.id).where(*tries)
        self.connection.execute(delete(staged).where(staged.c.extraction_id.in_(erased)))


@contextmanager
def applying(
    ledger: Ledger, extraction: Extraction, actor: Actor, *, zone: tzinfo = UTC
) -> Iterator[Application | None]:
    """Open the transaction that applies an extraction; None when there is nothing to apply.

    Nothing is to apply when it was applied already, or when a newer extraction of its day was: that
    one is then noted as superseding it. The day's extractions are locked meanwhile, so of two
    transforms of one day the second sees what the first did. `zone` is the hospital's.

    Raises:
        ConfigError: nobody can tell who was asked on this day.
        LedgerError: the database failed; the ledger is as it was.
    """
    table = schema.extractions
    with ledger.writing() as connection:
        day = connection.execute(
            select(table.c.id, table.c.completed_at, table.c.applied_at, table.c.superseded_at)
            .where(
                table.c.hospital == extraction.hospital,
                table.c.business_day == extraction.business_day,
            )
            .order_by(table.c.id)
            .with_for_update(key_share=True)  # a day's extraction may go on staging meanwhile
        ).all()
        mine = next(row for row in day if row.id == extraction.id)
        newer = any(row.applied_at and row.completed_at > mine.completed_at for row in day)
        application = Application(ledger, connection, extraction, actor)
        if mine.applied_at or mine.superseded_at:
            yield None
        elif newer:
            application.supersede()
            yield None
        else:
            application.distrust = _distrust(connection, extraction, zone)
            yield application


def _distrust(connection: Connection, extraction: Extraction, zone: tzinfo) -> Distrust | None:
    restored = require_extractable(
        connection,
        hospital=extraction.hospital,
        business_day=extraction.business_day,
        zone=zone,
    )
    if restored is None:
        return None
    return Distrust(restored, connection.execute(select(moment_in())).scalar_one())
