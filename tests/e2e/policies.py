"""Changing the configuration of a test's include folder, as somebody in a hospital might."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from track_dispatch.records import Area


def set_policies(include: Path, **values: Any) -> None:
    """Set fields in HMS's file."""
    path = _hms(include)
    content = yaml.safe_load(path.read_text(encoding="utf-8")) | values
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


def surveys_without(include: Path, area: Area) -> dict[str, str]:
    """Return HMS's surveys but for one area's."""
    surveys = yaml.safe_load(_hms(include).read_text(encoding="utf-8"))["surveys"]
    return {key: survey for key, survey in surveys.items() if key != area.key}


def rename_area(include: Path, area: Area, label: str) -> None:
    """Let HMS's query return another label for an area."""
    path = include / "sql" / "mv" / "_macros.sql"
    query = path.read_text(encoding="utf-8")
    column = '"area_pesquisa": "a.area_pesquisa"'
    assert query.count(column) == 1
    renamed = f"\"area_pesquisa\": \"replace(a.area_pesquisa, '{area}', '{label}')\""
    path.write_text(query.replace(column, renamed), encoding="utf-8")


def replace_query(include: Path, sql: str) -> None:
    """Give HMS another query."""
    (include / "sql" / "mv" / "hms.sql").write_text(sql, encoding="utf-8")


def _hms(include: Path) -> Path:
    return include / "hospitals" / "hms.yaml"
