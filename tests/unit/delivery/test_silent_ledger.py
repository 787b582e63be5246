"""PostgreSQL falls silent while a dispatch runs: each wait ends, and nobody is asked twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.engine import make_url

from tests.relay import Relay, relay
from tests.unit.delivery.delivery_rig import SOMEBODY, on_postgresql, once_each
from track_dispatch.errors import TrackDispatchError
from track_dispatch.ledger.creation import open_ledger_at
from track_dispatch.ledger.database import Ledger, Limits
from track_dispatch.ledger.in_doubt import expire_leases

if TYPE_CHECKING:
    from tests.unit.delivery.delivery_rig import Rig

#: Seconds in place of ours, which are longer: a silence is over sooner.
BRIEF = Limits(lock=0.5, statement=0.5, whole=0.8)


@contextmanager
def through_relay(rig: Rig) -> Iterator[tuple[Ledger, Relay]]:
    """Open the rig's ledger by a way that can fall silent."""
    url = make_url(rig.ledger.engine.url)
    with relay(f"{url.query['host']}/.s.PGSQL.5432") as proxy:
        address = url.set(host="127.0.0.1", port=proxy.port, query={})
        shown = address.render_as_string(hide_password=False)
        options = {"connect_timeout": "2"}
        with open_ledger_at(shown, rig.ledger.keys, options=options, short=BRIEF) as ledger:
            yield ledger, proxy


@on_postgresql
def test_an_answer_is_recorded_though_the_ledger_was_silent_after_the_post(rig: Rig) -> None:
    ids = rig.fill(2)
    with through_relay(rig) as (ledger, proxy):
        rig.during_post(1, proxy.silence_open_ones)
        error = rig.dispatch_anyhow(ledger=ledger)

    assert error is None
    assert rig.counts() == {"accepted": 2}
    assert rig.api.accepted_ids() == once_each(ids)


@on_postgresql
@pytest.mark.parametrize("at", range(12))
def test_a_silence_at_any_statement_ends_and_asks_nobody_twice(rig: Rig, at: int) -> None:
    ids = rig.fill(4, batch_size=2)
    with through_relay(rig) as (ledger, proxy):
        proxy.silence_open_ones_after(at)
        error = rig.dispatch_anyhow(ledger=ledger)
        assert proxy.is_silencing
    rig.end_leases()
    expire_leases(rig.ledger, hospital=rig.hospital.code, actor=SOMEBODY)
    rig.dispatch()

    assert error is None or isinstance(error, TrackDispatchError)
    assert rig.api.accepted_ids() <= once_each(ids)
    assert rig.counts().total() == 4
    assert not rig.counts().keys() - {"accepted", "in_doubt"}
