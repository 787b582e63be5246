"""Examples beside a hospital's query: an attendance in the ERP, and the line expected of it.

Their keys are Portuguese: they are written by people who know the hospital, not SQL. A mistake of
the query that only data shows (one area for another, a join of a column with itself, a code in the
wrong list) contradicts one of them when they are run; here their form is checked.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from track_dispatch.config import Hospital, include_dir
from track_dispatch.config.yaml_file import explain, read_yaml
from track_dispatch.errors import ConfigError, did_you_mean
from track_dispatch.extraction.query_tree import DATE_PREFIXES
from track_dispatch.records import COLUMNS, Area

_MOMENT = re.compile(
    r"(?P<day>dia|véspera|dia seguinte|(?P<days>\d{1,3}) dias? (?P<side>antes|depois))"
    r"(?: (?P<hours>\d\d):(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d))?)?"
)


def moment(text: str) -> timedelta:
    """Read a moment of an example, as the time since the business day began.

    Args:
        text: a day (`dia`, `véspera`, `dia seguinte`, `3 dias antes`, `2 dias depois`), and after
            it the time, if it is not midnight: `dia 13:00`, `véspera 23:59:59`.

    Raises:
        ValueError: it is neither.
    """
    found = _MOMENT.fullmatch(text.strip())
    if not found or int(found["hours"] or 0) > 23:
        raise ValueError(
            f'"{text}" is not a moment: write dia, véspera, dia seguinte, 3 dias antes or 3 dias'
            " depois, and the time after it: dia 13:00"
        )
    days = {"dia": 0, "véspera": -1, "dia seguinte": 1}.get(found["day"])
    if days is None:
        days = int(found["days"]) * (-1 if found["side"] == "antes" else 1)
    hours, minutes, seconds = (int(found[part] or 0) for part in ("hours", "minutes", "seconds"))
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _erp_value(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str | None):
        message = "must be a whole number, a text or null; of a date say when: dia 13:00"
        raise ValueError(message)  # noqa: TRY004 - pydantic collects ValueErrors only
    return value


def _erp_values(value: object) -> object:
    for entry in value if isinstance(value, list) and value else [value]:
        _erp_value(entry)
    return value


#: A row by column; a moment is the time since the business day began.
Row = dict[str, int | str | timedelta | None]


def _row(row: WrittenRow) -> Row:
    return {
        column: moment(value)
        if column.upper().startswith(DATE_PREFIXES) and isinstance(value, str)
        else value
        for column, value in row.items()
    }


def _rows(rows: WrittenRows) -> list[WrittenRow]:
    """Return a row for each value of its lists, and for each pair of values of two."""
    values = [value if isinstance(value, list) else [value] for value in rows.values()]
    return [dict(zip(rows, chosen, strict=True)) for chosen in product(*values)]


def _with_moments(rows: WrittenRows) -> WrittenRows:
    for row in _rows(rows):
        _row(row)
    return rows


#: A row as it is written; its moments are texts.
WrittenRow = Annotated[
    dict[str, Annotated[int | str | None, BeforeValidator(_erp_value)]],
    AfterValidator(_with_moments),
]
#: Several rows as they are written: one for each value of a list.
WrittenRows = Annotated[
    dict[str, Annotated[Any, BeforeValidator(_erp_values)]], AfterValidator(_with_moments)
]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Example(_Form):
    """One attendance, or several of which the same holds, and what must become of it."""

    exemplo: Annotated[str, Field(min_length=1)]
    """What it shows; no other example of the file says the same."""
    atendimento: WrittenRows
    """The attendance by the ERP's columns, Tasy's functions among them; a list of values in the
    place of one is an attendance for each."""
    paciente: WrittenRow = {}
    """The patient's columns that matter."""
    filhos: Annotated[int, Field(ge=0, le=9)] = 0
    """How many attendances have this one as their parent: newborns."""
    outros: tuple[WrittenRow, ...] = ()
    """Further attendances of the same patient."""
    catalogo: dict[str, tuple[WrittenRow, ...]] = {}
    """Tables that hold other rows for this example than for the others."""
    area: Area | None = None
    """The area under which it must come out."""
    setor: str | None = None
    """The setor under which it must come out; an empty text for none."""
    colunas: WrittenRow = {}
    """Further columns as they must come out."""
    fora: Annotated[str, Field(min_length=1)] | None = None
    """Why it must not come out."""

    @model_validator(mode="after")
    def _comes_out_or_not(self) -> Self:
        given = (self.area is not None, self.setor is not None, self.fora is not None)
        if given not in {(True, True, False), (False, False, True)}:
            raise ValueError("must have area and setor, or fora with the reason")
        if self.fora is not None and self.colunas:
            raise ValueError("cannot have colunas beside fora")
        if strangers := self.colunas.keys() - {*COLUMNS}:
            raise ValueError(f"colunas: {min(strangers)} is not a column that a query returns")
        return self

    @property
    def outcome(self) -> WrittenRow | None:
        """The columns that must come out, or None where the attendance must not."""
        if self.area is None:
            return None
        return {"area_pesquisa": str(self.area), "setor": self.setor} | self.colunas


class Examples(_Form):
    """The examples of a hospital."""

    comum: WrittenRow = {}
    """What every attendance has, unless it says otherwise."""
    catalogo: dict[str, tuple[WrittenRow, ...]] = {}
    """Rows of the ERP's other tables."""
    exemplos: Annotated[tuple[Example, ...], Field(min_length=1)]

    @field_validator("exemplos")
    @classmethod
    def _have_names_of_their_own(cls, examples: tuple[Example, ...]) -> tuple[Example, ...]:
        names = Counter(example.exemplo for example in examples)
        if twice := [name for name, times in names.items() if times > 1]:
            raise ValueError(f'has two examples "{twice[0]}"')
        return examples

    def attendances(self, example: Example) -> list[Row]:
        """Return an example's attendances, complete."""
        return [_row(self.comum | row) for row in _rows(example.atendimento)]

    def others(self, example: Example) -> list[Row]:
        """Return the further attendances of an example's patients, complete."""
        return [_row(self.comum | row) for row in example.outros]


def examples_path(hospital: Hospital, include: Path | None = None) -> Path:
    """Return where a hospital's examples stand: beside its query, under its code."""
    folder = ((include or include_dir()) / "sql" / hospital.sql).parent
    return folder / f"{hospital.code.lower()}.examples.yaml"


def read_examples(hospital: Hospital, include: Path | None = None) -> Examples:
    """Read a hospital's examples.

    Args:
        hospital: whose.
        include: the folder that holds `sql/`; the configured one by default.

    Raises:
        ConfigError: there are none, or their form is wrong: one line for each mistake.
    """
    path = examples_path(hospital, include)
    label = f"sql/{path.parent.name}/{path.name}"
    if not path.is_file():
        raise ConfigError(f"{label}: is missing: write an example for each rule of the query")
    content = read_yaml(path, label=label)
    try:
        return Examples.model_validate(content)
    except ValidationError as error:
        lines = (_by_name(line, content) for line in explain(error, _SCHEMA, label=label))
        raise ConfigError("\n".join(lines)) from None


def _by_name(line: str, content: dict[str, Any]) -> str:
    """Replace an example's number in a message by its name."""
    counted = re.search(r"exemplos\.(\d+)", line)
    if not counted:
        return line
    example = content["exemplos"][int(counted[1])]
    name = example.get("exemplo") if isinstance(example, dict) else None
    return line.replace(counted[0], f'example "{name}"' if name else counted[0], 1)


_SCHEMA = Examples.model_json_schema()


def check_examples(hospital: Hospital, sql: str, include: Path | None = None) -> list[str]:
    """Return the mistakes in the form of a hospital's examples, one line each; nothing is run.

    Args:
        hospital: whose.
        sql: its query, from `query.render`.
        include: the folder that holds `sql/`; the configured one by default.
    """
    try:
        examples = read_examples(hospital, include)
        tree = parse_one(sql, read="oracle")
    except ConfigError as error:
        return str(error).splitlines()
    except SqlglotError:
        return []  # the linter says so
    path = examples_path(hospital, include)
    found = [*_strangers(examples, tree), *_uncovered(examples, tree)]
    return [f"sql/{path.parent.name}/{path.name}: {problem}" for problem in found]


def _strangers(examples: Examples, tree: exp.Expr) -> list[str]:
    """Name columns and tables that the query does not read: they would change nothing."""
    columns = {column.name.lower() for column in tree.find_all(exp.Column)}
    columns |= {function.name.lower() for function in tree.find_all(exp.Anonymous)}
    tables = {table.name.lower() for table in tree.find_all(exp.Table)}
    rows: dict[str, list[WrittenRow]] = {"comum": [examples.comum]} | {
        f'example "{example.exemplo}"': [example.atendimento, example.paciente, *example.outros]
        for example in examples.exemplos
    }
    found = [
        f"{where}: the query does not read {column}{did_you_mean(column, columns)}"
        for where, written in rows.items()
        for column in {column: None for row in written for column in row if column not in columns}
    ]
    named = [
        *examples.catalogo,
        *(table for example in examples.exemplos for table in example.catalogo),
    ]
    return found + [
        f"catalogo: the query does not read {table}{did_you_mean(table, tables)}"
        for table in dict.fromkeys(named)
        if table not in tables
    ]


def _uncovered(examples: Examples, tree: exp.Expr) -> list[str]:
    """Name the areas of the query that no example shows, and examples of areas it has not."""
    of_query = {literal.name for literal in tree.find_all(exp.Literal)} & {*map(str, Area)}
    shown = {str(example.area) for example in examples.exemplos if example.area is not None}
    found = [f"no example of {area}, which the query returns" for area in of_query - shown]
    found += [f"an example of {area}, which the query never returns" for area in shown - of_query]
    if all(example.fora is None for example in examples.exemplos):
        found.append("no example of an attendance that must not come out (fora)")
    return sorted(found)
