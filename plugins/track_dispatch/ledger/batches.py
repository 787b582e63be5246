"""Batches: the lines of one POST, from the moment it may go out to its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from track_dispatch.ledger import schema
from track_dispatch.ledger.schema import moment_in
from track_dispatch.records import BatchState, LineState

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection
    from sqlalchemy.sql.dml import ReturningInsert

    from track_dispatch.records import Actor, Unit


@dataclass(frozen=True, slots=True)
class ClaimedLine:
    """A line that is ours to send."""

    id: int
    attendance_id: str = field(repr=False)
    fields: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """The lines of one POST; `id` is its Idempotency-Key, the moments are unix seconds."""

    id: str
    claim_id: str
    survey_uuid: str
    unit: Unit
    validity_at: int
    reminder_at: int | None
    lines: tuple[ClaimedLine, ...]


class SurveyBusyError(Exception):
    """Another batch of the survey is in flight; for `seconds` more at most."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


_batches, _lines = schema.batches, schema.lines


def _opening(insert: Any) -> ReturningInsert[tuple[str]]:
    given = {"state": BatchState.SENDING, "lines": 0}
    given |= {"created_at": moment_in(), "changed_at": moment_in()}
    opening: ReturningInsert[tuple[str]] = (
        insert(_batches).values(given).on_conflict_do_nothing().returning(_batches.c.id)
    )
    return opening


_OPENING = {"postgresql": _opening(postgresql.insert), "sqlite": _opening(sqlite.insert)}
_IN_FLIGHT = select(func.max(_batches.c.lease_until), moment_in()).where(
    _batches.c.survey_uuid == bindparam("survey"), _batches.c.state == BatchState.SENDING
)
_COUNTING = update(_batches).where(_batches.c.id == bindparam("batch"))
_DROPPING = delete(_batches).where(_batches.c.id == bindparam("batch"))
_SPLITTING = (
    update(_batches)
    .where(_batches.c.claim_id == bindparam("claim"), _batches.c.state == BatchState.SENDING)
    .values(state=BatchState.SPLIT, changed_at=moment_in())
)
_CLOSING = (
    update(_batches)
    .where(
        _batches.c.id == bindparam("batch"),
        _batches.c.claim_id == bindparam("claim"),
        _batches.c.state.in_((BatchState.SENDING, BatchState.IN_DOUBT, BatchState.SPLIT)),
    )
    .values(changed_at=moment_in())
)
_CLOSING_EMPTIED = (
    update(_batches)
    .where(
        _batches.c.claim_id == bindparam("claim"),
        _batches.c.state.in_((BatchState.SENDING, BatchState.IN_DOUBT)),
        ~exists().where(
            _lines.c.batch_id == _batches.c.id,
            _lines.c.state.in_((LineState.SENDING, LineState.IN_DOUBT)),
        ),
    )
    .values(changed_at=moment_in())
)


def open_batch(
    connection: Connection,
    batch: Batch,
    lease_until: datetime,
    *,
    actor: Actor,
    split_from: str | None = None,
) -> None:
    """Put a batch in flight.

    Raises:
        SurveyBusyError: another batch of its survey is.
    """
    unit = batch.unit
    given = {
        "id": batch.id,
        "claim_id": batch.claim_id,
        "survey_uuid": batch.survey_uuid,
        "hospital": unit.hospital,
        "business_day": unit.business_day,
        "area": unit.area,
        "channel": unit.channel,
        "validity_at": batch.validity_at,
        "reminder_at": batch.reminder_at,
        "lease_until": lease_until,
        "split_from": split_from,
        "run_id": actor.run_id,
        "try_number": actor.try_number,
    }
    opened = connection.execute(_OPENING[connection.dialect.name], given).one_or_none()
    if opened is None:
        require_survey_free(connection, batch.survey_uuid)
        raise SurveyBusyError(0)  # it has ended between the two statements


def require_survey_free(connection: Connection, survey_uuid: str) -> None:
    """Refuse while a batch of the survey is in flight.

    Raises:
        SurveyBusyError: one is.
    """
    until, now = connection.execute(_IN_FLIGHT, {"survey": survey_uuid}).one()
    if until is not None:
        raise SurveyBusyError((until - now).total_seconds())


def count_posted(connection: Connection, batch_id: str, lines: int) -> None:
    """Note how many lines a batch goes out with."""
    connection.execute(_COUNTING, {"batch": batch_id, "lines": lines})


def drop_batch(connection: Connection, batch_id: str) -> None:
    """Take a batch back that found no lines."""
    connection.execute(_DROPPING, {"batch": batch_id})


def split_refused(connection: Connection, claim_id: str, status: int | None) -> None:
    """Take the claim's refused batch out of flight, so that its survey is free for a part."""
    connection.execute(_SPLITTING, {"claim": claim_id, "status": status})


def close_batch(connection: Connection, batch: Batch, state: BatchState, **values: Any) -> None:
    """Move a batch to its end, unless a person took it over meanwhile; None keeps what it has."""
    said = {name: value for name, value in values.items() if value is not None}
    connection.execute(
        _CLOSING, {"batch": batch.id, "claim": batch.claim_id, "state": state, **said}
    )


def close_emptied(connection: Connection, claim_id: str, state: BatchState) -> None:
    """Close the claim's other batches that have no line on its way any more.

    A late answer may empty a batch of leftovers, which nobody needs to decide on then.
    """
    connection.execute(_CLOSING_EMPTIED, {"claim": claim_id, "state": state})
