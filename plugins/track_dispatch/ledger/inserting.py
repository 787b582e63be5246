"""New lines, the way that is fastest on each database; what is known already stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, bindparam, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from track_dispatch.ledger import schema
from track_dispatch.ledger.schema import moment_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    Rows = Sequence[Mapping[str, Any]]

_lines = schema.lines
_NEW = (_lines.c.attendance_id, _lines.c.id)


def insert_unknown(connection: Connection, rows: Rows) -> dict[str, int]:
    """Insert the lines whose attendance the ledger does not know; return their ids by attendance.

    `rows` are columns of `lines`, the same in each.
    """
    insert = _on_postgresql if connection.dialect.name == "postgresql" else _on_sqlite
    return insert(connection, rows)


def _unless_known(insert: Any) -> Any:
    return insert.on_conflict_do_nothing(index_elements=["source", "attendance_id"])


_ON_SQLITE = _unless_known(
    sqlite.insert(_lines).values(found_at=moment_in(), changed_at=moment_in())
)
_LAST = select(func.coalesce(func.max(_lines.c.id), 0))
_SINCE = select(*_NEW).where(_lines.c.id > bindparam("last"))


def _on_sqlite(connection: Connection, rows: Rows) -> dict[str, int]:
    # what one POST takes lies together: its claim changes fewer pages
    ordered = sorted(rows, key=lambda row: (str(row["area"]), str(row["channel"])))
    last = connection.scalar(_LAST)
    connection.execute(_ON_SQLITE, ordered)
    # nobody else writes meanwhile, and RETURNING would cost as much as the rows
    return dict(connection.execute(_SINCE, {"last": last}).all())


def _on_postgresql(connection: Connection, rows: Rows) -> dict[str, int]:
    # by the attendance: two transforms of one source must not lock crosswise
    ordered = sorted(rows, key=lambda row: str(row["attendance_id"]))
    inserting = _unless_known(_from_arrays(ordered)).returning(*_NEW)
    return dict(connection.execute(inserting).all())


def _from_arrays(rows: Rows) -> postgresql.Insert:
    """Insert rows by an array for each column.

    Rows as VALUES cost twice as much: the driver would look at every single parameter.
    """
    columns = [_lines.c[name] for name in rows[0]]
    arrays = [literal([row[column.name] for row in rows], ARRAY(column.type)) for column in columns]
    given = func.unnest(*arrays).table_valued(*rows[0]).render_derived()
    return postgresql.insert(_lines).from_select(
        [*rows[0], "found_at", "changed_at"], select(given, moment_in(), moment_in())
    )
