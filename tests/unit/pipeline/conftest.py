from __future__ import annotations

from tests.unit.delivery.conftest import api, bench

__all__ = ["api", "bench"]
