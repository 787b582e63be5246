"""What the ERP told, reading by reading, and what a patient said since: who may be asked, and how.

The ledger learns of it when a reading is applied. Claims and readings are told apart by the number
of the last event, so that what was read in the middle of a dispatch counts from there on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from track_dispatch.pipeline.transform import LACKING_LINES
from track_dispatch.records import HospitalDay

if TYPE_CHECKING:
    from sqlalchemy import Row

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
        self, facts: Facts, before: Facts | None, gate: Callable[[str], VolumeGate | None]
    ) -> None:
        """Note what the ledger has just learned from the ERP.

        Args:
            facts: how the ledger stands.
            before: how it stood before.
            gate: of a hospital by its code; None: no volume is judged.
        """
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
                facts.last_event,
                newest,
                held=_not_let_go(facts, before, gate) & gated,
                lacked=frozenset(lacked),
            )
        )

    def note_opt_out(
        self, last_event: int, values: frozenset[str], channel: Channel | None
    ) -> None:
        """Note what a patient said after an event."""
        said = frozenset((value, channel) for value in values)
        self.changes.append(Change(last_event, opted_out=said))

    def take(self, change: Change) -> None:
        """Let a change count from now on."""
        self.newest |= change.newest
        self.opted_out |= change.opted_out


def _not_let_go(
    facts: Facts, before: Facts | None, gate: Callable[[str], VolumeGate | None]
) -> set[HospitalDay]:
    """Return the days whose last question got no yes: an old one, or one about an odd volume.

    A new question about a usual volume, or about one that got a yes before, is only about held
    lines that moved there.
    """
    asked = before.approvals if before else ()
    old = {HospitalDay(row.hospital, row.business_day): row for row in asked}
    last = {HospitalDay(row.hospital, row.business_day): row for row in facts.approvals}
    held = set()
    for day, row in last.items():
        judged, earlier = gate(day.hospital), old.get(day)
        if row.answer == _APPROVED or judged is None:
            continue
        is_new = earlier is None or earlier.id != row.id
        has_yes = earlier is not None and earlier.answer == _APPROVED
        if has_yes and abs(earlier.volume - row.volume) < judged.min_lines:
            continue
        if (earlier is not None and not has_yes) or (is_new and _is_odd(row, judged, facts)):
            held.add(day)
    return held


def _is_odd(row: Row[Any], gate: VolumeGate, facts: Facts) -> bool:
    """Tell whether the volume asked about is far from that of the weeks before; one is enough."""
    weeks = {
        (row.business_day - extraction.business_day).days
        for extraction in facts.extractions
        if extraction.hospital == row.hospital and extraction.applied_at is not None
    }
    if not any(days > 0 and days % 7 == 0 for days in weeks):
        return False
    far = abs(row.volume - row.usual) >= gate.min_lines
    return far and not gate.low * row.usual <= row.volume <= gate.high * row.usual


def _lacks_most(reading: Reading, facts: Facts, before: Facts | None, min_lines: int) -> bool:
    """Tell whether a reading lacks most of what the ledger knew of its day."""
    if before is None:
        return False
    known = Counter(
        line.attendance_id in reading.found
        for line in before.lines.values()
        if before.day_at(line.address) == reading.day
        and (line.attendance_id in reading.found or _stayed_away(line, facts, reading.day))
    )
    return known[False] >= max(min_lines, 1) and known[False] > known[True]


def _stayed_away(line: Row[Any], facts: Facts, day: HospitalDay) -> bool:
    """Tell whether a line that a reading lacks is still of its day, and was not gone before."""
    now = facts.lines.get(line.id)
    return line.reason != "gone" and now is not None and facts.day_at(now.address) == day
