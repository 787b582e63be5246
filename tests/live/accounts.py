"""Three accounts of the same attendances set beside each other: the ERPs', the ledger's, Track's.

The ERPs' is the second reading of the facts in plain Python that the SQL is tested by, too.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING

from demo.world import ROOT
from stand_ins.erp_data import TASY_SITES, erp_tables

if TYPE_CHECKING:
    from stand_ins.track_api import Received
    from tests.live.books import Line
    from track_dispatch.config import Hospital

    #: A source and an attendance id: the identity of a line.
    Key = tuple[str, str]

sys.path.append(str(ROOT / "tests" / "unit" / "extraction"))

#: States in which an attendance that Track has not accepted may rest.
ACCOUNTED = frozenset({"in_doubt", "refused", "excluded"})


def in_the_erp(hospital: Hospital, day: date, *, days: Sequence[date]) -> set[Key]:
    """Return the attendances of a hospital's day; `days` are those its ERP was filled with."""
    import expected_mv  # noqa: PLC0415 - found by the path above
    import expected_tasy  # noqa: PLC0415

    reading = expected_tasy if hospital.source in TASY_SITES else expected_mv
    found = reading.expected(hospital.code, erp_tables(hospital.source, days=days), day)
    return {(hospital.source, attendance) for attendance in found}


def lost(erp: Collection[Key], lines: Collection[Line], accepted: Collection[str]) -> list[str]:
    """Return what of the ERP neither Track has nor the ledger accounts for, in words."""
    by_key = {(line.source, line.attendance_id): line for line in lines}
    found = []
    for key in sorted(erp):
        line = by_key.get(key)
        if line is None:
            found.append(f"{key[0]}: not in the ledger")
        elif key[1] not in accepted and not _is_accounted_for(line):
            found.append(f"{line}: not at Track")
    return found


def claimed(lines: Collection[Line], accepted: Collection[str]) -> list[str]:
    """Return lines that the ledger calls accepted and Track has not got, in words."""
    return [
        f"{line}: not at Track"
        for line in lines
        if line.state == "accepted" and line.attendance_id not in accepted
    ]


def red_days(lines: Collection[Line]) -> set[tuple[str, date]]:
    """Return the days that must be red: lines in doubt, or a unit of which Track refused all."""
    units: defaultdict[tuple[str, date, str, str], set[str]] = defaultdict(set)
    for line in lines:
        if line.state != "excluded":
            unit = (line.hospital, line.business_day, line.area, line.channel)
            units[unit].add(line.state)
    return {
        unit[:2] for unit, states in units.items() if "in_doubt" in states or states == {"refused"}
    }


def posted_after(first: str, received: Sequence[Received]) -> tuple[set[str], int]:
    """Return the lines of the POST that was held, and how many later ones had one of them.

    It is known by its first line; earlier POSTs of that line were refused as a whole and split.
    """
    held = next(
        post for post in received if post.accepted and post.lines[0].cd_atendimento == first
    )
    ids = {line.cd_atendimento for line in held.lines}
    later = [
        post
        for post in received
        if post.number > held.number and ids & {line.cd_atendimento for line in post.lines}
    ]
    return ids, len(later)


def _is_accounted_for(line: Line) -> bool:
    return line.state in ACCOUNTED and (line.state == "in_doubt" or bool(line.reason))
