"""After a backup was put back: what may have been sent since is in doubt until a person decides.

The ledger cannot know what it forgot. So all lines that wait are put in doubt. Of the days before
the restore, lines that a new reading would make ready are put in doubt as well: they may have been
found, judged and sent in the time that is lost. What a person reopened since then is trusted.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlalchemy import Connection, exists, select

from track_dispatch.errors import ConfigError, ForgottenDayError
from track_dispatch.ledger import schema
from track_dispatch.ledger.batches import insert_batch
from track_dispatch.ledger.creation import accept_server
from track_dispatch.ledger.database import LONG, Ledger
from track_dispatch.ledger.decisions import Decision, count_lines, deciding, record_decision
from track_dispatch.ledger.envelope_writer import KnownLine
from track_dispatch.ledger.envelopes import envelope_of, parse_places
from track_dispatch.ledger.schema import PLACES
from track_dispatch.ledger.sql import now_in
from track_dispatch.ledger.transitions import Transition, apply_transition
from track_dispatch.records import Actor, HospitalDay
from track_dispatch.states import WAITING, BatchState, LineState, Verb

#: What of a backup might have been sent after it was made.
_WAITED = (*WAITING, LineState.REOPENED)


@dataclass(frozen=True, slots=True)
class Distrust:
    """A backup was put back, and the ledger forgot what was done before that."""

    decision: int
    restored_at: datetime


def restore(ledger: Ledger, *, as_of: datetime, decision: Decision) -> int:
    """Put everything that waits in doubt, in a new batch for each unit; return how many lines.

    On PostgreSQL the server is accepted as the ledger's from now on.

    Args:
        ledger: open.
        as_of: the moment that the backup is of.
        decision: by whom, and why.

    Raises:
        ConfigError: `as_of` lies ahead.
    """
    with deciding(ledger, LONG) as connection:
        if as_of > now_in(connection):
            raise ConfigError(f"the backup cannot be of {as_of.isoformat()}: that is still to come")
        decided = record_decision(connection, decision, as_of=as_of)
        doubted = _doubt_waiting(connection, ledger, decided, decision.actor)
        count_lines(connection, decided, doubted)
        accept_server(connection)
    return doubted


def distrust_of(connection: Connection, day: HospitalDay, zone: tzinfo) -> Distrust | None:
    """Return the last restore, if it doubts what a reading of this day would make ready.

    Args:
        connection: of any transaction.
        day: the day that is read.
        zone: the hospital's.
    """
    decisions = schema.decisions
    last = connection.execute(
        select(decisions.c.id, decisions.c.at)
        .where(decisions.c.verb == Verb.RESTORED)
        .order_by(decisions.c.id.desc())
        .limit(1)
    ).one_or_none()
    if last is None or day.business_day >= last.at.astimezone(zone).date():
        return None
    return Distrust(last.id, last.at)


def is_forgotten(connection: Connection, day: HospitalDay) -> bool:
    """Tell whether the lines of a day were deleted when their time was over.

    A day on which somebody still waits stays whole, and is as well known as any other.
    """
    horizons, units = schema.horizons, schema.units
    past = horizons.c.hospital == day.hospital, horizons.c.first_known_day > day.business_day
    kept = units.c.hospital == day.hospital, units.c.business_day == day.business_day
    return bool(connection.scalar(select(exists().where(*past) & ~exists().where(*kept))))


def require_extractable(connection: Connection, day: HospitalDay) -> None:
    """Refuse a day of which nobody can tell any more who was asked.

    Raises:
        ForgottenDayError: its lines were deleted when their time was over.
    """
    if is_forgotten(connection, day):
        raise ForgottenDayError(
            f"{day}: the lines of this day were deleted after ledger_retention_days; nobody can"
            " tell any more who was asked"
        )


def open_doubt(connection: Connection, batch: str, *, unit: int, lines: int, decision: int) -> None:
    """Write a batch that was never posted, whose lines a person decides like any others'."""
    insert_batch(
        connection,
        state=BatchState.IN_DOUBT,
        id=batch,
        claim=str(uuid.uuid4()),
        survey="",
        unit=unit,
        lines=lines,
        validity_at=0,
        decision=decision,
    )


def is_trusted(connection: Connection, distrust: Distrust, line: KnownLine) -> bool:
    """Tell whether what has become of a known line since the restore is known.

    So it is where the line waits, for the restore itself left none that does; where it was in a
    batch since then, posted or doubted, and somebody settled that; and where a person reopened it.
    """
    if line.state in WAITING:
        return True
    batches = schema.batches
    since = select(batches.c.id).where(
        batches.c.id == line.batch, batches.c.created_at >= distrust.restored_at
    )
    if line.batch is not None and connection.scalar(since) is not None:
        return True
    return line.state == LineState.REOPENED and not _came_back(connection, line.address)


def _came_back(connection: Connection, address: int) -> bool:
    """Tell whether a reopened line was so by the machine, because another one had ended."""
    events = schema.events
    rows = connection.execute(
        select(events.c.places, events.c.transition)
        .where(
            events.c.envelope == envelope_of(address), events.c.state == LineState.REOPENED.value
        )
        .order_by(events.c.id.desc())
    )
    place = address % PLACES
    last = next((row.transition for row in rows if place in parse_places(row.places)), None)
    return last == Transition.CAME_BACK


def _doubt_waiting(connection: Connection, ledger: Ledger, decision: int, actor: Actor) -> int:
    lines, envelopes = schema.lines, schema.envelopes
    rows = connection.execute(
        select(envelopes.c.unit, lines.c.id)
        .join_from(lines, envelopes, envelopes.c.id == lines.c.address // PLACES)
        .where(lines.c.state.in_(_WAITED))
    )
    units = defaultdict[int, list[int]](list)
    for unit, line in rows:
        units[unit].append(line)
    for unit, ids in sorted(units.items()):
        batch = str(uuid.uuid4())
        open_doubt(connection, batch, unit=unit, lines=len(ids), decision=decision)
        apply_transition(
            connection,
            Transition.RESTORED,
            LineState.IN_DOUBT,
            lines.c.state.in_(_WAITED),
            ids=ids,
            keys=ledger.keys,
            actor=actor,
            decision=decision,
            batch=batch,
        )
    return sum(map(len, units.values()))
