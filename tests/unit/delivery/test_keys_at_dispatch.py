"""A change of keys between reading, opting out and sending asks nobody who opted out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.unit.delivery.delivery_rig import OPT_OUT, once_each
from track_dispatch.delivery.context import Tally
from track_dispatch.errors import ConfigError
from track_dispatch.ledger.creation import open_ledger_at
from track_dispatch.ledger.keys import KeyRing
from track_dispatch.ledger.privacy import add_optouts

if TYPE_CHECKING:
    from tests.unit.delivery.delivery_rig import Rig

#: Of the second line that a rig fills in.
HER_EMAIL = "email:fulana910000002@exemplo.test"


@pytest.fixture
def rotate(rig: Rig) -> Iterator[Callable[[], None]]:
    """Put new keys in front, as `ledger rotate-keys` does."""
    url = rig.ledger.engine.url.render_as_string(hide_password=False)
    with ExitStack() as opened:

        def rotated() -> None:
            rig.ledger = opened.enter_context(open_ledger_at(url, rig.ledger.keys.with_new_keys()))

        yield rotated


def opt_out(rig: Rig) -> None:
    add_optouts(rig.ledger, [([HER_EMAIL], None)], source="balcão", decision=OPT_OUT)


def fill(rig: Rig) -> None:
    rig.fill(3)


@pytest.mark.parametrize(
    "order", ["opt_out rotate fill", "fill rotate opt_out", "fill opt_out rotate"]
)
def test_who_opted_out_is_not_asked_whenever_the_keys_change(
    rig: Rig, rotate: Callable[[], None], order: str
) -> None:
    steps = {
        "rotate": rotate,
        "fill": lambda: fill(rig),
        "opt_out": lambda: opt_out(rig),
    }
    for step in order.split():
        steps[step]()

    assert rig.dispatch() == Tally(accepted=2)
    assert rig.fates()[rig.ids[1]] == "excluded opt_out"
    assert rig.api.accepted_ids() == once_each([rig.ids[0], rig.ids[2]])


def test_a_line_that_waits_under_the_old_key_keeps_it(rig: Rig, rotate: Callable[[], None]) -> None:
    """Without it an opt-out that comes later would not be found in the line's sealed hashes."""
    fill(rig)
    rotate()
    keys = rig.ledger.keys
    new_only: KeyRing = keys.holding(identity_secrets=keys.identity_secrets[:1])

    with pytest.raises(ConfigError, match="3 rows of identities"):
        open_ledger_at(rig.ledger.engine.url.render_as_string(hide_password=False), new_only)
