"""Apply one day's extraction: the line or exclusion of each attendance.

Transform never touches a line that is on its way, in doubt or settled, nor what Track refused
within a 2xx. Whatever waits is evaluated anew and gets a new address in an envelope of the newest
reading, so that no payload outlives the reading it came from. An exclusion that still holds stays.
"""

from __future__ import annotations

import uuid
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, Protocol

from sqlalchemy import Connection, Select, bindparam, select

from track_dispatch.config.policies import VolumeGate
from track_dispatch.ledger import schema
from track_dispatch.ledger.backups import Distrust, is_trusted, open_doubt
from track_dispatch.ledger.envelope_writer import (
    NO_HASHES,
    EnvelopeWriter,
    KnownLine,
    LineHashes,
    Placement,
)
from track_dispatch.ledger.extractions import Extraction
from track_dispatch.ledger.keys import KeyRing, carry_optouts
from track_dispatch.ledger.schema import IS_OF_UNIT, LIES_IN, PLACES
from track_dispatch.ledger.sql import among
from track_dispatch.ledger.transitions import RULES, Transition
from track_dispatch.records import Actor, Area, Channel, ColumnCounts
from track_dispatch.states import INVITED, LineState, Reason, Refusal

#: Evaluates rows of patients who opted out again, by position, with the barred channels.
Again = Callable[[Mapping[int, Collection[Channel]]], Mapping[int, "_Evaluated"]]

#: States of a line that may move to another day with its attendance.
MOVABLE = (LineState.READY, LineState.HELD, LineState.REOPENED, LineState.EXCLUDED)
#: States of a line that ends when it is excluded.
_ENDING = (LineState.READY, LineState.HELD, LineState.REOPENED)


class _Evaluated(Protocol):
    """An evaluated attendance, as `transformation.Candidate` is.

    Its identities are those of persons, the contact and others, each value once.
    """

    @property
    def attendance_id(self) -> str: ...
    @property
    def area(self) -> Area | None: ...
    @property
    def channel(self) -> Channel | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def line(self) -> bytes | None: ...
    @property
    def identities(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]: ...


@dataclass(frozen=True, slots=True)
class DayTerms:
    """The terms under which a day is applied.

    Attributes:
        rules: digest of what its attendances were evaluated under.
        batch_size: lines of one POST.
        today: at the hospital.
        ask_until: the last day on which its patients may be asked; None: no limit.
        gate: when a person must approve the volume; None: never.
        lacking_lines: known attendances that a reading must lack, beside more than half of them,
            to be a wrong one.
    """

    rules: str
    batch_size: int
    today: date
    ask_until: date | None
    gate: VolumeGate | None = None
    lacking_lines: int = 30


class DayApply:
    """One day's extraction within the transaction of its run; `ExtractionApply.begin` opens one.

    Attributes:
        extraction: that is applied.
        terms: how.
        counts: attendances, and those of another day and of another hospital.
        rows_merged: further rows of an attendance that has one already.
        column_counts: values of its columns, by kind.
        seen: ids of the day's known lines that it brought.
        ended: ids of lines that it excluded, of those that waited.
        deferred: by address, what was excluded as the same person's and would be ready otherwise.
        writer: writes what the attendances become.
    """

    def __init__(
        self,
        connection: Connection,
        keys: KeyRing,
        extraction: Extraction,
        terms: DayTerms,
        *,
        actor: Actor,
        distrust: Distrust | None,
        lookups: Lookups,
    ) -> None:
        self.extraction, self.terms, self.day = extraction, terms, extraction.day
        self.counts = Counter[str]()
        self.rows_merged = 0
        self.column_counts: ColumnCounts = Counter()
        self.seen = array("q")
        self.ended: list[int] = []
        self.moved_from: list[KnownLine] = []
        self.deferred: dict[int, tuple[KnownLine, Placement]] = {}
        self.writer = EnvelopeWriter(
            connection,
            keys,
            extraction,
            rules=terms.rules,
            batch_size=terms.batch_size,
            actor=actor,
        )
        self._connection, self._keys, self._lookups = connection, keys, lookups
        self._distrust = distrust
        #: The batch that doubts what would become ready of each unit, and how many lines it has.
        self._doubts: dict[tuple[str, str], str] = {}
        self._doubted = Counter[str]()

    def has_later_limits(self) -> bool:
        """Tell whether lines of the day may be asked beyond its limit, as a person allowed."""
        if self.terms.ask_until is None or self.terms.ask_until >= self.terms.today:
            return False
        lines, units = schema.lines, schema.units
        still = lines.c.ask_until.is_(None) | (lines.c.ask_until >= self.terms.today)
        still_asked = (
            select(lines.c.id)
            .select_from(units)
            .join(schema.envelopes, IS_OF_UNIT)
            .join(lines, LIES_IN)
            .where(
                units.c.hospital == self.day.hospital,
                units.c.business_day == self.day.business_day,
                still,
            )
            .limit(1)
        )
        return self._connection.scalar(still_asked) is not None

    def take(self, attendances: Sequence[_Evaluated], again: Again) -> None:
        """Apply a chunk of the reading's attendances; each attendance comes once in a reading.

        Args:
            attendances: evaluated without regard to opt-outs.
            again: evaluates the rows of barred patients once more.
        """
        evaluated = list(attendances)
        hashes = [self._hashes(attendance) for attendance in evaluated]
        if barred := self._lookups.barred(hashes):
            self._carry_optouts([evaluated[position] for position in barred])
            for position, attendance in again(barred).items():
                evaluated[position], hashes[position] = attendance, self._hashes(attendance)
        self.counts["attendances"] += len(evaluated)
        ids = [attendance.attendance_id for attendance in evaluated]
        known = self._known(ids)
        forgotten = self._lookups.forgotten(
            [attendance_id for attendance_id in ids if attendance_id not in known]
        )
        for attendance, its_hashes in zip(evaluated, hashes, strict=True):
            line = known.get(attendance.attendance_id)
            if line is not None:
                self._reevaluate(line, attendance, its_hashes)
            elif attendance.attendance_id in forgotten:
                self.counts["other_day"] += 1
            else:
                self._find(attendance, its_hashes)

    def _carry_optouts(self, barred: Sequence[_Evaluated]) -> None:
        """Copy opt-outs to the newest key, so that older keys become unneeded."""
        if len(self._keys.identity_secrets) > 1:
            values = {
                value for attendance in barred for kind in attendance.identities for value in kind
            }
            carry_optouts(self._connection, self._keys, values)

    def end_of_reading(
        self, *, rows_merged: int, column_counts: ColumnCounts | None = None
    ) -> None:
        """Write the rest of the reading, and record its counts."""
        self.rows_merged = rows_merged
        self.column_counts = column_counts or Counter()
        self.writer.flush()

    def finish(self, standing_back: Collection[int]) -> None:
        """Make deferred lines ready whose person is not asked about another attendance of the day.

        Args:
            standing_back: addresses of lines whose person is asked about another one.
        """
        chosen = [
            deferred for address, deferred in self.deferred.items() if address not in standing_back
        ]
        known = self._known([line.attendance_id for line, _ in chosen])
        for line, placement in chosen:
            now = known[line.attendance_id]
            if (now.hospital, now.business_day) == self.day:  # else it moved away meanwhile
                self._change(now, placement, Transition.REEVALUATED)
        self.writer.flush()
        if self._distrust is not None:
            for (area, channel), batch in self._doubts.items():
                unit, lines = self.writer.unit(area, channel), self._doubted[batch]
                decision = self._distrust.decision
                open_doubt(self._connection, batch, unit=unit, lines=lines, decision=decision)

    def _hashes(self, attendance: _Evaluated) -> LineHashes:
        persons, contacts, others = attendance.identities
        if not persons and not contacts and not others:
            return NO_HASHES
        hashed = self._keys.hash_identities
        return LineHashes(hashed(persons), hashed(contacts), hashed(others))

    def _known(self, attendance_ids: list[str]) -> dict[str, KnownLine]:
        """Look attendances up, and lock those that may be changed here."""
        wanted = {"source": self.extraction.source, "ids": attendance_ids}
        lines = [KnownLine(*row) for row in self._connection.execute(_KNOWN, wanted)]
        if lines and self._connection.dialect.name == "postgresql":
            self._connection.execute(_LOCK, wanted)
            lines = [KnownLine(*row) for row in self._connection.execute(_KNOWN, wanted)]
        return {line.attendance_id: line for line in lines}

    def _placement(
        self, attendance: _Evaluated, hashes: LineHashes, until: date | None
    ) -> Placement:
        """Return what an evaluated attendance would be if it were new."""
        area = attendance.area or ""
        line, channel, reason = attendance.line, attendance.channel, attendance.reason
        if reason is None and until is not None and until < self.terms.today:
            reason = Reason.TOO_OLD
        if reason is not None or line is None or channel is None:
            excluded = LineState.EXCLUDED, str(reason)
            return Placement(area, "", attendance.attendance_id, *excluded, None, NO_HASHES, until)
        return Placement(
            area, channel, attendance.attendance_id, LineState.READY, None, line, hashes, until
        )

    def _find(self, attendance: _Evaluated, hashes: LineHashes) -> None:
        """Insert an attendance that the ledger does not know."""
        placement = self._placement(attendance, hashes, self.terms.ask_until)
        if self._distrust is not None and placement.state is LineState.READY:
            placement = self._doubt(placement, self._distrust)
        self.writer.put(placement)

    def _reevaluate(self, line: KnownLine, attendance: _Evaluated, hashes: LineHashes) -> None:
        """Evaluate a known attendance again, if its state allows and its day is or becomes ours."""
        is_ours = (line.hospital, line.business_day) == self.day
        if is_ours:
            self.seen.append(line.id)
        if line.state in INVITED:
            self.writer.persons.add(line.address, hashes.persons)
        if line.hospital != self.day.hospital:
            self.counts["other_hospital"] += 1
        elif not is_ours and not self._may_move(line):
            self.counts["other_day"] += 1
        elif line.state in MOVABLE and not is_ours:
            self.moved_from.append(line)
            placement = self._placement(attendance, hashes, self.terms.ask_until)
            self._change(line, placement, Transition.MOVED)
        elif line.state in MOVABLE:
            placement = self._placement(attendance, hashes, _later(line, self.terms.ask_until))
            if not self._stays(line, placement):
                self._change(line, placement, Transition.REEVALUATED)
        elif line.state == LineState.REFUSED and self._is_mended(line, attendance):
            placement = self._placement(attendance, hashes, _later(line, self.terms.ask_until))
            self._change(line, placement, Transition.CORRECTED)

    def _may_move(self, line: KnownLine) -> bool:
        """Tell whether an attendance of another day moves here: not if a newer reading had it."""
        return line.state in MOVABLE and not self._lookups.began_after(
            line.extraction, self.extraction
        )

    def _is_mended(self, line: KnownLine, attendance: _Evaluated) -> bool:
        """Tell whether the ERP corrected what Track refused by a 4xx."""
        if line.reason != Refusal.BY_STATUS:
            return False
        return attendance.line is None or line.digest not in self._keys.digests(attendance.line)

    def _stays(self, line: KnownLine, placement: Placement) -> bool:
        """Tell whether a line stays as it is; defer it where that is not known yet."""
        if line.state != LineState.EXCLUDED or line.area != placement.area:
            return False
        if placement.fields is None:
            return line.reason == placement.reason or (
                line.reason == Reason.EXPIRED and placement.reason == Reason.TOO_OLD
            )
        if (
            line.reason != Reason.SAME_PERSON
            or (line.channel, line.ask_until) != (placement.channel, placement.ask_until)
            or line.digest != self._keys.digest(placement.fields)
        ):
            return False
        self.deferred[line.address] = line, placement
        self.writer.persons.add(line.address, placement.hashes.persons)
        return True

    def _change(self, line: KnownLine, placement: Placement, transition: Transition) -> None:
        """Change a known line to its placement."""
        placement = placement._replace(known=line, transition=transition)
        if placement.state is LineState.EXCLUDED:
            if line.state in _ENDING:
                self.ended.append(line.id)
        elif line.state == LineState.HELD:
            placement = placement._replace(state=LineState.HELD)
        elif self._distrust and not is_trusted(self._connection, self._distrust, line):
            placement = self._doubt(placement, self._distrust)
        if (line.state, placement.state) not in RULES[placement.transition].pairs:
            message = f"{placement.transition} never takes a line from {line.state}"
            raise ValueError(message)
        self.writer.put(placement)

    def _doubt(self, placement: Placement, distrust: Distrust) -> Placement:
        """Return a placement in doubt: the line may have been sent before the restore."""
        unit = placement.area, placement.channel
        batch = self._doubts.setdefault(unit, str(uuid.uuid4()))
        self._doubted[batch] += 1
        return placement._replace(
            state=LineState.IN_DOUBT,
            transition=Transition.RESTORED,
            batch=batch,
            decision=distrust.decision,
        )


def _later(line: KnownLine, until: date | None) -> date | None:
    """Return the later of two limits: a reading never shortens a line's; None is none."""
    if line.ask_until is None or until is None:
        return None
    return max(line.ask_until, until)


def _lookup() -> Select[Any]:
    lines, envelopes, units = schema.lines, schema.envelopes, schema.units
    tables = {"lines": lines, "envelopes": envelopes, "units": units}
    columns = [
        next(table.c[name] for table in tables.values() if name in table.c)
        for name in KnownLine._fields
    ]
    return (
        select(*columns)
        .join_from(lines, envelopes, envelopes.c.id == lines.c.address // PLACES)
        .join(units, IS_OF_UNIT)
        .where(lines.c.source == bindparam("source"), among(lines.c.attendance_id, "ids"))
    )


_KNOWN = _lookup()
#: Locks lines; a claim meanwhile skips them, an exclusion waits.
_LOCK = (
    select(schema.lines.c.id)
    .where(
        schema.lines.c.source == bindparam("source"),
        among(schema.lines.c.attendance_id, "ids"),
        schema.lines.c.state.in_([state.value for state in (*MOVABLE, LineState.REFUSED)]),
    )
    .order_by(schema.lines.c.id)
    .with_for_update()
)


# -- look-ups ----------------------------------------------------------------------


class Lookups:
    """The ledger's look-ups for an evaluation, within one transaction.

    Args:
        connection: of the transaction.
        keys: hash what is asked for.
        source: the ERP whose attendances are evaluated.
    """

    def __init__(self, connection: Connection, keys: KeyRing, *, source: str) -> None:
        self._connection, self._keys, self._source = connection, keys, source
        self._started: dict[str, datetime | None] = {}

    def barred(self, patients: Sequence[LineHashes]) -> dict[int, frozenset[Channel]]:
        """Return the channels that patients opted out of, by position, of those who did."""
        opted_out = self._opted_out
        if not opted_out:
            return {}
        barred: dict[int, frozenset[Channel]] = {}
        for position, (persons, contacts, others) in enumerate(patients):
            theirs = {*persons, *contacts, *others} & opted_out.keys()
            if theirs:
                barred[position] = frozenset().union(*(opted_out[identity] for identity in theirs))
        return barred

    def forgotten(self, attendance_ids: Sequence[str]) -> set[str]:
        """Return those attendances that were asked once and whose lines are deleted."""
        if not attendance_ids or not self._forgot_any:
            return set()
        owners = {
            hashed.hash: attendance_id
            for attendance_id in attendance_ids
            for hashed in self._keys.attendance_hashes(attendance_id)
        }
        table = schema.forgotten
        rows = self._connection.scalars(
            select(table.c.hash).where(
                table.c.source == self._source, among(table.c.hash, "hashes")
            ),
            {"hashes": list(owners)},
        )
        return {owners[hash_] for hash_ in rows}

    def began_after(self, extraction: str, other: Extraction) -> bool:
        """Tell whether an extraction, if it is still known, began after another one."""
        if extraction not in self._started:
            table = schema.extractions
            self._started[extraction] = self._connection.scalar(
                select(table.c.started_at).where(table.c.id == extraction)
            )
        started = self._started[extraction]
        return started is not None and started > other.started_at

    @cached_property
    def _opted_out(self) -> dict[int, frozenset[Channel]]:
        table = schema.optouts
        channels: dict[int, frozenset[Channel]] = {}
        every = frozenset(Channel)
        for hash_, channel in self._connection.execute(select(table.c.hash, table.c.channel)):
            barred = frozenset((Channel(channel),)) if channel else every
            channels[hash_] = channels.get(hash_, frozenset()) | barred
        return channels

    @cached_property
    def _forgot_any(self) -> bool:
        table = schema.forgotten
        some = select(table.c.hash).where(table.c.source == self._source).limit(1)
        return self._connection.scalar(some) is not None
