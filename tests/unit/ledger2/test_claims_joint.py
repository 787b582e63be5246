"""The transaction between two POSTs: settle one batch, claim the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger2_rig import ACTOR, claim, counts_are_true, events_of, fill, states_of

from track_dispatch.ledger2.settling import Settlement, settle

if TYPE_CHECKING:
    from track_dispatch.ledger2.database import Ledger


def test_a_batch_is_settled_and_the_next_claimed(ledger: Ledger) -> None:
    first, second = fill(ledger, 3), fill(ledger, 2, start=10)
    batch = claim(ledger, first)
    following = claim(ledger, second, settlement=Settlement(batch, accepted=batch.places))
    settle(ledger, Settlement(following, accepted=following.places), actor=ACTOR)

    assert states_of(ledger) == ["accepted"] * 5
    assert events_of(ledger) == [
        ("claimed", "0-2"),
        ("answered", "0-2"),
        ("claimed", "0-1"),
        ("answered", "0-1"),
    ]
    assert counts_are_true(ledger)
