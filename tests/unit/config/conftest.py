"""A folder of configuration for each test: the shipped one, copied, to be spoilt."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from track_dispatch.config import BrokenHospital, demo_survey_uuid, load_hospitals
from track_dispatch.records import Area

SHIPPED = Path(__file__).parents[3] / "include"


@pytest.fixture
def include(tmp_path: Path) -> Path:
    """Copy the shipped defaults, queries and the file of HMS."""
    folder = tmp_path / "include"
    (folder / "hospitals").mkdir(parents=True)
    shutil.copy(SHIPPED / "defaults.yaml", folder)
    shutil.copytree(SHIPPED / "sql", folder / "sql")
    shutil.copy(SHIPPED / "hospitals" / "hms.yaml", folder / "hospitals")
    return folder


@pytest.fixture
def write(include: Path) -> Callable[..., Path]:
    """Write a hospital's file: that of HMS with changes; None leaves a field out.

    Another hospital has surveys of its own.
    """

    def write_file(file: str = "hms.yaml", /, **changes: Any) -> Path:
        shipped = (SHIPPED / "hospitals" / "hms.yaml").read_text(encoding="utf-8")
        fields = {**yaml.safe_load(shipped), **changes}
        if "code" in changes and "surveys" not in changes:
            fields["surveys"] = {
                area.key: str(demo_survey_uuid(changes["code"], area))
                for area in Area
                if area.key in fields["surveys"]
            }
        left = {key: value for key, value in fields.items() if value is not None}
        path = include / "hospitals" / file
        path.write_text(yaml.safe_dump(left, allow_unicode=True), encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def broken(include: Path) -> Callable[[], dict[str, str]]:
    """Load the folder and return the messages of its broken files, by code."""

    def load() -> dict[str, str]:
        entries = load_hospitals(include)
        return {e.code: e.message for e in entries if isinstance(e, BrokenHospital)}

    return load
