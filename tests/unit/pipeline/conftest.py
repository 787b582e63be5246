from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.ledger.conftest import (
    _postgresql,
    _sqlite,
    ledger,
    postgresql_ledger,
    sqlite_ledger,
)
from track_dispatch.hooks import ledger as place

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger

__all__ = ["_postgresql", "_sqlite", "ledger", "postgresql_ledger", "sqlite_ledger"]


@pytest.fixture
def installed(
    airflow_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ledger]:
    """Return the ledger of an installation whose verbs find it."""
    monkeypatch.setattr(place, "AIRFLOW_HOME", str(tmp_path))
    place.init()
    with place.open_ledger() as opened:
        yield opened
