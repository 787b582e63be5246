"""The switch that stops all hospitals: asked in the transaction that opens each batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from track_dispatch.errors import LogOnRefusedError, ServiceStoppedError
from track_dispatch.ledger import schema
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.decisions import Decision, deciding, record_decision
from track_dispatch.ledger.sql import insert_into, moment_in
from track_dispatch.records import Actor

_stops = schema.stops


@dataclass(frozen=True, slots=True)
class Stop:
    """Why nothing may be sent."""

    id: int
    stopped_at: datetime
    hospital: str
    why: str
    status: int | None


_STANDING = (
    select(*(_stops.c[name] for name in Stop.__slots__))
    .where(_stops.c.resumed_at.is_(None))
    .order_by(_stops.c.id)
)


def stop_service(
    ledger: Ledger, *, hospital: str, why: str, status: int | None, actor: Actor
) -> bool:
    """Close the switch: no hospital sends anything until a person resumes.

    One stop stands for one cause: while it does, the same cause adds none.

    Args:
        ledger: open.
        hospital: whose dispatch met it.
        why: ours, from the table of outcomes; it carries nothing of an answer.
        status: HTTP status of the answer.
        actor: who met it.

    Returns:
        Whether this stop is a new one.
    """
    with ledger.writing_in_turn() as connection:
        if any((stop.why, stop.status) == (why, status) for stop in standing_stops(connection)):
            return False
        connection.execute(
            insert(_stops).values(
                stopped_at=moment_in(),
                why=why,
                status=status,
                hospital=hospital,
                actor=actor.name,
                run_id=actor.run_id,
                try_number=actor.try_number,
            )
        )
        return True


def resume_service(ledger: Ledger, decision: Decision) -> int:
    """Open the switch again, and let refused log-ons be tried; return how many that ended.

    Raises:
        DecisionRefusedError: the run that decides this has done so before.
    """
    with deciding(ledger) as connection:
        ended = connection.execute(
            update(_stops)
            .where(_stops.c.resumed_at.is_(None))
            .values(resumed_at=moment_in(), decision=record_decision(connection, decision))
        )
        return int(ended.rowcount) + forget_refused_log_ons(connection)


def standing_stops(connection: Connection) -> list[Stop]:
    """Return the stops that no person has ended, the first one first."""
    return [Stop(*row) for row in connection.execute(_STANDING)]


def require_running(connection: Connection) -> None:
    """Refuse to go on while the switch is closed.

    Raises:
        ServiceStoppedError: it says since when, and what to do.
    """
    for stop in standing_stops(connection):
        raise ServiceStoppedError(
            f"sending is stopped for all hospitals since {stop.stopped_at:%Y-%m-%d %H:%M} UTC"
            f" ({stop.hospital}: {stop.why}): when a person has looked, `resume` (track_decide, or"
            " `python -m track_dispatch resume --by --why`), then clear dispatch",
            status=stop.status,
        )


# -- refused log-ons ---------------------------------------------------------------


_refused = schema.refused_log_ons


@contextmanager
def tried_once(ledger: Ledger, account: bytes, *, conn_id: str) -> Iterator[None]:
    """Let nobody try again to log on to an account that refused what the connection says.

    It holds until the connection says something else, or a person resumes.

    Args:
        ledger: open.
        account: the ERP, the user and the password; a secret, of which only a keyed digest is kept.
        conn_id: the Airflow connection, for the message.

    Raises:
        LogOnRefusedError: it was refused before; the ERP has not been asked.
    """
    digests = ledger.keys.account_digests(account)
    with ledger.reading() as connection:
        known = connection.execute(select(_refused).where(_refused.c.digest.in_(digests))).first()
    if known is not None:
        raise LogOnRefusedError(
            f"connection {conn_id}: the ERP refused its user and password at"
            f" {known.refused_at:%Y-%m-%d %H:%M} UTC (connection {known.conn_id}), and is not asked"
            " again: failed log-ons lock the account. Correct the connection; if the DBA has put"
            " the account right instead, `resume` (track_decide, or `python -m track_dispatch"
            " resume --by --why`)"
        )
    try:
        yield
    except LogOnRefusedError:
        with ledger.writing() as connection:
            connection.execute(
                insert_into(connection, _refused)
                .values(digest=digests[0], conn_id=conn_id, refused_at=moment_in())
                .on_conflict_do_nothing()
            )
        raise


def forget_refused_log_ons(connection: Connection) -> int:
    """Let every account be tried again; return how many were kept from it."""
    return int(connection.execute(delete(_refused)).rowcount)
