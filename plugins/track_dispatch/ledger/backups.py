"""Put lines in doubt after a restore from a backup: they may have been sent since it was made.

All waiting lines are put in doubt, and, of the days before the restore, also lines that a new
reading would make ready: they may have been found, judged and sent in the time that is lost. Lines
that a person reopened since the restore are trusted.
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

#: States of a line in a backup that may have been sent after it was made.
_WAITED = (*WAITING, LineState.REOPENED)


@dataclass(frozen=True, slots=True)
class Distrust:
    """A restore from a backup: what was done between the two moments is unknown."""

    decision: int
    restored_at: datetime


def restore(ledger: Ledger, *, as_of: datetime, decision: Decision) -> int:
    """Put all waiting lines in doubt, in a new batch for each unit; return their number.

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
    """Return the last restore, if lines that a reading of this day makes ready are in doubt for it.

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
    """Tell whether retention has deleted the lines of a day.

    A day with a line that still waits is not deleted.
    """
    horizons, units = schema.horizons, schema.units
    past = horizons.c.hospital == day.hospital, horizons.c.first_known_day > day.business_day
    kept = units.c.hospital == day.hospital, units.c.business_day == day.business_day
    return bool(connection.scalar(select(exists().where(*past) & ~exists().where(*kept))))


def require_extractable(connection: Connection, day: HospitalDay) -> None:
    """Refuse a day whose lines were deleted, so that it is unknown who was asked.

    Raises:
        ForgottenDayError: its lines were deleted.
    """
    if is_forgotten(connection, day):
        raise ForgottenDayError(
            f"{day}: the lines of this day were deleted after ledger_retention_days; nobody can"
            " tell any more who was asked"
        )


def open_doubt(connection: Connection, batch: str, *, unit: int, lines: int, decision: int) -> None:
    """Record a batch in doubt that was never posted, for lines that a person must decide about."""
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
    """Tell whether the history of a known line since the restore is certain.

    It is if the line waits, as the restore left no waiting line; if it was in a batch since then
    that was settled; and if a person reopened it.
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
    """Tell whether a line was reopened without a person, because another line had ended."""
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
