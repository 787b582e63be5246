"""The demo and the tests run the pipeline under policies that say the same at any moment.

The schema marks each policy under which the moment of a run decides whether somebody is asked;
demo/policies.yaml sets all of them aside.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from demo.world import POLICIES, practice_include
from track_dispatch.config import Hospital, include_dir, load_hospital, working_hospitals
from track_dispatch.config.policies import Policies
from track_dispatch.transformation.rules import is_too_old

OVERLAY: dict[str, Any] = yaml.safe_load(POLICIES.read_text(encoding="utf-8"))
CLOCK_BOUND = {
    name
    for name, field in Policies.model_json_schema()["properties"].items()
    if field.get("clock_bound")
}
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
DAY = date(2026, 3, 2)
MONDAY = datetime(2026, 3, 2, 12, tzinfo=SAO_PAULO)
MOMENTS = (
    *(MONDAY + timedelta(days=days) for days in range(7)),
    *(MONDAY + timedelta(hours=hours) for hours in range(24)),
    datetime(2026, 3, 2, 23, 59, 59, 999_999, tzinfo=SAO_PAULO),  # in UTC it is the next day
    datetime(2026, 12, 31, 23, 30, tzinfo=SAO_PAULO),
    datetime(2028, 2, 29, 3, tzinfo=SAO_PAULO),
    datetime(2046, 3, 2, 20, tzinfo=SAO_PAULO),
)


def hospitals(include: Path) -> list[Hospital]:
    return working_hospitals(include)


def test_every_clock_bound_policy_is_set_aside() -> None:
    forgotten = CLOCK_BOUND - OVERLAY.keys()

    assert "send_window" in CLOCK_BOUND
    assert forgotten == set(), f"add them to {POLICIES}, each so that no moment matters under it"


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_at_any_moment_the_window_is_open_and_no_day_is_too_old(
    moment: datetime, practice: list[Hospital]
) -> None:
    for hospital in practice:
        today = moment.astimezone(hospital.zone).date()
        assert hospital.window.opening(moment) == moment
        assert not is_too_old(DAY, today, max_age_days=hospital.max_age_days)


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> list[Hospital]:
    """Load all hospitals as the demo has them."""
    return hospitals(practice_include(tmp_path_factory.mktemp("practice")))


def test_the_tests_themselves_are_run_under_it(practice: list[Hospital]) -> None:
    assert hospitals(include_dir()) == practice


def test_a_hospital_of_other_hours_gets_those_of_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = practice_include(tmp_path / "shipped")
    file = shipped / "hospitals" / "hms.yaml"
    hms = yaml.safe_load(file.read_text(encoding="utf-8"))
    own = hms | {"send_window": "09:00-17:00", "send_days": ["mon"], "batch_size": 7}
    file.write_text(yaml.safe_dump(own, allow_unicode=True), encoding="utf-8")
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(shipped))

    include = practice_include(tmp_path / "practice", validity_days=9)

    found = load_hospital("HMS", include)
    assert (found.send_window, found.send_days) == (OVERLAY["send_window"], None)
    assert (found.batch_size, found.validity_days) == (7, 9)


def test_a_broken_file_is_left_for_the_loader_to_explain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = practice_include(tmp_path / "shipped")
    (shipped / "hospitals" / "hms.yaml").write_text("code: [", encoding="utf-8")
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(shipped))

    include = practice_include(tmp_path / "practice")

    assert (include / "hospitals" / "hms.yaml").read_text(encoding="utf-8") == "code: ["
