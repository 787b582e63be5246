from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.track_api import TrackStandIn
from demo.world import surveys_of
from tests.unit.delivery.bench import HOSPITAL, NOW, Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from track_dispatch.ledger.database import Ledger


@pytest.fixture
def api() -> Iterator[TrackStandIn]:
    with TrackStandIn(surveys=surveys_of(HOSPITAL), clock=lambda: NOW) as stand_in:
        yield stand_in


@pytest.fixture
def bench(ledger: Ledger, api: TrackStandIn) -> Bench:
    return Bench(ledger, api)
