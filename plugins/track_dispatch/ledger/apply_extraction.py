"""Apply a run's extractions in one transaction: one line or exclusion per attendance.

The order matters, as days depend on each other: all days are read first, so that an attendance that
the ERP moved to another day is moved; then lines that no reading has are excluded; then one line of
each person and day is kept; then the day's volume is judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.approvals import day_volume, hold_if_anomalous
from track_dispatch.ledger.backups import distrust_of, require_extractable
from track_dispatch.ledger.contact_policy import come_back
from track_dispatch.ledger.database import Ledger, analyze
from track_dispatch.ledger.day_apply import DayApply, DayTerms, Lookups
from track_dispatch.ledger.extractions import Extraction
from track_dispatch.ledger.schema import IS_OF_UNIT, LIES_IN, PLACES, plan_without_compiling
from track_dispatch.ledger.sql import among, moment_in
from track_dispatch.ledger.transitions import Transition, apply_transition
from track_dispatch.records import Actor, HospitalDay, IdentityKind
from track_dispatch.states import INVITED, WAITING, LineState, Reason

#: Returns the addresses of those lines whose person is asked about another one.
Choose = Callable[[Sequence["SharedLine"]], Collection[int]]

#: PostgreSQL's advisory locks of transforms, beside a number for the source.
_TRANSFORM = 7_274_362
#: Inserted lines after which PostgreSQL's statistics must be refreshed for its next plans.
_MANY = 1000
#: States of a line that is excluded when a reading of its day lacks it.
_GOING = (LineState.READY, LineState.HELD, LineState.REOPENED)


class SharedLine(NamedTuple):
    """A line of a day that has a person's hash in common with another one.

    Attributes:
        address: of its place in an envelope.
        attendance_id: patient data.
        area: of its unit.
        asked: its patient was asked, or may have been.
        persons: the hashes that it shares.
    """

    address: int
    attendance_id: str
    area: str
    asked: bool
    persons: frozenset[int]

    def __repr__(self) -> str:
        """Tell of no patient."""
        return f"SharedLine(area={self.area!r}, asked={self.asked})"


@dataclass
class ExtractionApply:
    """The open transaction of one transform; `applying_extractions` opens one.

    Attributes:
        ledger: open.
        connection: of the transaction.
        source: the ERP.
        zone: the hospital's.
        actor: the task's try.
        inserted: new lines.
    """

    ledger: Ledger
    connection: Connection
    source: str
    zone: tzinfo
    actor: Actor
    inserted: int = 0
    _days: list[DayApply] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lookups = Lookups(self.connection, self.ledger.keys, source=self.source)

    def begin(self, extraction: Extraction, terms: DayTerms) -> DayApply | None:
        """Begin to apply a day's extraction; None when there is nothing to apply.

        That is so if it was applied before, or if a later extraction of the day was applied, which
        is then recorded as superseding it.

        Raises:
            ConfigError: nobody can tell who was asked on this day.
        """
        table, day = schema.extractions, extraction.day
        require_extractable(self.connection, day)
        rows = self.connection.execute(
            select(table.c.id, table.c.started_at, table.c.applied_at, table.c.superseded_at).where(
                table.c.hospital == day.hospital, table.c.business_day == day.business_day
            )
        ).all()
        mine = next(row for row in rows if row.id == extraction.id)
        if mine.applied_at or mine.superseded_at:
            return None
        if any(row.applied_at and row.started_at > mine.started_at for row in rows):
            self._mark(extraction, superseded_at=moment_in())
            self._erase_staged(extraction)
            return None
        self._days.append(
            DayApply(
                self.connection,
                self.ledger.keys,
                extraction,
                terms,
                actor=self.actor,
                distrust=distrust_of(self.connection, day, self.zone),
                lookups=self._lookups,
            )
        )
        return self._days[-1]

    def finish(self, choose: Choose) -> None:
        """Finish what depends on all days of the run, and mark their extractions as applied.

        Args:
            choose: decides of lines that share a person which ones stand back.
        """
        absent = {day.day: self._absent(day) for day in self._days}
        lacking = {day.day: self._lacking(day, absent[day.day]) for day in self._days}
        ended = [line for day in self._days for line in day.ended]
        for day in self._days:
            if not lacking[day.day]:
                ended += self._let_go(absent[day.day])
        today = max((day.terms.today for day in self._days), default=None)
        come_back(self.connection, self.ledger.keys, ended, actor=self.actor, today=today)
        self._count_moved()
        for day in self._days:
            day.writer.unlink()
            self._let_one_stay(day, absent[day.day], choose)
            self.inserted += day.writer.inserted
            self._end(day, absent=len(absent[day.day]), lacking=lacking[day.day])

    def _absent(self, day: DayApply) -> list[Any]:
        """Return the day's lines that its reading lacks."""
        lines, envelopes, units = schema.lines, schema.envelopes, schema.units
        plan_without_compiling(self.connection)
        rows = self.connection.execute(
            select(lines.c.id, lines.c.address, lines.c.state, lines.c.reason)
            .select_from(units)
            .join(envelopes, IS_OF_UNIT)
            .join(lines, LIES_IN)
            .where(
                units.c.hospital == day.day.hospital,
                units.c.business_day == day.day.business_day,
                envelopes.c.extraction != day.extraction.id,
            )
            .order_by(lines.c.address)
        )
        seen = set(day.seen)
        return [row for row in rows.all() if row.id not in seen]

    @staticmethod
    def _lacking(day: DayApply, absent: Sequence[Any]) -> int:
        """Return how many known attendances a wrong reading lacks; 0 for a plausible one."""
        missing = sum(row.reason != Reason.GONE for row in absent)
        wrong = missing >= max(day.terms.lacking_lines, 1) and missing > len(day.seen)
        return missing if wrong else 0

    def _let_go(self, absent: Sequence[Any]) -> list[int]:
        going = [row.id for row in absent if row.state in _GOING]
        if not going:
            return []
        gone = apply_transition(
            self.connection,
            Transition.GONE,
            LineState.EXCLUDED,
            ids=going,
            keys=self.ledger.keys,
            actor=self.actor,
            reason=Reason.GONE.value,
        )
        return [line.id for line in gone]

    def _count_moved(self) -> None:
        """Count the lines that moved away in the readings of the days that they left."""
        run = {day.day: day for day in self._days}
        left: Counter[HospitalDay] = Counter()
        for taker in self._days:
            for line in taker.moved_from:
                was = HospitalDay(line.hospital, line.business_day)
                giver = run.get(was)
                if giver is None:
                    left[was] += 1
                elif line.extraction == giver.extraction.id or line.id in giver.seen:
                    giver.counts["other_day"] += 1
                    giver.writer.identities.leave_out(line.id)
        table = schema.extractions
        for (hospital, business_day), lines in left.items():
            newest = (
                select(table.c.id)
                .where(
                    table.c.hospital == hospital,
                    table.c.business_day == business_day,
                    table.c.applied_at.is_not(None),
                )
                .order_by(table.c.started_at.desc(), table.c.id.desc())
                .limit(1)
            )
            moved = func.coalesce(table.c.other_day, 0) + lines
            self.connection.execute(
                update(table).where(table.c.id.in_(newest)).values(other_day=moved)
            )

    def _let_one_stay(self, day: DayApply, absent: Sequence[Any], choose: Choose) -> None:
        """Keep one waiting line of each person of the day; a line asked before takes precedence."""
        self._share_absent(day, absent)
        day.writer.identities.write()
        shared = day.writer.persons.find()
        back = choose(self._shared_lines(day, shared)) if shared else ()
        if back:
            apply_transition(
                self.connection,
                Transition.REEVALUATED,
                LineState.EXCLUDED,
                schema.lines.c.state.in_(_GOING),
                addresses=back,
                keys=self.ledger.keys,
                actor=self.actor,
                reason=Reason.SAME_PERSON.value,
            )
        day.finish(standing_back=back)

    def _share_absent(self, day: DayApply, absent: Sequence[Any]) -> None:
        """Add the day's lines that this reading lacks, if their patients were asked."""
        compared = (*INVITED, *WAITING)
        addresses = {row.id: row.address for row in absent if row.state in compared}
        if not addresses:
            return
        identities = schema.identities
        rows = self.connection.execute(
            select(identities.c.line, identities.c.hash).where(
                among(identities.c.line, "ids"), identities.c.kind == IdentityKind.PERSON.value
            ),
            {"ids": list(addresses)},
        )
        for line, person in rows:
            day.writer.persons.add(addresses[line], [person])

    def _shared_lines(self, day: DayApply, shared: dict[int, set[int]]) -> list[SharedLine]:
        """Return the lines that share a person and were asked, or would be."""
        lines, envelopes, units = schema.lines, schema.envelopes, schema.units
        rows = self.connection.execute(
            select(lines.c.address, lines.c.attendance_id, lines.c.state, units.c.area)
            .join_from(lines, envelopes, envelopes.c.id == lines.c.address // PLACES)
            .join(units, IS_OF_UNIT)
            .where(among(lines.c.address, "addresses")),
            {"addresses": list(shared)},
        )
        return [
            SharedLine(
                row.address,
                row.attendance_id,
                row.area,
                row.state in INVITED,
                frozenset(shared[row.address]),
            )
            for row in rows
            if row.state in (*INVITED, *WAITING) or row.address in day.deferred
        ]

    def _end(self, day: DayApply, *, absent: int, lacking: int) -> None:
        volume = day_volume(self.connection, day.day)
        hold_if_anomalous(
            self.connection,
            self.ledger.keys,
            day.day,
            volume,
            gate=day.terms.gate,
            actor=self.actor,
        )
        self._mark(
            day.extraction,
            applied_at=moment_in(),
            rows_merged=day.rows_merged,
            column_counts=[[*key, values] for key, values in sorted(day.column_counts.items())],
            absent=absent,
            lacking=lacking,
            volume=volume.lines,
            **{name: day.counts[name] for name in ("attendances", "other_day", "other_hospital")},
        )
        self._erase_staged(day.extraction)

    def _mark(self, extraction: Extraction, **values: Any) -> None:
        table = schema.extractions
        mine = update(table).where(table.c.id == extraction.id)
        self.connection.execute(mine.values(**values))

    def _erase_staged(self, extraction: Extraction) -> None:
        """Erase an extraction's rows and those of earlier tries of its run.

        An earlier try is marked as superseded: if it still ran, its rows would be missing.
        """
        table, staged = schema.extractions, schema.staged
        tries = (
            table.c.run_id == extraction.run_id,
            table.c.hospital == extraction.hospital,
            table.c.business_day == extraction.business_day,
            table.c.started_at <= extraction.started_at,
        )
        self.connection.execute(
            update(table)
            .where(*tries, table.c.completed_at.is_(None), table.c.superseded_at.is_(None))
            .values(superseded_at=moment_in())
        )
        erased = select(table.c.id).where(*tries)
        self.connection.execute(delete(staged).where(staged.c.extraction.in_(erased)))


@contextmanager
def applying_extractions(
    ledger: Ledger, *, source: str, zone: tzinfo, actor: Actor
) -> Iterator[ExtractionApply]:
    """Open the transaction that applies a run's extractions; committed at the block's end.

    On PostgreSQL, transforms of one source run one after the other, so that no two insert the same
    attendance. Dispatches go on meanwhile: they skip the lines that are locked here.

    Raises:
        ConfigError: nobody can tell who was asked on one of the days.
        LedgerError: the database failed, or somebody changed a line meanwhile; the ledger is as it
            was.
    """
    with ledger.long_writing() as connection:
        if ledger.on_postgresql:
            turn = func.pg_advisory_xact_lock(_TRANSFORM, func.hashtext(source))
            connection.execute(select(turn))
        applied = ExtractionApply(ledger, connection, source, zone, actor)
        yield applied
    if applied.inserted >= _MANY:
        analyze(ledger)
