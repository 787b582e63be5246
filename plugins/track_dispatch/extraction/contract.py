"""What a query must return: the agreed columns, in order, each of a type that fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import NoneType
from typing import Any

import oracledb

from track_dispatch.errors import SourceContractError
from track_dispatch.records import COLUMNS, CONTRACT, EXTRA_PREFIX, ColumnKind

_TEXT = frozenset(
    {
        oracledb.DB_TYPE_VARCHAR,
        oracledb.DB_TYPE_CHAR,
        oracledb.DB_TYPE_NVARCHAR,
        oracledb.DB_TYPE_NCHAR,
    }
)
_NUMBER = frozenset({oracledb.DB_TYPE_NUMBER})
_DATE = frozenset({oracledb.DB_TYPE_DATE, oracledb.DB_TYPE_TIMESTAMP})
_TYPES = {ColumnKind.TEXT: _TEXT, ColumnKind.DIGITS: _TEXT | _NUMBER, ColumnKind.MOMENT: _DATE}
_ANY = _TEXT | _NUMBER | _DATE
#: What each agreed column may be returned as.
_ALLOWED = {column.name: _TYPES[column.kind] for column in CONTRACT}

_ID = "cd_atendimento"

#: A CPF has this many digits; a number has lost the zeros in front.
_CPF_DIGITS = 11

#: Rows as columns: name to texts, all of one length, in the query's order of columns and rows.
ErpColumns = dict[str, list[str]]

_HOW = (
    f"the query must return {', '.join(COLUMNS)} in this order and with these names, then only "
    f"columns that start with {EXTRA_PREFIX} (in double quotes: Oracle capitalises the rest)"
)


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """Columns that keep the contract, in the order of the query."""

    names: tuple[str, ...]

    def to_columns(self, rows: Sequence[Sequence[Any]], *, position: int) -> ErpColumns:
        """Turn fetched rows into columns of texts: "" for null, `YYYY-MM-DD HH:MM:SS` for a date.

        Column by column, since the values of one column are of one type and mostly need nothing.

        Args:
            rows: as the driver returns them, at least one.
            position: of the first row in the extraction, from 1; all that a message may say of one.

        Raises:
            SourceContractError: a row has no attendance id.
        """
        values = dict(zip(self.names, zip(*rows, strict=True), strict=True))
        columns = {name: _texts(column) for name, column in values.items()}
        if not all(map(str.strip, columns[_ID])):
            empty = next(place for place, text in enumerate(columns[_ID]) if not text.strip())
            raise _without_id(position + empty)
        if str not in set(map(type, values["cpf"])):
            columns["cpf"] = [text and text.zfill(_CPF_DIGITS) for text in columns["cpf"]]
        return columns


def check_columns(description: Sequence[oracledb.FetchInfo]) -> ColumnPlan:
    """Hold a cursor's description against the contract, before any row is used.

    Raises:
        SourceContractError: a column is missing, misplaced, of another name or of another type.
    """
    names = tuple(column.name for column in description)
    if names[: len(COLUMNS)] != COLUMNS:
        raise SourceContractError(f"{_misplaced(names)}; {_HOW}")
    extras = names[len(COLUMNS) :]
    if strangers := [name for name in extras if not name.startswith(EXTRA_PREFIX)]:
        raise SourceContractError(f"the query has unknown columns {', '.join(strangers)}; {_HOW}")
    if len(set(names)) < len(names):
        raise SourceContractError(f"the query has two columns of one name; {_HOW}")
    for column in description:
        allowed = _ALLOWED.get(column.name, _ANY)  # of a further column any
        if column.type_code not in allowed and not _is_only_null(column):
            raise SourceContractError(
                f"column {column.name} is of type {_name(column.type_code)}, allowed are "
                f"{', '.join(sorted(_name(kind) for kind in allowed))}; correct the SQL"
            )
    return ColumnPlan(names=names)


def _misplaced(names: tuple[str, ...]) -> str:
    """Say what is wrong with the agreed columns, the plainest reason first."""
    if missing := [name for name in COLUMNS if name not in names]:
        return f"the query lacks the columns {', '.join(missing)}"
    place, (found, agreed) = next(
        (place, pair)
        for place, pair in enumerate(zip(names, COLUMNS, strict=False), start=1)
        if pair[0] != pair[1]
    )
    return f"column {place} of the query is {found} where {agreed} is agreed"


def _is_only_null(column: oracledb.FetchInfo) -> bool:
    """Tell `select null`, which Oracle describes as a text of no length, from a real text."""
    return column.type_code in _TEXT and not column.internal_size


def _name(kind: Any) -> str:
    """Name a type as DBAs do."""
    return str(kind.name).removeprefix("DB_TYPE_")


def _without_id(position: int) -> SourceContractError:
    return SourceContractError(
        f"row {position} of the query has an empty {_ID}: without it nobody can tell whether the "
        f"attendance was asked; correct the SQL"
    )


def _texts(column: Sequence[Any]) -> list[str]:
    """Write a column's values as `_text` does; those of the usual types without a call for each."""
    kinds = set(map(type, column))
    if kinds == {str}:
        return list(column)
    if kinds <= {str, NoneType}:
        return [value or "" for value in column]
    if kinds <= {datetime, NoneType}:
        return ["" if moment is None else moment.isoformat(" ", "seconds") for moment in column]
    if kinds <= {int, NoneType}:
        return ["" if number is None else str(number) for number in column]
    return list(map(_text, column))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return str(int(value)) if value == int(value) else str(value)
