from __future__ import annotations

from tests.unit.ledger2.conftest import (
    _postgresql,
    _sqlite,
    ledger,
    postgresql_ledger,
    sqlite_ledger,
)

__all__ = ["_postgresql", "_sqlite", "ledger", "postgresql_ledger", "sqlite_ledger"]
