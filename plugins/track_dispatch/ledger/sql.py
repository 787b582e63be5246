"""SQL that differs between the databases: the clock, lists as parameters, upserts, reserved ids.

Once for SQLAlchemy and, at the end, once for the driver itself, which the few statements use that
run for every POST.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    JSON,
    BindParameter,
    Column,
    Connection,
    DateTime,
    Table,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

#: Seconds, for ages told to `moment_in`.
HOUR, DAY = 3_600.0, 86_400.0

#: PostgreSQL's advisory lock of `take_turn`.
TURN = 7_274_361


class Moment(TypeDecorator[datetime]):
    """An aware UTC moment; naive ones are refused (SQLite keeps no zone, so we keep UTC)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Any) -> datetime | None:
        """Refuse naive moments and store UTC."""
        if value is not None and value.tzinfo is None:
            message = "a moment without a time zone cannot be stored"
            raise ValueError(message)
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, _dialect: Any) -> datetime | None:
        """Return the moment in UTC: SQLite stores no zone, PostgreSQL may return another."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class moment_in(FunctionElement[datetime]):  # noqa: N801 - reads as an SQL function
    """The database's clock, `seconds` from now: the only clock that leases know."""

    type = Moment()
    inherit_cache = True
    name = "moment_in"

    def __init__(self, seconds: float | BindParameter[float] = 0) -> None:
        fixed = isinstance(seconds, int | float)
        super().__init__(literal_column(str(float(seconds))) if fixed else seconds)


@compiles(moment_in, "postgresql")
def _moment_on_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    # clock_timestamp moves inside a transaction; now() would stand still while a claim waits
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **kw)}))"


@compiles(moment_in, "sqlite")
def _moment_on_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {seconds} || ' seconds')"


class among(FunctionElement[bool]):  # noqa: N801 - reads as an SQL function
    """Whether a column's value is in the list that is given as the parameter `name`.

    A parameter for each value would make another statement of every length, limited by the
    databases, and cost more than the look-up itself.
    """

    # no Boolean: SQLite would be given `... = 1` and no longer use an index
    inherit_cache = True
    name = "among"

    def __init__(self, column: Column[Any], name: str) -> None:
        listed = JSON().with_variant(ARRAY(column.type), "postgresql")
        super().__init__(column, bindparam(name, type_=listed))


@compiles(among, "postgresql")
def _among_on_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    column, listed = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} = any({listed})"


@compiles(among, "sqlite")
def _among_on_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    column, listed = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} in (select value from json_each({listed}))"  # noqa: S608 - rendered clauses


def now_in(connection: Connection) -> datetime:
    """Return the database's clock."""
    now: datetime = connection.execute(select(moment_in())).scalar_one()
    return now


def insert_into(connection: Connection, table: Table) -> Any:
    """Return the INSERT of the dialect, which knows `ON CONFLICT`."""
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def insert_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert many rows the driver's fastest way; values are such as the driver takes itself."""
    if not rows:
        return
    named = ", ".join(columns)
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"copy {table} ({named}) from stdin") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" for _ in columns)
    # the names are ours
    connection.exec_driver_sql(f"insert into {table} ({named}) values ({marks})", rows)  # noqa: S608


def take_turn(connection: Connection) -> None:
    """Wait until no other claim, settlement or decision is under way; the turn ends with ours.

    It must be the first statement of the transaction: who takes rows first and the turn then meets
    another one crosswise. Without turns two of them would both look who was invited, and both
    write afterwards. SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(TURN)))


# -- texts for the driver ----------------------------------------------------------


_MOMENT = re.compile(r"moment_in\((:\w+|0)\)")
_PARAMETER = re.compile(r":(\w+)")


@cache
def prepared(text: str, dialect: str) -> str:
    """Return a text as the dialect's driver takes it."""
    if dialect == "postgresql":
        # clock_timestamp moves inside a transaction; now() would stand still while a claim waits
        text = _MOMENT.sub(r"(clock_timestamp() + make_interval(secs => \1))", text)
        text = text.replace(
            "unix_seconds()", "floor(extract(epoch from clock_timestamp()))::bigint"
        )
        return _PARAMETER.sub(r"%(\1)s", text.replace("::", "\0")).replace("\0", "::")
    text = _MOMENT.sub(r"strftime('%Y-%m-%d %H:%M:%f000', 'now', \1 || ' seconds')", text)
    return text.replace("unix_seconds()", "cast(strftime('%s', 'now') as integer)")


def as_list(numbers: Iterable[int], dialect: str) -> str:
    """Return numbers as one parameter: JSON, or what PostgreSQL casts to `bigint[]`."""
    text = orjson.dumps(list(numbers)).decode()
    return f"{{{text[1:-1]}}}" if dialect == "postgresql" else text


def from_list(found: str | Iterable[int] | None) -> Iterable[int]:
    """Return the numbers of a column that holds a list: JSON on SQLite, an array on PostgreSQL."""
    return orjson.loads(found) if isinstance(found, str) else found or ()


def as_moment(value: datetime, dialect: str) -> Any:
    """Return an aware moment as a parameter."""
    if dialect == "postgresql":
        return value
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def as_day(value: date, dialect: str) -> Any:
    """Return a day as a parameter."""
    return value if dialect == "postgresql" else value.isoformat()
