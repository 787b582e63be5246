"""What the linter knows of the ERPs' tables: keys, and the types of columns."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from track_dispatch.config import include_dir
from track_dispatch.config.yaml_file import read_yaml
from track_dispatch.errors import ConfigError


class Kind(StrEnum):
    """What Oracle compares without converting it."""

    NUMBER = "number"
    TEXT = "text"
    DATE = "date"


class ErpTable(NamedTuple):
    """A table or view of an ERP.

    Attributes:
        key: the columns that make a row the only one; none for a view that may repeat rows.
        columns: the types of its columns, as far as they matter.
    """

    key: tuple[str, ...]
    columns: Mapping[str, Kind]


#: By name, in lower case and without the schema.
ErpTables = Mapping[str, ErpTable]


def read_tables(include: Path | None = None) -> ErpTables:
    """Read `sql/tables.yaml`.

    Args:
        include: the folder that holds `sql/`; the configured one by default.

    Raises:
        ConfigError: the file is missing or says what no table can be.
    """
    path = (include or include_dir()) / "sql" / "tables.yaml"
    declared = read_yaml(path, label="sql/tables.yaml")
    return {name: _table(name, entry) for name, entry in declared.items()}


def _table(name: str, entry: Any) -> ErpTable:
    if not isinstance(entry, dict) or set(entry) != {"key", "columns"}:
        raise ConfigError(f"sql/tables.yaml: {name} must have `key` and `columns`, and no more")
    key, columns = entry["key"], entry["columns"]
    if not isinstance(key, list) or not isinstance(columns, dict) or not set(key) <= set(columns):
        raise ConfigError(f"sql/tables.yaml: the key of {name} must be a list of its columns")
    kinds = {str(kind) for kind in Kind}
    if wrong := [column for column, kind in columns.items() if kind not in kinds]:
        raise ConfigError(
            f"sql/tables.yaml: column {wrong[0]} of {name} is none of {', '.join(sorted(kinds))}"
        )
    return ErpTable(tuple(key), {column: Kind(kind) for column, kind in columns.items()})
