"""Only who declares a restored backup may open the ledger on another server than before."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from decisions_rig import run_statement

from track_dispatch.errors import ConfigError
from track_dispatch.ledger.backups import restore
from track_dispatch.ledger.creation import init_ledger
from track_dispatch.ledger.database import open_ledger
from track_dispatch.ledger.decisions import Decision
from track_dispatch.ledger.keys import new_keys
from track_dispatch.states import Verb

RESTORED = Decision(Verb.RESTORED, "rui", "o servidor de reserva assumiu")


def test_a_failover_is_declared_on_the_ledger_that_tasks_refuse(postgres_url: str) -> None:
    keys = new_keys()
    init_ledger(postgres_url, keys)
    with open_ledger(postgres_url, keys) as opened:
        run_statement(opened, "update ledger set timeline = timeline - 1")

    with pytest.raises(ConfigError, match="ledger restored"):
        open_ledger(postgres_url, keys)
    with open_ledger(postgres_url, keys, restored=True) as opened:
        restore(opened, as_of=datetime(2026, 3, 1, tzinfo=UTC), decision=RESTORED)

    open_ledger(postgres_url, keys).close()
