"""A hospital's extraction as one SELECT, rendered from the templates in `include/sql/`.

For a DBA's tool, and to be parsed, it comes with something else in the place of its binds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from track_dispatch.business_day import day_bounds
from track_dispatch.config import include_dir
from track_dispatch.errors import ConfigError
from track_dispatch.records import COLUMNS, CONTRACT, MOMENT_FORMAT, Area, ColumnKind

if TYPE_CHECKING:
    from track_dispatch.config import Hospital

#: The binds of every query, both of type DATE; their meaning is that of `binds`.
BINDS = ("day_start", "day_end")

#: What a template may put between quotes: printable text.
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
    return dict(zip(BINDS, day_bounds(day), strict=True))


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
    """Return the query as a person pastes it; its lines come first and so keep their numbers.

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
    """Return the query with its binds cast to DATE, which the extraction sends them as.

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
