"""The columns of an extraction, as the real driver describes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest
from erp_rows import as_rows
from hypothesis import given
from hypothesis import strategies as st
from many_rows import DAY, opened

from track_dispatch.errors import SourceContractError
from track_dispatch.extraction.oracle import Erp
from track_dispatch.extraction.query import UNDECODED, to_columns
from track_dispatch.records import COLUMNS, UNREADABLE_COLUMN

if TYPE_CHECKING:
    from track_dispatch.records import ErpRow

ROW = """
create schema dbamv;
create table dbamv.sample as select
  'a text' as txt, 900000001 as num, 123456789::double as plain_number,
  1.5::decimal(5, 2) as fraction, 9900000001::bigint as big, null::varchar as no_txt,
  cast(timestamp '2026-11-20 23:59:59' as timestamp_s) as dat, null::timestamp_s as no_dat,
  timestamp '2026-11-20 10:00:00.987654' as stamp;
"""
FITTING = dict.fromkeys(COLUMNS, "null") | {
    "ID_Cliente_Hfocus": "'40085'",
    "cd_atendimento": "big",
    "data_atendimento": "to_char(dat, 'SYYYY-MM-DD HH24:MI:SS')",
    "data_saida_alta": "to_char(no_dat, 'SYYYY-MM-DD HH24:MI:SS')",
    "name": "txt",
    "email": "no_txt",
    "phone": "'55' || txt",
    "cpf": "'01234567890'",
    "medico": "txt",
    "area_pesquisa": "'EXAMES'",
    "unidade": "'Unidade'",
    "setor": "txt",
}


MOMENTS = ("data_atendimento", "data_saida_alta")


@pytest.fixture(scope="module")
def erp(serving_script: Callable[[str, str], AbstractContextManager[object]]) -> Iterator[Erp]:
    with serving_script("oracle_sample", ROW), opened("oracle_sample") as connected:
        yield connected


def row_of(erp: Erp, expressions: dict[str, str]) -> ErpRow:
    items = ", ".join(f'{sql} as "{name}"' for name, sql in expressions.items())
    where = "cast(:day_start as date) < cast(:day_end as date)"
    chunks = erp.read(f"select {items} from dbamv.sample where {where}", day=DAY, action="sample")
    [row] = as_rows(next(chunks))
    return row


def test_a_row_becomes_text(erp: Erp) -> None:
    assert row_of(erp, FITTING) == dict.fromkeys(COLUMNS, "") | {
        "ID_Cliente_Hfocus": "40085",
        "cd_atendimento": "9900000001",
        "data_atendimento": "2026-11-20 23:59:59",
        "data_saida_alta": "",
        "name": "a text",
        "email": "",
        "phone": "55a text",
        "cpf": "01234567890",
        "medico": "a text",
        "area_pesquisa": "EXAMES",
        "unidade": "Unidade",
        "setor": "a text",
    }


@pytest.mark.parametrize(
    ("column", "expression", "text"),
    [
        ("ID_Cliente_Hfocus", "40085", "40085"),
        ("cd_atendimento", "plain_number", "123456789"),
        ("cd_atendimento", "'A-900000001'", "A-900000001"),
        ("data_saida_alta", "to_char(stamp, 'SYYYY-MM-DD HH24:MI:SS')", "2026-11-20 10:00:00"),
        ("data_saida_alta", "null", ""),
        ("phone", "55900000001", "55900000001"),
        ("cpf", "1234567890", "01234567890"),
        ("email", "null", ""),
        ("name", "cast(null as varchar2(1))", ""),
    ],
)
def test_a_type_that_fits_is_taken(erp: Erp, column: str, expression: str, text: str) -> None:
    assert row_of(erp, FITTING | {column: expression})[column] == text


@pytest.mark.parametrize(
    ("column", "values", "texts"),
    [
        ("name", ["ANA", "BIA"], ["ANA", "BIA"]),
        ("name", ["ANA", None], ["ANA", ""]),
        ("email", [None, None], ["", ""]),
        ("phone", [5527, None, 5528], ["5527", "", "5528"]),
        ("cpf", ["123", None], ["123", ""]),
        ("cpf", [123, None, 12345678901], ["00000000123", "", "12345678901"]),
        ("data_atendimento", [" 2026-01-02 23:59:59"], ["2026-01-02 23:59:59"]),
        ("data_saida_alta", [" 0987-01-02 00:00:00", None], ["0987-01-02 00:00:00", ""]),
        ("x_number", [1.5, None, 2, -0.25, 3.0], ["1.5", "", "2", "-0.25", "3"]),
        ("x_number", [1e17, 0.1], ["100000000000000000", "0.1"]),
    ],
)
def test_each_value_of_a_column_becomes_text(
    column: str, values: list[Any], texts: list[str]
) -> None:
    names = (*COLUMNS, "x_number")
    row = dict.fromkeys(names, "1") | dict.fromkeys(MOMENTS, "2026-11-20 08:00:00")
    rows = [tuple((row | {column: value}).values()) for value in values]

    columns = to_columns(names, rows, day=DAY, position=1)

    assert columns == {name: [text] * len(values) for name, text in row.items()} | {column: texts}


ANY_NAMES = (*(name for name in COLUMNS if name not in MOMENTS), "x_one", "x_two")
#: What the driver returns for the values of one column, by the column's type.
FETCHED = (
    st.text(max_size=12) | st.just(UNDECODED),
    st.integers(-(10**20), 10**20) | st.floats(-1e20, 1e20),
    st.nothing(),
)


def fetched_columns(count: int) -> st.SearchStrategy[dict[str, list[Any]]]:
    columns = [st.lists(st.none() | kind, min_size=count, max_size=count) for kind in FETCHED]
    return st.fixed_dictionaries({name: st.one_of(columns) for name in ANY_NAMES})


@given(st.integers(1, 6).flatmap(fetched_columns))
def test_columns_are_written_as_each_value_by_itself(columns: dict[str, list[Any]]) -> None:
    columns = columns | {"cd_atendimento": list(range(len(columns["name"])))}
    rows = list(zip(*columns.values(), strict=True))

    written = to_columns(tuple(columns), rows, day=DAY, position=1)

    unreadable = written.pop(UNREADABLE_COLUMN, [""] * len(rows))
    assert unreadable == [
        ",".join(name for name, values in columns.items() if is_unreadable(values[place]))
        for place in range(len(rows))
    ]
    assert written == {
        name: ["" if is_unreadable(value) else expected(name, value) for value in values]
        for name, values in columns.items()
    }


def is_unreadable(value: object) -> bool:
    """Tell text that was no text."""
    return isinstance(value, str) and UNDECODED in value


def expected(name: str, value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case int() | float():
            text = str(int(value) if float(value).is_integer() else value)
            return text.zfill(11) if name == "cpf" else text
    raise AssertionError(type(value))


@pytest.mark.parametrize(
    ("column", "expression", "kind"),
    [
        ("data_atendimento", "dat", "DATE"),
        ("data_atendimento", "stamp", "TIMESTAMP"),
        ("data_saida_alta", "num", "NUMBER"),
        ("cd_atendimento", "dat", "DATE"),
        ("name", "num", "NUMBER"),
        ("email", "dat", "DATE"),
        ("area_pesquisa", "num", "NUMBER"),
        ("cpf", "dat", "DATE"),
        ("x_born", "dat", "DATE"),
    ],
)
def test_a_type_that_does_not_fit_is_named(
    erp: Erp, column: str, expression: str, kind: str
) -> None:
    with pytest.raises(SourceContractError, match=rf"column {column} is of type \w*{kind}"):
        row_of(erp, FITTING | {column: expression})


@pytest.mark.parametrize("text", ["20/11/2026", "2026-11-20", "ANA", "2026-11-20 10:00:00.5", "²"])
@pytest.mark.parametrize("column", MOMENTS)
def test_a_text_that_is_not_written_as_a_moment_is_the_query_s_fault(
    erp: Erp, column: str, text: str
) -> None:
    with pytest.raises(SourceContractError, match=f"column {column} holds .*SYYYY-MM") as told:
        row_of(erp, FITTING | {column: f"'{text}'"})

    assert text not in str(told.value)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(erp: Erp, column: str) -> None:
    with pytest.raises(SourceContractError, match=f"lacks the columns {column};"):
        row_of(erp, {name: sql for name, sql in FITTING.items() if name != column})


def test_two_columns_in_each_other_s_place_are_named(erp: Erp) -> None:
    """The predecessor sent the physician's name as e-mail: its blocks had other orders."""
    swapped = list(FITTING)
    swapped[5], swapped[8] = swapped[8], swapped[5]

    with pytest.raises(SourceContractError, match="column 6 of the query is medico where email"):
        row_of(erp, {name: FITTING[name] for name in swapped})


def test_a_column_in_capitals_is_another_column(erp: Erp) -> None:
    renamed = {("NAME" if name == "name" else name): sql for name, sql in FITTING.items()}

    with pytest.raises(SourceContractError, match="lacks the columns name;"):
        row_of(erp, renamed)


def test_further_columns_start_with_x(erp: Erp) -> None:
    extras = {"x_age": "num", "x_weight": "fraction", "x_nothing": "null", "x_note": "txt"}

    row = row_of(erp, FITTING | extras)

    assert [row[name] for name in extras] == ["900000001", "1.5", "", "a text"]


@pytest.mark.parametrize("name", ["age", "X_AGE", "xage", "x_unreadable"])
def test_an_unknown_column_is_named(erp: Erp, name: str) -> None:
    with pytest.raises(SourceContractError, match=f"unknown columns {name};"):
        row_of(erp, FITTING | {name: "num"})


def test_a_further_column_comes_after_the_agreed_ones(erp: Erp) -> None:
    with pytest.raises(SourceContractError, match="column 1 of the query is x_age where ID_Cli"):
        row_of(erp, {"x_age": "num"} | FITTING)
