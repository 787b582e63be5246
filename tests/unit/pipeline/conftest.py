from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.ledger.conftest import (
    _postgresql,
    _sqlite,
    ledger,
    postgresql_ledger,
    sqlite_ledger,
)
from tests.unit.ledger.steps import Steps
from track_dispatch.hooks import ledger as place

__all__ = ["_postgresql", "_sqlite", "ledger", "postgresql_ledger", "sqlite_ledger"]


@pytest.fixture
def installed(airflow_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    """Return the steps on the ledger of an installation whose verbs find it."""
    monkeypatch.setattr(place, "AIRFLOW_HOME", str(tmp_path))
    place.init()
    with place.open_ledger() as opened:
        yield Steps(opened)
