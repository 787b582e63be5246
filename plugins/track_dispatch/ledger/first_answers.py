"""The first successes that Track answered an installation with: what they looked like, no value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, select

from track_dispatch.ledger.schema import PLACES, batches, lines
from track_dispatch.states import BatchState, LineState

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """A 2xx, as far as the ledger keeps it.

    Attributes:
        at: when its batch was claimed.
        is_rehearsal: whether its lines were invented.
        status: of HTTP.
        has_receipt: whether it held a receipt, also one that proves nothing.
        state: what became of the batch.
        posted: lines that were posted.
        accepted: lines that count as accepted now; a rehearsal has none.
        refused: lines that it named as faulty.
    """

    at: datetime
    is_rehearsal: bool
    status: int
    has_receipt: bool
    state: BatchState
    posted: int
    accepted: int
    refused: int


def first_answers(connection: Connection, *, limit: int = 10) -> list[FirstAnswer]:
    """Return the installation's first batches that were answered with a 2xx, the oldest first."""
    first = (
        select(batches)
        .where(batches.c.status.between(200, 299))
        .order_by(batches.c.created_at, batches.c.id)
        .limit(limit)
        .subquery()
    )
    own = and_(
        lines.c.batch == first.c.id,
        lines.c.address >= first.c.envelope * PLACES,
        lines.c.address < (first.c.envelope + 1) * PLACES,
    )
    counted = (
        select(
            *(first.c[name] for name in ("id", "created_at", "unit", "status", "state", "lines")),
            first.c.receipt.is_not(None).label("has_receipt"),
            func.count().filter(lines.c.state == LineState.ACCEPTED).label("accepted"),
            func.count().filter(lines.c.state == LineState.REFUSED).label("refused"),
        )
        .select_from(first.outerjoin(lines, own))
        .group_by(*first.c)
        .order_by(first.c.created_at, first.c.id)
    )
    return [
        FirstAnswer(
            at=row.created_at,
            is_rehearsal=row.unit is None,
            status=row.status,
            has_receipt=row.has_receipt,
            state=BatchState(row.state),
            posted=row.lines,
            accepted=row.accepted,
            refused=row.refused,
        )
        for row in connection.execute(counted)
    ]
