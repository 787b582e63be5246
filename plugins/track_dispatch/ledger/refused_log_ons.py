"""Log-ons that an ERP refused: failed ones lock an account, and five hospitals may share it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from track_dispatch.errors import LogOnRefusedError
from track_dispatch.ledger import schema
from track_dispatch.ledger.sql import insert_into, moment_in

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from track_dispatch.ledger.database import Ledger

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
        _remember(ledger, digests[0], conn_id)
        raise


def forget_refused_log_ons(connection: Connection) -> int:
    """Let every account be tried again; return how many were kept from it."""
    return int(connection.execute(delete(_refused)).rowcount)


def _remember(ledger: Ledger, digest: bytes, conn_id: str) -> None:
    with ledger.writing() as connection:
        connection.execute(
            insert_into(connection, _refused)
            .values(digest=digest, conn_id=conn_id, refused_at=moment_in())
            .on_conflict_do_nothing()
        )
