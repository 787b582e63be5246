"""What the linter knows of the ERPs' tables: as the stand-in makes them, and read strictly."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from stand_ins.erp.schemas import MV, TASY
from stand_ins.oracle.database import PRELUDE
from track_dispatch.errors import ConfigError
from track_dispatch.extraction.query_tree import ErpTable, Kind, read_tables

KINDS = {
    "BIGINT": Kind.NUMBER,
    "INTEGER": Kind.NUMBER,
    "VARCHAR": Kind.TEXT,
    "TIMESTAMP_S": Kind.DATE,
}


def test_each_table_has_the_columns_that_the_stand_in_has() -> None:
    with duckdb.connect() as database:
        database.execute(PRELUDE + MV.duckdb({}) + TASY.duckdb({}))
        made = database.execute(
            "select table_name, column_name, data_type from information_schema.columns"
            " where table_schema in ('dbamv', 'tasy')"
        ).fetchall()
    columns: dict[str, dict[str, Kind]] = {}
    for table, column, kind in made:
        if not column.startswith("demo_"):
            columns.setdefault(table, {})[column] = KINDS[kind]

    assert {name: table.columns for name, table in read_tables().items()} == columns


def read(folder: Path, text: str) -> dict[str, ErpTable]:
    (folder / "sql").mkdir()
    (folder / "sql" / "tables.yaml").write_text(text, encoding="utf-8")
    return dict(read_tables(folder))


def test_a_table_has_a_key_and_columns(tmp_path: Path) -> None:
    found = read(tmp_path, "leito:\n  key: [cd]\n  columns: {cd: number, ds: text}\n")

    assert found == {"leito": ErpTable(("cd",), {"cd": Kind.NUMBER, "ds": Kind.TEXT})}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("leito: 1", "leito must have `key` and `columns`, and no more"),
        ("leito: {key: [cd]}", "leito must have `key` and `columns`, and no more"),
        ("leito: {key: [], columns: {}, keys: []}", "leito must have `key` and `columns`"),
        ("leito: {key: cd, columns: {cd: number}}", "key of leito must be a list of its columns"),
        ("leito: {key: [x], columns: {cd: number}}", "key of leito must be a list of its columns"),
        ("leito: {key: [cd], columns: [cd]}", "key of leito must be a list of its columns"),
        ("leito: {key: [1], columns: {cd: number}}", "key of leito must be a list of its columns"),
        ("leito: {key: [], columns: {cd: char}}", "column cd of leito must be one of date, numb"),
        ("leito: {key: [], columns: {cd: null}}", "column cd of leito must be one of date, numb"),
        ("leito: {key: [], columns: {}}\nleito: {}", 'the key "leito" is there twice'),
    ],
)
def test_a_list_that_no_table_can_be_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as told:
        read(tmp_path, text)

    assert str(told.value).startswith("sql/tables.yaml: ")


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sql/tables.yaml: cannot be read: No such file"):
        read_tables(tmp_path)
