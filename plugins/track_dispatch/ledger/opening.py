"""Opening a ledger that is there; never making one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from track_dispatch.ledger.creation import require_current, require_existing
from track_dispatch.ledger.database import Ledger, connect, require_same_ledger

if TYPE_CHECKING:
    from track_dispatch.ledger.keys import KeyRing


def open_ledger(url: str, keys: KeyRing) -> Ledger:
    """Open a ledger that is there, migrated, and the one these keys belong to.

    Raises:
        ConfigError: it is not there, not migrated, or another one. An empty ledger would ask
            everybody again, so none is ever made here.
        LedgerError: the database does not answer.
    """
    opened = Ledger(connect(url), keys)
    try:
        require_existing(opened.engine)
        with opened.reading() as connection:
            require_current(connection)
            require_same_ledger(connection, keys)
    except Exception:
        opened.close()
        raise
    return opened
