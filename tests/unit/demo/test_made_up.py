"""Hospitals that do not exist are as good as those that do."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from demo.made_up import fill_up
from demo.world import World
from track_dispatch.config import Hospital, include_dir, load_hospitals, working_hospitals

DAY = date(2026, 3, 10)


@pytest.fixture
def include(tmp_path: Path) -> Path:
    folder = tmp_path / "include"
    shutil.copytree(include_dir(), folder)
    return folder


@pytest.mark.parametrize("number", [1, 18, 21])
def test_a_folder_is_left_as_many_hospitals_as_are_wanted(include: Path, number: int) -> None:
    fill_up(include, number)

    found = load_hospitals(include)
    assert len(found) == number
    assert all(isinstance(one, Hospital) for one in found), found


def test_the_shipped_ones_come_first_and_stay_as_they_are(include: Path) -> None:
    before = working_hospitals(include)

    made_up = fill_up(include, len(before) + 2)

    after = working_hospitals(include)
    assert [one for one in after if one.source not in made_up] == before
    assert made_up == ["x000", "x001"]


def test_each_made_up_hospital_has_an_erp_with_people_of_its_own(include: Path) -> None:
    made_up = fill_up(include, len(working_hospitals(include)) + 2)
    hospitals = [one for one in working_hospitals(include) if one.source in {"hms", *made_up}]

    world = World(hospitals, days=[DAY], like=dict.fromkeys(made_up, "hms"))
    with world:
        names = {
            source: {name for (name,) in erp.execute("select nm_paciente from dbamv.paciente")}
            for source, erp in world.erps.items()
        }

        assert set(names) == {"hms", "x000", "x001"}
        assert len({frozenset(found) for found in names.values()}) == len(names)
        assert all(names.values())
        assert {f"AIRFLOW_CONN_ORACLE_{source.upper()}" for source in names} < set(
            world.connections()
        )
