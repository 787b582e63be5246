"""What a query must return: the agreed columns, in order, each of a type that fits; and its texts.

A value that nobody can read never stops a day: it becomes empty, and its row says which it was.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from types import NoneType
from typing import Any

from track_dispatch.errors import SourceContractError
from track_dispatch.records import (
    COLUMNS,
    CONTRACT,
    EXTRA_PREFIX,
    FIRST_DAY,
    MOMENT_FORMAT,
    UNREADABLE_COLUMN,
    ColumnKind,
)

#: What each agreed column must fit, and how a message calls that.
_ALLOWED = {column.name: column.kind for column in CONTRACT}
_CALLED = {
    ColumnKind.TEXT: "text",
    ColumnKind.DIGITS: "text or number",
    ColumnKind.MOMENT: f"text by to_char(..., '{MOMENT_FORMAT}')",
}

_MOMENTS = frozenset(column.name for column in CONTRACT if column.kind is ColumnKind.MOMENT)
#: What a database writes in `MOMENT_FORMAT`, whatever the date.
_MOMENT = re.compile(r"[ -]?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)

_ID = "cd_atendimento"

#: A CPF has this many digits; a number has lost the zeros in front.
_CPF_DIGITS = 11

#: Stands in a text for bytes that are not a text: half a surrogate pair, which no real text holds.
UNDECODED = "\udcff"

#: Rows as columns: name to texts, all of one length, in the query's order of columns and rows.
ErpColumns = dict[str, list[str]]

_HOW = (
    f"the query must return {', '.join(COLUMNS)} in this order and with these names, then only "
    f"columns that start with {EXTRA_PREFIX} (in double quotes: Oracle capitalises the rest)"
)


@dataclass(frozen=True, slots=True)
class ReturnedColumn:
    """A column as the ERP describes it.

    Attributes:
        name: as the query writes it.
        type: as DBAs call it, `VARCHAR`.
        fits: the kinds that it can be taken for; every one where it holds null only.
    """

    name: str
    type: str
    fits: frozenset[ColumnKind]


def check_columns(columns: Sequence[ReturnedColumn]) -> tuple[str, ...]:
    """Hold what a query returns against the contract, before any row is used; return the names.

    Raises:
        SourceContractError: a column is missing, misplaced, of another name or of another type.
    """
    names = tuple(column.name for column in columns)
    if names[: len(COLUMNS)] != COLUMNS:
        raise SourceContractError(f"{_misplaced(names)}; {_HOW}")
    extras = names[len(COLUMNS) :]
    if strangers := [name for name in extras if not _is_extra(name)]:
        raise SourceContractError(f"the query has unknown columns {', '.join(strangers)}; {_HOW}")
    if len(set(names)) < len(names):
        raise SourceContractError(f"the query has two columns of one name; {_HOW}")
    for column in columns:
        allowed = _ALLOWED.get(column.name, ColumnKind.DIGITS)  # of a further one: text or number
        if allowed not in column.fits:
            raise SourceContractError(
                f"column {column.name} is of type {column.type}, where {_CALLED[allowed]} is "
                f"agreed; correct the SQL"
            )
    return names


def _is_extra(name: str) -> bool:
    return name.startswith(EXTRA_PREFIX) and name != UNREADABLE_COLUMN


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


def to_columns(
    names: Sequence[str], rows: Sequence[Sequence[Any]], *, day: date, position: int
) -> ErpColumns:
    """Turn fetched rows into columns of texts: "" for null, `YYYY-MM-DD HH:MM:SS` for a moment.

    Column by column, since the values of one column are of one type and mostly need nothing. A
    value that cannot be read becomes "", and `UNREADABLE_COLUMN` is added: it names such columns of
    each row, with commas. An attendance id that is missing is one; in its place comes an id that no
    other row has, so that the row is counted as an attendance.

    Args:
        names: of the columns.
        rows: as the driver returns them, at least one; bytes that are not a text as `UNDECODED`.
        day: the business day, for the ids made up.
        position: of the first row in the extraction, from 1, for the ids made up.

    Raises:
        SourceContractError: what should be a moment is another text.
    """
    columns: ErpColumns = {}
    found: defaultdict[int, list[str]] = defaultdict(list)
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        columns[name] = texts = _texts(values)
        if name == "cpf" and str not in set(map(type, values)):
            columns[name] = texts = [text and text.zfill(_CPF_DIGITS) for text in texts]
        if name in _MOMENTS:
            columns[name] = texts = list(map(str.strip, texts))
        for place in _unreadable(name, texts):
            texts[place] = f"{day} #{position + place}" if name == _ID else ""
            found[place].append(name)
    if found:
        columns[UNREADABLE_COLUMN] = [",".join(found[place]) for place in range(len(rows))]
    return columns


def _unreadable(name: str, texts: Sequence[str]) -> list[int]:
    """Return the places of a column's texts that cannot be read; an id must also be there."""
    if name in _MOMENTS:
        return [place for place, text in enumerate(texts) if text and not _is_moment(name, text)]
    found: list[int] = []
    if UNDECODED in "".join(texts):
        found = [place for place, text in enumerate(texts) if UNDECODED in text]
    if name == _ID and not all(map(str.strip, texts)):
        found += [place for place, text in enumerate(texts) if not text.strip()]
    return found


def _is_moment(name: str, text: str) -> bool:
    """Tell whether a calendar has this date and a clock this time.

    Raises:
        SourceContractError: it is not written as one.
    """
    if not _MOMENT.fullmatch(text):
        raise SourceContractError(
            f"column {name} holds a text that to_char(..., '{MOMENT_FORMAT}') does not write; "
            f"correct the SQL"
        )
    with suppress(ValueError):
        datetime.fromisoformat(text)
        return not text.startswith(FIRST_DAY)
    return False


def _texts(column: Sequence[Any]) -> list[str]:
    """Write a column's values as `_text` does; those of the usual types without a call for each."""
    kinds = set(map(type, column))
    if kinds == {str}:
        return list(column)
    if kinds <= {str, NoneType}:
        return [value or "" for value in column]
    if kinds <= {int, NoneType}:
        return ["" if number is None else str(number) for number in column]
    return list(map(_text, column))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return str(int(value)) if value == int(value) else str(value)
