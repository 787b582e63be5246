from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from demo.world import surveys_of
from stand_ins.track_api import TrackStandIn
from tests.unit.delivery.delivery_rig import HOSPITAL, NOW, Rig
from tests.unit.ledger.conftest import (
    _postgresql,
    _sqlite,
    ledger,
    postgresql_ledger,
    sqlite_ledger,
)

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

__all__ = ["_postgresql", "_sqlite", "ledger", "postgresql_ledger", "sqlite_ledger"]


@pytest.fixture
def api() -> Iterator[TrackStandIn]:
    with TrackStandIn(surveys=surveys_of(HOSPITAL), clock=lambda: NOW) as stand_in:
        yield stand_in


@pytest.fixture
def rig(ledger: Ledger, api: TrackStandIn) -> Iterator[Rig]:
    with Rig(ledger, api) as opened:
        yield opened
