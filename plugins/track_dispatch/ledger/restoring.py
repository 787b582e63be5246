"""After a backup was put back: what may have been sent since is in doubt until a person decides.

The ledger cannot know what it forgot. So everything that waits is doubted, a day that it does not
know is refused, and on a day that it knows whatever a new extraction wakes is doubted as well:
it may have been found, and sent, in the time that is lost. `allow-day` lifts that for a day.
"""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from track_dispatch.errors import ConfigError
from track_dispatch.ledger import schema
from track_dispatch.ledger.decisions import count_lines, record_decision
from track_dispatch.ledger.moves import NO_CLAIM, move
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.transitions import Transition
from track_dispatch.records import BatchState, LineState, Verb

if TYPE_CHECKING:
    from datetime import date, datetime, tzinfo

    from sqlalchemy import ColumnElement, Connection

    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Actor, Decision

_UNIT = ("hospital", "business_day", "area", "channel")


class Trust(StrEnum):
    """What the ledger can say of a business day."""

    FULL = "full"
    """No backup was put back since, or a person allowed the day."""
    DOUBTED = "doubted"
    """Known, but not what was done after the backup."""
    UNKNOWN = "unknown"
    """It may have been done after the backup: nobody can tell."""
    FORGOTTEN = "forgotten"
    """Its lines were deleted when their time was over."""


def restore(ledger: Ledger, *, as_of: datetime, decision: Decision) -> int:
    """Put everything that waits in doubt, in new batches by unit; return how many lines.

    Raises:
        ConfigError: `as_of` lies ahead.
    """
    with ledger.writing() as connection:
        now = connection.execute(select(moment_in())).scalar_one()
        if as_of > now:
            message = f"the backup cannot be of {as_of.isoformat()}: that is still to come"
            raise ConfigError(message)
        decision_id = record_decision(connection, decision, as_of=as_of)
        count = doubt_waiting(connection, actor=decision.actor, decision_id=decision_id)
        count_lines(connection, decision_id, count)
    return count


def allow_day(ledger: Ledger, *, hospital: str, business_day: date, decision: Decision) -> None:
    """Take a person's word that a day may be extracted as if no backup had been put back."""
    with ledger.writing() as connection:
        record_decision(connection, decision, hospital=hospital, business_day=business_day)


def doubt_waiting(
    connection: Connection, *where: ColumnElement[bool], actor: Actor, decision_id: int
) -> int:
    """Put what waits, among `where`, in doubt: one new batch for each unit; return how many."""
    lines = schema.lines
    kinds = [lines.c[name] for name in _UNIT]
    waiting = lines.c.state.in_((LineState.READY, LineState.HELD))
    units = connection.execute(
        select(*kinds, func.count().label("count")).where(waiting, *where).group_by(*kinds)
    ).mappings()
    moved = 0
    for unit in units.all():
        batch_id = str(uuid.uuid4())
        batch = _doubtful(batch_id, dict(unit)) | {"decision_id": decision_id}
        connection.execute(insert(schema.batches).values(batch))
        moved += len(
            move(
                connection,
                Transition.RESTORED,
                LineState.IN_DOUBT,
                *(lines.c[name] == unit[name] for name in _UNIT),
                *where,
                actor=actor,
                decision_id=decision_id,
                batch_id=batch_id,
                **NO_CLAIM,
            )
        )
    return moved


def trust_in(
    connection: Connection, *, hospital: str, business_day: date, zone: tzinfo
) -> tuple[Trust, int | None]:
    """Tell what the ledger can say of a day, and by which `restored` it is doubted."""
    horizons, decisions, extractions = schema.horizons, schema.decisions, schema.extractions
    horizon = select(horizons.c.first_known_day).where(horizons.c.hospital == hospital)
    first_known = connection.scalar(horizon)
    if first_known is not None and business_day < first_known:
        return Trust.FORGOTTEN, None
    last = connection.execute(
        select(decisions.c.id, decisions.c.at)
        .where(decisions.c.what == Verb.RESTORED)
        .order_by(decisions.c.id.desc())
        .limit(1)
    ).one_or_none()
    if last is None or business_day >= last.at.astimezone(zone).date():
        return Trust.FULL, None
    day = {"hospital": hospital, "business_day": business_day}
    allowed = select(decisions.c.id).where(
        decisions.c.what == Verb.ALLOW_DAY, decisions.c.id > last.id, *_equal(decisions, day)
    )
    if connection.scalar(allowed.limit(1)) is not None:
        return Trust.FULL, None
    known = select(extractions.c.id).where(
        extractions.c.applied_at < last.at, *_equal(extractions, day)
    )
    if connection.scalar(known.limit(1)) is not None:
        return Trust.DOUBTED, last.id
    return Trust.UNKNOWN, last.id


def require_extractable(
    connection: Connection, *, hospital: str, business_day: date, zone: tzinfo
) -> int | None:
    """Refuse a day of which nobody can tell who was asked; return the `restored` that doubts it.

    Raises:
        ConfigError: it was deleted, or may have been done after a backup that was put back.
    """
    trust, restored = trust_in(connection, hospital=hospital, business_day=business_day, zone=zone)
    if trust is Trust.FORGOTTEN:
        raise ConfigError(
            f"{hospital} {business_day}: the lines of this day were deleted after"
            " ledger_retention_days; nobody can tell any more who was asked"
        )
    if trust is Trust.UNKNOWN:
        raise ConfigError(
            f"{hospital} {business_day}: a backup was put back since, and the ledger does not know"
            " this day: it may have been sent. If it certainly was not: `python -m track_dispatch"
            f" ledger allow-day {hospital} {business_day} --by --why`"
        )
    return restored


def _equal(table: Any, values: dict[str, Any]) -> list[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in values.items()]


def _doubtful(batch_id: str, unit: dict[str, Any]) -> dict[str, Any]:
    """Make a batch that was never posted, for people to decide on."""
    return {
        **{name: unit[name] for name in _UNIT},
        "id": batch_id,
        "claim_id": str(uuid.uuid4()),
        "survey_uuid": "",
        "state": BatchState.IN_DOUBT,
        "lines": unit["count"],
        "validity_at": 0,
        "lease_until": moment_in(),
        "created_at": moment_in(),
        "changed_at": moment_in(),
    }
