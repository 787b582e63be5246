"""A batch that a person sends again, and of which Track refuses lines inside its acceptance."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from demo.track_api import faults
from tests.unit.delivery.bench import NOW, no_pause, track_client
from track_dispatch.delivery.again import send_again
from track_dispatch.delivery.desk import Desk
from track_dispatch.errors import DeliveryUncertainError
from track_dispatch.records import Decision, Verb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.delivery.bench import Bench

DECISION = Decision(Verb.SEND_AGAIN, person="ana", why="visto no Track")


@contextmanager
def desk_of(bench: Bench) -> Iterator[Desk]:
    with track_client(bench.api.url, deadline=5) as client:
        yield Desk(
            hospital=bench.hospital,
            ledger=bench.ledger,
            client=client,
            track_host=bench.api.url,
            actor=DECISION.actor,
            now=lambda: NOW,
            pause=no_pause,
        )


def test_a_line_named_in_the_second_acceptance_stays_in_doubt(bench: Bench) -> None:
    """The first POST may have been accepted, and the line be named for being there already."""
    first, second = bench.fill(2)
    bench.api.script(faults.answer(500, accepted=True))
    bench.dispatch_anyhow()
    bench.execute("update lines set lease_until = '2026-01-01 00:00:00'")
    bench.api.refuse_in_acceptance({first})
    (batch,) = bench.batches()

    with desk_of(bench) as desk, pytest.raises(DeliveryUncertainError):
        send_again(desk, batch.id, DECISION)

    assert bench.fates() == {first: "in_doubt", second: "accepted"}
    assert bench.batch_states() == {"in_doubt": 1}
