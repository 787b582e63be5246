"""The linter: our own queries pass, each mutant of them is caught, and so is every old defect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise
from random import Random

import pytest

from track_dispatch.config import include_dir, load_hospital
from track_dispatch.extraction.lint import Finding, lint
from track_dispatch.extraction.query import render
from track_dispatch.records import COLUMNS, CONTRACT, ColumnKind

MOMENTS = [column.name for column in CONTRACT if column.kind is ColumnKind.MOMENT]
CODES = sorted(path.stem.upper() for path in (include_dir() / "hospitals").glob("*.yaml"))

#: One hospital of each ERP whose every mutant is tried; of the others so many of each kind, but
#: every one of the kinds that the predecessor's defects were of.
EVERY, FEW = ("HMS", "HAC"), 1
OLD_DEFECTS = (
    "two columns swapped",
    "one column dropped",
    "a bind replaced by SYSDATE",
    "TRUNC around a date",
)

BIND = re.compile(r"(?<=[<=] ):day_(start|end)")
DATE = re.compile(r"\b\w+\.(dt|hr)_\w+(?= (>=|<) :)")
LABEL = re.compile(
    r"(?<=\n        then )'(EXAMES|INTERNACAO|PRONTO SOCORRO GERAL|AMBULATORIO)'(?=\n)"
)
RANGE_END = re.compile(r"\n +and \w+\.dt_\w+ < :day_end")
OF_DAY = re.compile(r"(?<=attendances_of_day as \(\n  select\n)(    a\.\w+,?\n)+")


@lru_cache
def ours(code: str) -> str:
    return render(load_hospital(code))


@pytest.mark.parametrize("code", CODES)
def test_a_query_of_ours_passes(code: str) -> None:
    assert lint(ours(code), file=code) == []


def replaced(pattern: re.Pattern[str], by: str) -> Callable[[str], Iterator[str]]:
    """Return what makes a mutant of each occurrence, which `by` may refer to as group 0."""

    def mutants(sql: str) -> Iterator[str]:
        for found in pattern.finditer(sql):
            yield sql[: found.start()] + found.expand(by) + sql[found.end() :]

    return mutants


def final_columns(sql: str) -> tuple[str, list[str], str]:
    """Take the last select list apart: what is before it, its columns, what is after."""
    start = sql.rindex("\nselect\n") + len("\nselect\n")
    end = sql.rindex("\nfrom attendances_by_area a")
    return sql[:start], re.split(r'(?<="),\n', sql[start:end]), sql[end:]


def with_two_swapped(sql: str) -> Iterator[str]:
    before, columns, after = final_columns(sql)
    for place in range(len(columns) - 1):
        other = [*columns]
        other[place], other[place + 1] = other[place + 1], other[place]
        yield before + ",\n".join(other) + after


def with_names_swapped(sql: str) -> Iterator[str]:
    for one, other in pairwise(COLUMNS):
        swap = {f'as "{one}"': f'as "{other}"', f'as "{other}"': f'as "{one}"'}
        yield re.sub("|".join(swap), lambda found, swap=swap: swap[found[0]], sql)


def with_one_dropped(sql: str) -> Iterator[str]:
    before, columns, after = final_columns(sql)
    for place in range(len(columns)):
        yield before + ",\n".join(columns[:place] + columns[place + 1 :]) + after


def with_one_dropped_in_the_first_block(sql: str) -> Iterator[str]:
    block = OF_DAY.search(sql)
    assert block
    columns = block[0].rstrip("\n").split(",\n")
    for place in range(len(columns)):
        rest = ",\n".join(columns[:place] + columns[place + 1 :])
        yield sql[: block.start()] + rest + "\n" + sql[block.end() :]


def with_two_swapped_in_the_first_block(sql: str) -> Iterator[str]:
    """Swap in a union only: a block that stands alone is asked by name."""
    block = OF_DAY.search(sql)
    if block and "union all" in sql:
        columns = block[0].rstrip("\n").split(",\n")
        for place in range(len(columns) - 1):
            other = [*columns]
            other[place], other[place + 1] = other[place + 1], other[place]
            yield sql[: block.start()] + ",\n".join(other) + "\n" + sql[block.end() :]


MUTATIONS: dict[str, tuple[Callable[[str], Iterator[str]], str]] = {
    "two columns swapped": (with_two_swapped, "is agreed"),
    "two names swapped": (with_names_swapped, "is agreed"),
    "one column dropped": (with_one_dropped, "lacks"),
    "one column dropped in a block": (with_one_dropped_in_the_first_block, "column|lacks"),
    "two columns swapped in a block": (with_two_swapped_in_the_first_block, "is agreed"),
    "a bind replaced by SYSDATE": (replaced(BIND, "sysdate"), "SYSDATE"),
    "a bind replaced by TRUNC(SYSDATE)": (replaced(BIND, "trunc(sysdate - 1)"), "SYSDATE"),
    "a bind misspelt": (replaced(BIND, ":day_strat"), "day_strat"),
    "TRUNC around a date": (replaced(DATE, r"trunc(\g<0>)"), "wraps"),
    "TO_CHAR around a date": (replaced(DATE, r"to_char(\g<0>, 'YYYYMMDD')"), "wraps"),
    "a day added to a date": (replaced(DATE, r"\g<0> + 1"), "wraps"),
    "NVL around a date": (replaced(DATE, r"nvl(\g<0>, date '2024-01-01')"), "wraps"),
    "no end of the range": (replaced(RANGE_END, ""), "beginning and end|day_end"),
    "an area with an accent": (replaced(LABEL, "'INTERNAÇÃO'"), "INTERNAÇÃO"),
    "a second statement": (lambda sql: iter([f"{sql};\ncommit"]), "not one SELECT"),
    "locked": (lambda sql: iter([f"{sql}\nfor update"]), "not one SELECT"),
    "a semicolon": (lambda sql: iter([f"{sql};"]), "semicolon"),
    "no table": (
        lambda sql: iter([sql.replace("\nfrom attendances_by_area a", "")]),
        "names no table",
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("code", CODES)
def test_a_mutant_of_ours_is_caught(code: str, mutation: str) -> None:
    sql = ours(code)
    mutate, message = MUTATIONS[mutation]
    mutants = list(mutate(sql))
    if code not in EVERY and mutation not in OLD_DEFECTS:
        mutants = Random(f"{code} {mutation}").sample(mutants, k=min(FEW, len(mutants)))

    assert mutants or ("block" in mutation and "union all" not in sql)
    for mutant in mutants:
        assert mutant != sql
        found = " ".join(finding.message for finding in lint(mutant, file=code))
        assert re.search(message, found), f"{found or 'nothing'} in\n{mutant}"


# --- The predecessor's defects, in small ----------------------------------------------------------


def select(*, instead: dict[str, str] | None = None, where: str = "") -> str:
    """Return a small query that is right, but for the expressions given by name."""
    of_day = "a.dt_alta >= :day_start and a.dt_alta < :day_end"
    values = dict.fromkeys(COLUMNS, "a.x") | {"area_pesquisa": "'EXAMES'"}
    values |= dict.fromkeys(MOMENTS, "to_char(a.x, 'SYYYY-MM-DD HH24:MI:SS')")
    values |= instead or {}
    listed = ",\n".join(f'  {value} as "{name}"' for name, value in values.items())
    return f"select\n{listed}\nfrom dbamv.atendime a\nwhere {where or of_day}"


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize(
    "value",
    [
        "a.hr_alta",
        "greatest(nvl(a.hr_alta, a.dt_alta), date '0001-01-01')",
        "to_char(a.hr_alta, 'YYYY-MM-DD HH24:MI:SS')",
        "upper(to_char(a.hr_alta, 'SYYYY-MM-DD HH24:MI:SS'))",
    ],
)
def test_a_date_that_no_calendar_may_have_is_told(name: str, value: str) -> None:
    [message] = messages(select(instead={name: value}))

    assert message.startswith(f"{name} may be a date that no calendar has, which stops the day: wr")
    assert message.endswith("to_char(..., 'SYYYY-MM-DD HH24:MI:SS')")


@pytest.mark.parametrize(
    "value",
    [
        "null",
        "to_char(nvl(a.hr_alta, a.dt_alta), 'SYYYY-MM-DD HH24:MI:SS')",
        "to_char(cast(a.hr_alta as date), 'SYYYY-MM-DD HH24:MI:SS')",
    ],
)
def test_a_date_that_comes_out_as_text_passes(value: str) -> None:
    assert messages(select(instead={"data_saida_alta": value})) == []


def messages(sql: str) -> list[str]:
    return [finding.message for finding in lint(sql, file="small.sql")]


def test_a_small_query_passes() -> None:
    assert messages(select()) == []
    assert messages(f"{select()}\nunion all\n{select()}") == []


def test_blocks_in_another_order_are_told_by_block_and_column() -> None:
    second = select().replace('as "email"', 'as "."').replace('as "medico"', 'as "email"')
    second = second.replace('as "."', 'as "medico"')

    assert messages(f"{select()}\nunion all\n{second}") == [
        "column 6 of block 2 of the union is medico where email is agreed: a union goes by position"
    ]


def test_a_block_with_a_column_less_is_told() -> None:
    second = select().replace('  a.x as "cpf",\n', "")

    assert messages(f"{select()}\nunion all\n{second}") == ["block 2 of the union lacks cpf"]


def test_a_block_without_names_is_told() -> None:
    """Oracle takes the first block's, whatever the second one meant."""
    second = re.sub(r' as "\w+"', " || 'x'", select())

    assert len(messages(f"{select()}\nunion all\n{second}")) == len(COLUMNS)
    assert all("has no name" in one for one in messages(f"{select()}\nunion all\n{second}"))


def test_a_name_without_quotes_is_not_the_agreed_one() -> None:
    found = messages(select().replace('"setor"', "setor"))

    assert found == ["the query lacks setor and has SETOR, agreed with nobody"]


def test_a_star_is_no_column() -> None:
    assert messages(
        "select a.* from dbamv.atendime a where a.dt_alta >= :day_start and a.dt_alta < :day_end"
    )[0].startswith("column 1 of the query has no name")


@pytest.mark.parametrize("extra", ["x_age", "x_"])
def test_a_further_column_of_our_own_may_follow(extra: str) -> None:
    assert messages(select(instead={extra: "a.y"})) == []


@pytest.mark.parametrize("extra", ["age", "X_AGE", "cpf2"])
def test_a_further_column_of_another_name_is_told(extra: str) -> None:
    assert messages(select(instead={extra: "a.y"})) == [
        f"the query has {extra}, agreed with nobody"
    ]


@pytest.mark.parametrize(
    "where",
    [
        "trunc(a.dt_alta) = trunc(sysdate) - 1",
        "trunc(a.dt_alta) = trunc(SysDate - 1)",
        "a.dt_alta >= current_date - 1",
        "a.dt_alta >= cast(systimestamp as date)",
        "a.dt_alta >= localtimestamp",
        "a.dt_alta >= current_timestamp(3)",
    ],
)
def test_a_clock_is_told(where: str) -> None:
    found = messages(select(where=where))

    assert sum("reads the clock" in one for one in found) == 1
    assert sum("does not bind" in one for one in found) == 2


def test_a_clock_in_a_text_a_name_or_a_comment_is_none() -> None:
    sql = select(instead={"setor": "'SYSDATE'", "x_sysdate": 'a."SYSDATE"'})

    assert messages(f"-- no sysdate here\n{sql}") == []


@pytest.mark.parametrize(
    "condition",
    [
        "trunc(a.dt_alta) = :day_start",
        ":day_start = trunc(a.dt_alta)",
        "(trunc(a.dt_alta)) = (:day_start)",
        "to_char(a.dt_alta, 'DDMMYYYY') = to_char(:day_start, 'DDMMYYYY')",
        "a.dt_alta + 1 > :day_start",
        "a.dt_alta - :day_start >= 0",
        "trunc(a.dt_alta) between :day_start and :day_end",
        "trunc(a.dt_alta) in (:day_start)",
        "cast(a.dt_alta as date) >= :day_start",
        "to_date(a.dia, 'DDMMYYYY') >= :day_start",
        "trunc(a.dt_alta) = date '2024-02-29'",
        "trunc(a.hr_alta) = trunc(a.dt_alta)",
        "case trunc(a.dt_alta) when :day_start then 1 end = 1",
        "exists (select 1 from t b where trunc(b.dt_entrada) = :day_start and :day_end > b.d)",
    ],
)
def test_a_date_condition_that_no_index_serves_is_told(condition: str) -> None:
    of_day = "a.dt_alta >= :day_start and a.dt_alta < :day_end"
    found = messages(select(where=f"{of_day} and {condition}"))

    assert any("wraps its date column" in one for one in found)


@pytest.mark.parametrize(
    "condition",
    [
        "a.hr_alta is null",
        "(a.hr_alta is null or a.hr_alta < :day_end)",
        "a.dt_entrada >= :day_start - 1",
        ":day_end > a.dt_entrada",
        "a.dt_entrada >= add_months(:day_start, -1)",
        "trunc(a.peso) = 70",
        "a.dt_entrada < a.dt_alta",
    ],
)
def test_a_bare_date_passes(condition: str) -> None:
    of_day = "a.dt_alta >= :day_start and a.dt_alta < :day_end"

    assert messages(select(where=f"{of_day} and {condition}")) == []


def test_a_date_wrapped_in_a_block_before_is_told() -> None:
    block = "with days as (select a.x, trunc(a.dt_alta) as dt_alta from dbamv.atendime a)\n"
    sql = block + select().replace("dbamv.atendime", "days")

    assert any("wraps its date column" in one for one in messages(sql))


@pytest.mark.parametrize(
    ("area", "label"),
    [
        ("'INTERNAÇÃO'", "INTERNAÇÃO"),
        ("'exames'", "exames"),
        ("case when a.x = 1 then 'EXAMES' else 'OUTROS' end", "OUTROS"),
        ("nvl(a.area, 'PRONTO SOCORRO')", "PRONTO SOCORRO"),
        ("decode(a.x, 1, 'EXAMES', 2, 'ONCO', 'AMBULATORIO')", "ONCO"),
        ("decode(a.x, 1, 'EXAMES', 'DEFAULT')", "DEFAULT"),
        ("nvl2(a.x, 'EXAMES', 'NADA')", "NADA"),
        ("1", "1"),
    ],
)
def test_a_label_that_is_no_area_is_told(area: str, label: str) -> None:
    (found,) = messages(select(instead={"area_pesquisa": area}))

    assert found.startswith(f'"{label}" is not one of the six areas')


def test_a_label_from_a_block_before_is_told() -> None:
    block = "with v as (select a.*, a.x, a.dt_alta, 'OBSERVAÇÃO' as onde from dbamv.atendime a)\n"
    sql = block + select(instead={"area_pesquisa": "a.onde"}).replace("dbamv.atendime", "v")

    assert any("OBSERVAÇÃO" in one for one in messages(sql))


def test_a_label_that_an_area_is_compared_with_is_told() -> None:
    sql = select(instead={"setor": "case a.area_pesquisa when 'EXAME' then 'x' else 'y' end"})

    (found,) = messages(sql)
    assert found.startswith('"EXAME" is not one of the six areas (did you mean "EXAMES"?)')


@pytest.mark.parametrize("area", ["a.area", "case when a.x = 'OUTROS' then 'EXAMES' end", "null"])
def test_an_area_that_only_the_erp_knows_passes(area: str) -> None:
    assert messages(select(instead={"area_pesquisa": area})) == []


def test_a_misspelt_bind_names_the_nearest() -> None:
    found = messages(select().replace(":day_end", ":day_ends"))

    assert any('binds :day_ends (did you mean "day_end"?)' in one for one in found)


def test_a_block_without_a_day_is_told() -> None:
    second = select(where="a.tp_atendimento = 'E'")

    assert messages(f"{select()}\nunion all\n{second}") == [
        "block 2 of the union reads every day there is"
    ]


def test_blocks_that_ask_a_block_of_the_day_pass() -> None:
    days = "select a.x, a.dt_alta from dbamv.atendime a where a.dt_alta >= :day_start "
    days += "and a.dt_alta < :day_end"
    one = select(where="a.x = 1").replace("dbamv.atendime", "days")

    assert messages(f"with days as ({days})\n{one}\nunion all\n{one}") == []


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- nothing",
        "delete from dbamv.atendime",
        "update dbamv.atendime set dt_alta = :day_start where dt_alta = :day_end",
        "begin null; end;",
        "create table x as select 1 as y from dual",
        "grant select on x to y",
        "select 1 from dual; select 2 from dual",
        "call something(:day_start, :day_end)",
        "select a.x from d.t a where",
    ],
)
def test_anything_but_one_select_is_told(sql: str) -> None:
    assert any("one SELECT" in one or "cannot be read" in one for one in messages(sql))


@pytest.mark.parametrize("sql", ["select 'open", 'select "open', "select 1 /* open"])
def test_a_quote_or_a_comment_that_never_ends_is_told(sql: str) -> None:
    assert messages(sql) == ["has a text or a comment without an end"]


def test_a_finding_names_file_line_and_column_of_the_printed_query() -> None:
    sql = select().replace("a.dt_alta <", "trunc(a.dt_alta) <").replace(" and ", "\n  and ")

    (found,) = lint(sql, file="mv/hms.sql")
    assert (found.file, found.line) == ("mv/hms.sql", len(sql.splitlines()))
    assert sql.splitlines()[found.line - 1][found.column - 1 :].startswith("trunc(a.dt_alta)")
    assert str(found).startswith(f"mv/hms.sql:{found.line}:{found.column}: ")
    assert found == Finding("mv/hms.sql", found.line, found.column, found.message)


def test_a_label_is_told_where_it_stands() -> None:
    sql = select(instead={"area_pesquisa": "'EXAMEN'"})

    (found,) = lint(sql, file="mv/hms.sql")
    assert sql.splitlines()[found.line - 1][found.column - 1 :].startswith("'EXAMEN'")


def test_a_query_that_no_parser_reads_is_told_where_it_breaks_off() -> None:
    sql = select().replace("a.dt_alta <", "a.dt_alta < )").replace(" and ", "\n  and ")

    (found,) = lint(sql, file="mv/hms.sql")
    assert "cannot be read as Oracle's SQL" in found.message
    assert found.line == len(sql.splitlines())
