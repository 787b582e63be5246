"""Another server takes over while a dispatch runs: nothing more leaves, and nothing is lost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.unit.delivery.delivery_rig import SOMEBODY
from track_dispatch.errors import ConfigError
from track_dispatch.ledger.backups import restore
from track_dispatch.ledger.creation import open_ledger_at
from track_dispatch.ledger.decisions import Decision
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.states import Verb

if TYPE_CHECKING:
    from tests.unit.delivery.delivery_rig import Rig

RESTORED = Decision(Verb.RESTORED, "rui", "o servidor de reserva assumiu")


def fail_over(rig: Rig) -> None:
    """Let the next connection meet a server that is not the one the ledger knows."""
    rig.at_the_end(lambda: declare(rig))
    rig.execute("update ledger set timeline = timeline - 1")
    rig.ledger.engine.dispose()


def declare(rig: Rig) -> None:
    url = rig.ledger.engine.url.render_as_string(hide_password=False)
    with open_ledger_at(url, rig.ledger.keys, restored=True) as declared:
        restore(declared, as_of=datetime(2026, 3, 1, tzinfo=UTC), decision=RESTORED)


@pytest.mark.parametrize("ledger", ["postgresql_ledger"], indirect=True)
@pytest.mark.parametrize("refused", [False, True], ids=["accepted", "refused"])
def test_a_dispatch_ends_where_another_server_has_taken_over(rig: Rig, *, refused: bool) -> None:
    """The answer in hand cannot be recorded: its lines are in doubt when the lease is over."""
    rig.fill(6, batch_size=2)
    rig.during_post(1, lambda: fail_over(rig))
    rig.api.reject(lambda _: refused)

    error = rig.dispatch_anyhow()
    sent = rig.sizes
    declare(rig)
    rig.end_leases()
    expire_leases(rig.ledger, hospital=rig.hospital.code, actor=SOMEBODY)

    assert (sent, rig.counts()) == ([2], {"in_doubt": 6})
    assert isinstance(error, ConfigError)
    assert "ledger restored" in str(error)
