"""Delete and anonymise what has reached its retention limit.

Ages count by the database's clock, patients' days from the business day. Nothing open is deleted.
The work is done in short transactions, each in its turn, so that no claim waits long; what was done
before a failure stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, delete, exists, or_, select, update

from track_dispatch.ledger import schema
from track_dispatch.ledger.contact_policy import come_back
from track_dispatch.ledger.database import LONG, Ledger
from track_dispatch.ledger.envelopes import unit_id
from track_dispatch.ledger.extractions import is_fresh
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.schema import (
    IS_OF_UNIT,
    IS_OPEN_ENVELOPE,
    addresses_in,
    in_units,
    placed,
)
from track_dispatch.ledger.sql import DAY, among, insert_into, moment_in
from track_dispatch.ledger.transitions import Transition, apply_transition
from track_dispatch.records import Actor
from track_dispatch.states import BatchState, LineState, Reason

#: Days that staged rows wait for a transform.
STAGED_DAYS = 3
#: The rows of one transaction.
LINES_AT_ONCE, ENVELOPES_AT_ONCE, UNITS_AT_ONCE = 500, 10, 20

_units, _envelopes, _lines = schema.units, schema.envelopes, schema.lines
_batches, _extractions, _identities = schema.batches, schema.extractions, schema.identities
_WAITED = (LineState.READY, LineState.HELD, LineState.REOPENED)


T = TypeVar("T")

#: Something waits in an envelope.
_WAITS = or_(_envelopes.c.waiting > 0, _envelopes.c.reopened > 0)
#: A batch is under way or in doubt, or has a lease.
_IS_OPEN_BATCH = or_(
    _batches.c.lease_until.is_not(None),
    _batches.c.state.in_((BatchState.SENDING, BatchState.IN_DOUBT)),
)


class OldPayloads(NamedTuple):
    """Lines whose payload was too old to be sent: those to read again, and held ones."""

    reopened: int
    erased: int


def known_hospitals(connection: Connection) -> list[str]:
    """Return the codes of all hospitals that the ledger has days of, whatever files there are."""
    return sorted(connection.scalars(select(_units.c.hospital).distinct()))


def record_tidied(ledger: Ledger) -> None:
    """Record that housekeeping has finished."""
    with ledger.writing() as connection:
        connection.execute(update(schema.ledger).values(tidied_at=moment_in()))


# -- what waits --------------------------------------------------------------------


def expire_past(ledger: Ledger, *, hospital: str, today: date, actor: Actor) -> int:
    """Exclude waiting lines that may no longer be asked; return how many.

    A line may be asked up to and on its last day; `today` is the hospital's.
    """
    with ledger.reading() as connection:
        waiting = placed(connection, IS_OPEN_ENVELOPE, _units.c.hospital == hospital)
        overdue = select(_lines.c.address).where(
            among(_lines.c.address, "addresses"),
            _lines.c.state.in_(_WAITED),
            _lines.c.ask_until < today,
        )
        found = sorted(connection.scalars(overdue, {"addresses": addresses_in(waiting)}))
    expired = 0
    for addresses in _in_parts(found, LINES_AT_ONCE):
        with ledger.writing_in_turn() as connection:
            moved = apply_transition(
                connection,
                Transition.EXPIRED,
                LineState.EXCLUDED,
                _lines.c.ask_until < today,
                addresses=addresses,
                keys=ledger.keys,
                actor=actor,
                reason=Reason.EXPIRED,
            )
            ids = [line.id for line in moved]
            come_back(connection, ledger.keys, ids, actor=actor, today=today)
        expired += len(moved)
    return expired


def drop_old_payloads(ledger: Ledger, *, max_age_hours: float, actor: Actor) -> OldPayloads:
    """Delete payloads of readings that are too old to be sent.

    Ready lines are reopened. Held lines stay held without their payload: a release reopens them.
    """
    is_known = exists().where(_extractions.c.id == _envelopes.c.extraction)
    too_old = _envelopes.c.payload.is_not(None), is_known, ~is_fresh(max_age_hours)
    with ledger.reading() as connection:
        found = placed(connection, IS_OPEN_ENVELOPE, *too_old)
    reopened = erased = 0
    for envelopes in _in_parts(sorted(found), ENVELOPES_AT_ONCE):
        with ledger.writing_in_turn() as connection:
            moved = apply_transition(
                connection,
                Transition.OUTDATED,
                LineState.REOPENED,
                addresses=addresses_in(envelopes),
                keys=ledger.keys,
                actor=actor,
            )
            of_held = connection.scalars(
                update(_envelopes)
                .where(
                    _envelopes.c.id.in_([envelope.id for envelope in envelopes]),
                    _envelopes.c.payload.is_not(None),
                )
                .values(payload=None, version=_envelopes.c.version + 1)
                .returning(_envelopes.c.waiting)
            )
            erased += sum(of_held)
        reopened += len(moved)
    return OldPayloads(reopened, erased)


def erase_staged(ledger: Ledger) -> int:
    """Erase staged rows that no transform has applied in time; return how many extractions.

    An extraction without its rows is no longer complete: applied as it is, it would say that the
    day has no patients.
    """
    staged = schema.staged
    old = select(_extractions.c.id).where(_extractions.c.started_at < moment_in(-STAGED_DAYS * DAY))
    with ledger.long_writing() as connection:
        left = select(staged.c.extraction).where(staged.c.extraction.in_(old)).distinct()
        found = list(connection.scalars(left))
        connection.execute(delete(staged).where(staged.c.extraction.in_(found)))
        connection.execute(
            update(_extractions)
            .where(_extractions.c.id.in_(found), _extractions.c.applied_at.is_(None))
            .values(completed_at=None)
        )
    return len(found)


# -- what is settled ---------------------------------------------------------------


def anonymise(ledger: Ledger, *, hospital: str, before: date, days: float) -> int:
    """Anonymise old settled lines; return how many.

    Identities go, and so do digests, area, channel and survey, which tell of the illness. Source,
    attendance, day, state, reason, batch and the moments stay. Lines are old when their business
    day is before `before` and the last batch of their unit is more than `days` ago.
    """
    recent = _batches.c.created_at >= moment_in(-days * DAY)
    query = select(_units.c.id).where(
        _units.c.hospital == hospital,
        _units.c.business_day < before,
        or_(_units.c.area != "", _units.c.channel != ""),
        exists().where(IS_OF_UNIT),
        ~exists().where(_batches.c.unit == _units.c.id, or_(recent, _IS_OPEN_BATCH)),
        ~exists().where(IS_OF_UNIT, _WAITS),
    )
    with ledger.reading() as connection:
        found = sorted(connection.scalars(query))
    anonymised = 0
    for units in _in_parts(found, UNITS_AT_ONCE):
        with ledger.writing_in_turn(LONG) as connection:
            # queried again: a claim may have come between
            for unit in connection.scalars(query.where(_units.c.id.in_(units))).all():
                anonymised += _anonymise_unit(connection, unit)
    return anonymised


def purge(ledger: Ledger, *, hospital: str, first_known_day: date) -> int:
    """Delete the days before `first_known_day`, which are refused from now on; count the lines.

    A day with a line that something still has to happen to stays whole. Of every line that was
    ever asked there stays a keyed hash of its attendance: the ERP may give it another day.
    """
    with ledger.writing() as connection:
        _move_horizon(connection, hospital, first_known_day)
    purged = 0
    for business_day in _past_days(ledger, hospital, first_known_day):
        with ledger.writing_in_turn(LONG) as connection:
            purged += _purge_day(connection, ledger.keys, hospital, business_day)
    return purged


def _anonymise_unit(connection: Connection, unit: int) -> int:
    """Move a unit's envelopes and batches to the day's unit without area and channel."""
    of = connection.execute(select(_units).where(_units.c.id == unit)).one()
    ids = _line_ids(connection, [unit])
    _delete_among(connection, _identities, _identities.c.line, ids)
    connection.execute(
        update(_lines).where(among(_lines.c.id, "ids")).values(digest=None), {"ids": ids}
    )
    blank = unit_id(connection, of.hospital, of.business_day, "", "")
    connection.execute(update(_envelopes).where(_envelopes.c.unit == unit).values(unit=blank))
    ended = _batches.c.state.not_in((BatchState.SENDING, BatchState.IN_DOUBT))
    connection.execute(
        update(_batches).where(_batches.c.unit == unit, ended).values(unit=blank, survey="")
    )
    return len(ids)


def _past_days(ledger: Ledger, hospital: str, first_known_day: date) -> list[date]:
    with ledger.reading() as connection:
        found: set[date] = set()
        for table in (_units, _extractions):
            past = (table.c.hospital == hospital, table.c.business_day < first_known_day)
            found |= set(connection.scalars(select(table.c.business_day).where(*past).distinct()))
    return sorted(found)


def _purge_day(connection: Connection, keys: KeyRing, hospital: str, business_day: date) -> int:
    def of(table: Any) -> tuple[Any, Any]:
        return table.c.hospital == hospital, table.c.business_day == business_day

    units = list(connection.scalars(select(_units.c.id).where(*of(_units))))
    if _is_open(connection, units):
        return 0
    envelopes = list(connection.scalars(select(_envelopes.c.id).where(in_units(units))))
    ids = _line_ids(connection, units)
    _remember_asked(connection, keys, ids)
    for table, column, values in (
        (_identities, _identities.c.line, ids),
        (_lines, _lines.c.id, ids),
        (schema.events, schema.events.c.envelope, envelopes),
        (_envelopes, _envelopes.c.id, envelopes),
        (_batches, _batches.c.unit, units),
        (_units, _units.c.id, units),
    ):
        _delete_among(connection, table, column, values)
    ended = select(_extractions.c.id).where(*of(_extractions))
    connection.execute(delete(schema.staged).where(schema.staged.c.extraction.in_(ended)))
    for table in (_extractions, schema.approvals):
        connection.execute(delete(table).where(*of(table)))
    return len(ids)


def _is_open(connection: Connection, units: list[int]) -> bool:
    """Tell whether a line of these units is open."""
    waits = exists().where(in_units(units), _WAITS)
    posted = exists().where(_batches.c.unit.in_(units), _IS_OPEN_BATCH)
    return bool(connection.scalar(select(or_(waits, posted))))


def _remember_asked(connection: Connection, keys: KeyRing, ids: list[int]) -> None:
    """Record keyed hashes of attendances that were asked once."""
    asked = connection.execute(
        select(_lines.c.id, _lines.c.source, _lines.c.attendance_id).where(
            among(_lines.c.id, "ids"), or_(_lines.c.batch.is_not(None), _lines.c.released)
        ),
        {"ids": ids},
    )
    rows = [
        {
            "source": line.source,
            "hash": digest.hash,
            "key": digest.key,
            "line": line.id,
        }
        for line in asked
        for digest in keys.attendance_hashes(line.attendance_id)
    ]
    if rows:
        new = insert_into(connection, schema.forgotten).on_conflict_do_nothing()
        connection.execute(new, rows)


def _move_horizon(connection: Connection, hospital: str, day: date) -> None:
    """Refuse the days before this one; a horizon never moves back."""
    horizons = schema.horizons
    new = insert_into(connection, horizons).values(hospital=hospital, first_known_day=day)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["hospital"],
            set_={"first_known_day": new.excluded.first_known_day},
            where=horizons.c.first_known_day < new.excluded.first_known_day,
        )
    )


# -- parts -------------------------------------------------------------------------


def _in_parts(found: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield what was found in parts of as many as are worked on in one transaction."""
    for start in range(0, len(found), size):
        yield found[start : start + size]


def _line_ids(connection: Connection, units: list[int]) -> list[int]:
    """Return the ids of the lines that lie in units."""
    addresses = addresses_in(placed(connection, in_units(units)))
    found = select(_lines.c.id).where(among(_lines.c.address, "addresses"))
    return sorted(connection.scalars(found, {"addresses": addresses}))


def _delete_among(connection: Connection, table: Any, column: Any, values: list[int]) -> None:
    connection.execute(delete(table).where(among(column, "values")), {"values": values})
