"""Render a hospital's query from `include/sql/`, and check the columns that it returns.

For a DBA's tool, and for parsing, its binds are replaced. It must return the agreed columns, in
order, each of a type that fits. An unreadable value does not stop a day: it becomes empty, and its
row tells which it was.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from types import NoneType
from typing import Any

import jinja2

from track_dispatch.config import Hospital, include_dir
from track_dispatch.errors import ConfigError, SourceContractError
from track_dispatch.records import (
    COLUMNS,
    CONTRACT,
    EXTRA_PREFIX,
    FIRST_DAY,
    MOMENT_FORMAT,
    UNREADABLE_COLUMN,
    Area,
    ColumnKind,
)

#: The binds of every query, both of type DATE; their meaning is that of `binds`.
BINDS = ("day_start", "day_end")

#: Texts that a template may put between quotes: printable ones.
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]+")

#: Comments, texts and quoted names are stepped over; what is left with a colon is a bind.
_SCAN = re.compile(r"--[^\n]*|/\*.*?\*/|'[^']*'|\"[^\"]*\"|:(?P<bind>\w+)", re.DOTALL)


def render(hospital: Hospital, include: Path | None = None) -> str:
    """Render the hospital's query; its binds are those of `binds`.

    Args:
        hospital: whose code, unit, client id and companies the query needs.
        include: the folder that holds `sql/`; the configured one by default.

    Raises:
        ConfigError: the template is missing, malformed, or asks for what the hospital lacks.
    """
    folder = (include or include_dir()) / "sql"
    try:
        return _environment(folder).get_template(hospital.sql).render(hospital=hospital).strip()
    except jinja2.TemplateNotFound as error:
        raise ConfigError(
            f"hospital {hospital.code}: there is no SQL template {error.name} in {folder}; "
            f"correct `sql:` in the hospital's file or the name in the template that asks for it"
        ) from None
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError(
            f"hospital {hospital.code}: SQL template {folder / (error.name or hospital.sql)}, "
            f"line {error.lineno}: {error.message}"
        ) from None
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise ConfigError(
            f"hospital {hospital.code}: SQL template {folder / hospital.sql} cannot be rendered: "
            f"{error}"
        ) from None


def binds(day: date) -> dict[str, datetime]:
    """Return the query's binds: the business day, half-open, in the hospital's local time.

    Naive on purpose: the ERP's DATE columns know no zone, and the driver sends a datetime as DATE,
    so that the columns' indexes serve.
    """
    start = datetime.combine(day, time.min)
    return dict(zip(BINDS, (start, start + timedelta(days=1)), strict=True))


def literal(value: str | int | Sequence[str | int]) -> str:
    """Write a value as SQL: text between quotes, a whole number as it is, a sequence with commas.

    Raises:
        ValueError: anything else, the empty text (Oracle takes it for null) or an empty sequence
            (Oracle has no empty list).
    """
    match value:
        case bool():
            raise ValueError("SQL has no literal for true and false")
        case int():
            return str(value)
        case str():
            if not _PRINTABLE.fullmatch(value):
                raise ValueError("a text for SQL is empty or holds control characters")
            return "'" + value.replace("'", "''") + "'"
        case list() | tuple():
            if not value:
                raise ValueError("a list of codes for SQL is empty (`companies:` missing?)")
            return ", ".join(literal(item) for item in value)
        case _:
            raise ValueError(f"SQL has no literal for a value of type {type(value).__name__}")


def script(sql: str, day: date, *, literals: bool = False) -> str:
    """Return the query for a person to paste; its lines come first, and so keep their numbers.

    Args:
        sql: from `query.render`.
        day: the business day.
        literals: write the day into the query; else its binds' values follow as comments.
    """
    values = binds(day)
    if literals:
        # a date literal has no time of day; both binds are midnights
        days = {name: f"date '{value:%Y-%m-%d}'" for name, value in values.items()}
        return f"{_replace(sql, lambda name: days.get(name.lower(), f':{name}'))}\n;"
    comments = [f"-- :{name:<9}  date  {value}" for name, value in values.items()]
    return "\n".join([sql, ";", *comments])


def typed(sql: str) -> str:
    """Return the query with its binds cast to DATE, the type that the extraction sends.

    In a query that is only parsed binds have no type, and Oracle may take `:day_start - 1` for a
    number.
    """
    return _replace(sql, lambda name: f"cast(:{name} as date)")


def place_in(sql: str, offset: int) -> str:
    """Name the place in a query that a database means, as `script` prints the query.

    Args:
        sql: as it was sent, `typed` or not.
        offset: in bytes, from 0.
    """
    before = sql.encode()[:offset].decode(errors="ignore")
    before = re.sub(rf"cast\((:(?:{'|'.join(BINDS)})) as date\)", r"\1", before)
    line, column = position(before, len(before))
    return f"line {line}, column {column}"


def position(sql: str, offset: int) -> tuple[int, int]:
    """Return line and column, from 1, of a place in a query, in characters from 0."""
    return sql.count("\n", 0, offset) + 1, offset - sql.rfind("\n", 0, offset)


def _environment(folder: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder, encoding="utf-8"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - SQL, not HTML; values go through `literal`
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["literal"] = literal
    moments = [column.name for column in CONTRACT if column.kind is ColumnKind.MOMENT]
    environment.globals |= {
        "columns": COLUMNS,
        "moments": moments,
        "moment_format": MOMENT_FORMAT,
        "areas": tuple(Area),
    }
    return environment


def _replace(sql: str, text: Callable[[str], str]) -> str:
    return _SCAN.sub(lambda found: text(found["bind"]) if found["bind"] else found[0], sql)


# -- what it must return -----------------------------------------------------------

#: The kind that each agreed column must fit, and its name in messages.
_ALLOWED = {column.name: column.kind for column in CONTRACT}
_CALLED = {
    ColumnKind.TEXT: "text",
    ColumnKind.DIGITS: "text or number",
    ColumnKind.MOMENT: f"text by to_char(..., '{MOMENT_FORMAT}')",
}

_MOMENTS = frozenset(column.name for column in CONTRACT if column.kind is ColumnKind.MOMENT)
#: A text in `MOMENT_FORMAT`, of any date.
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
    """Check a query's columns against the contract, before any row is used; return their names.

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
    """Describe the difference from the agreed columns, the simplest one first."""
    if missing := [name for name in COLUMNS if name not in names]:
        return f"the query lacks the columns {', '.join(missing)}"
    return first_difference(names, COLUMNS, "the query")


def first_difference(found: Sequence[str], agreed: Sequence[str], of: str) -> str:
    """Describe the first column that differs from the agreed one; there must be one.

    Args:
        found: the columns as they stand.
        agreed: the columns as they must stand.
        of: what they are the columns of.
    """
    pairs = enumerate(zip(found, agreed, strict=False), start=1)
    place, (here, there) = next((place, pair) for place, pair in pairs if pair[0] != pair[1])
    return f"column {place} of {of} is {here} where {there} is agreed"


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
    """Return the positions of a column's unreadable texts; an empty id is one."""
    if name in _MOMENTS:
        return [place for place, text in enumerate(texts) if text and not _is_moment(name, text)]
    found: list[int] = []
    if UNDECODED in "".join(texts):
        found = [place for place, text in enumerate(texts) if UNDECODED in text]
    if name == _ID and not all(map(str.strip, texts)):
        found += [place for place, text in enumerate(texts) if not text.strip()]
    return found


def _is_moment(name: str, text: str) -> bool:
    """Tell whether a text is an existing date and time.

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
