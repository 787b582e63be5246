"""Tables of made-up rows, and the statements that load them, DuckDB's or Oracle's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

#: A row by column name; a column that is left out is null.
Row = dict[str, object]

#: Rows by table name, without the schema.
Tables = dict[str, list[Row]]

_ROWS_PER_INSERT = 500


def insert_sql(schema: str, tables: Tables) -> str:
    """Write the inserts for all rows, of many rows each: DuckDB's."""
    statements = []
    for table, rows in tables.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        for start in range(0, len(rows), _ROWS_PER_INSERT):
            values = ",\n".join(
                "(" + ", ".join(_literal(row.get(column)) for column in columns) + ")"
                for row in rows[start : start + _ROWS_PER_INSERT]
            )
            statements.append(
                f"insert into {schema}.{table} ({', '.join(columns)}) values\n{values};"
            )
    return "\n".join(statements)


def row_inserts(schema: str, tables: Tables) -> Iterator[str]:
    """Yield an insert for each row: every database's."""
    for table, rows in tables.items():
        for row in rows:
            values = ", ".join(_literal(value) for value in row.values())
            yield f"insert into {schema}.{table} ({', '.join(row)}) values ({values})"


def _literal(value: object) -> str:
    match value:
        case None:
            return "null"
        case datetime():
            return f"timestamp '{value:%Y-%m-%d %H:%M:%S}'"
        case int():
            return str(value)
    return "'" + str(value).replace("'", "''") + "'"
