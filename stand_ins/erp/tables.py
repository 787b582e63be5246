"""Tables of made-up rows, and the DuckDB script that loads them into the stand-in."""

from __future__ import annotations

from datetime import datetime

#: A row by column name; a column that is left out is null.
Row = dict[str, object]

#: Rows by table name, without the schema.
Tables = dict[str, list[Row]]

_ROWS_PER_INSERT = 500


def insert_sql(schema: str, tables: Tables) -> str:
    """Write the inserts for all rows."""
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


def _literal(value: object) -> str:
    match value:
        case None:
            return "null"
        case datetime():
            return f"timestamp '{value:%Y-%m-%d %H:%M:%S}'"
        case int():
            return str(value)
    return "'" + str(value).replace("'", "''") + "'"
