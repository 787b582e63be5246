"""What the doctor finds on the machine that runs tasks, where there is no database of Airflow's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from track_dispatch.config import load_hospital
from track_dispatch.doctor import run_worker_checks
from track_dispatch.doctor.check import CheckStatus

if TYPE_CHECKING:
    from premises import Premises

    from track_dispatch.doctor.check import Check


def see(now: Callable[[], datetime]) -> dict[tuple[str, str], Check]:
    """Let a worker look; HMS is the only hospital there."""
    return {
        (one.subject, one.name): one for one in run_worker_checks([load_hospital("HMS")], now=now)
    }


def ours() -> datetime:
    return datetime.now(UTC)


def test_a_worker_that_is_well_sees_ledger_software_track_and_its_erp(premises: Premises) -> None:
    found = see(ours)

    assert found.keys() >= {
        ("installation", "clock"),
        ("installation", "ledger"),
        ("installation", "ledger TLS"),
        ("installation", "software"),
        ("installation", "track surveys"),
        ("oracle_hms", "connection"),
        ("HMS", "query"),
    }
    # the stand-in of Track has a clock of its own
    assert [name for name, one in found.items() if one.verdict is CheckStatus.FAIL] == []


@pytest.mark.parametrize("seconds", [-90, 90])
def test_a_clock_that_differs_from_the_databases_is_told(premises: Premises, seconds: int) -> None:
    found = see(lambda: ours() + timedelta(seconds=seconds))["installation", "clock"]

    assert found.verdict is CheckStatus.FAIL
    assert ("ahead of" if seconds > 0 else "behind") in found.detail
    assert "NTP" in found.detail


def test_an_erp_that_cannot_be_reached_from_here_is_told(premises: Premises) -> None:
    premises.connect("oracle_hms", port=1)

    assert see(ours)["oracle_hms", "connection"].verdict is CheckStatus.FAIL


def test_nothing_is_asked_of_airflows_database(
    premises: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = see(ours)

    assert [name for name in found if name[1] in {"pool", "dag", "scheduler"}] == []
