"""What the ERP told, reading by reading, and what a patient said since: who may be asked, and how.

The ledger learns of it when a reading is applied. Claims and readings are told apart by the number
of the last event, so that what was read in the middle of a dispatch counts from there on.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from tests.proof.model_facts import read_facts
from track_dispatch.ledger import schema
from track_dispatch.pipeline.transform import LACKING_LINES
from track_dispatch.records import HospitalDay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection, Row

    from tests.proof.model_erp import Attendance
    from tests.proof.model_facts import Facts
    from track_dispatch.config.policies import VolumeGate
    from track_dispatch.records import Channel

#: Answers that let a held day go.
_APPROVED = "approved"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one extraction brought: attendances by number, and how many rows."""

    day: HospitalDay
    found: Mapping[str, Attendance]
    rows: int


@dataclass(frozen=True, slots=True)
class Change:
    """What the ledger learned between two events.

    Attributes:
        after: the last event before it.
        newest: attendances as they were read; None: the newest reading of their day lacks them.
        opted_out: values of patients who do not want to be asked, with the channel (None: all).
        held: days that a person has not let go.
        lacked: days whose reading lacks most of what was known.
    """

    after: int
    newest: Mapping[str, Attendance | None] = field(default_factory=dict)
    opted_out: frozenset[tuple[str, Channel | None]] = frozenset()
    held: frozenset[HospitalDay] = frozenset()
    lacked: frozenset[HospitalDay] = frozenset()


@dataclass
class Readings:
    """All readings, and what of them the ledger has learned.

    `contents` are by run and try: an extraction's own id is the product's matter.
    """

    contents: dict[tuple[str, int, HospitalDay], Reading] = field(default_factory=dict)
    newest: dict[str, Attendance | None] = field(default_factory=dict)
    opted_out: frozenset[tuple[str, Channel | None]] = frozenset()
    applied: frozenset[str] = frozenset()
    changes: list[Change] = field(default_factory=list)

    def copy(self) -> Readings:
        """Return what the ledger knows, for a backup."""
        return replace(self, newest=dict(self.newest), changes=list(self.changes))

    def of(self, extraction: Row[Any]) -> Reading:
        """Return what an extraction brought."""
        day = HospitalDay(extraction.hospital, extraction.business_day)
        return self.contents[extraction.run_id, extraction.try_number, day]

    def note_applied(
        self, connection: Connection, before: Facts | None, gate: Callable[[str], VolumeGate | None]
    ) -> None:
        """Note what the ledger has just learned from the ERP.

        Args:
            connection: of a reading transaction.
            before: how the ledger stood before.
            gate: of a hospital by its code; None: no volume is judged.
        """
        facts = read_facts(connection)
        new = [
            row
            for row in sorted(facts.extractions, key=lambda row: str(row.applied_at))
            if row.applied_at is not None and row.id not in self.applied
        ]
        if not new:
            return
        newest: dict[str, Attendance | None] = {}
        lacked: set[HospitalDay] = set()
        days = {row.attendance_id: facts.day_at(row.address) for row in facts.lines.values()}
        gated: set[HospitalDay] = set()
        for extraction in new:
            reading = self.of(extraction)
            judged = gate(extraction.hospital)
            # a backfill is somebody's will: its volume is not judged
            if judged is not None and not extraction.run_id.startswith("backfill"):
                gated.add(reading.day)
            if _lacks_most(reading, facts, before, judged.min_lines if judged else LACKING_LINES):
                lacked.add(reading.day)
            for number, day in days.items():
                if day == reading.day and (number in reading.found or reading.day not in lacked):
                    newest[number] = reading.found.get(number)
        self.applied |= {row.id for row in new}
        self.changes.append(
            Change(
                _last_event(connection),
                newest,
                held=_not_let_go(facts) & gated,
                lacked=frozenset(lacked),
            )
        )

    def note_opt_out(
        self, connection: Connection, values: frozenset[str], channel: Channel | None
    ) -> None:
        """Note what a patient said."""
        said = frozenset((value, channel) for value in values)
        self.changes.append(Change(_last_event(connection), opted_out=said))

    def take(self, change: Change) -> None:
        """Let a change count from now on."""
        self.newest |= change.newest
        self.opted_out |= change.opted_out


def _last_event(connection: Connection) -> int:
    return connection.scalar(select(func.max(schema.events.c.id))) or 0


def _not_let_go(facts: Facts) -> set[HospitalDay]:
    """Return the days whose last question got no yes."""
    last = {HospitalDay(row.hospital, row.business_day): row.answer for row in facts.approvals}
    return {day for day, answer in last.items() if answer != _APPROVED}


def _lacks_most(reading: Reading, facts: Facts, before: Facts | None, min_lines: int) -> bool:
    """Tell whether a reading lacks most of what the ledger knew of its day."""
    reasons = {id_: row.reason for id_, row in before.lines.items()} if before else {}
    known = Counter(
        line.attendance_id in reading.found
        for line in facts.lines.values()
        if line.id in reasons
        and facts.day_at(line.address) == reading.day
        and (line.attendance_id in reading.found or reasons[line.id] != "gone")
    )
    return known[False] >= max(min_lines, 1) and known[False] > known[True]
