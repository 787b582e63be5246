"""What every rendered query looks like, and what a wrong template says."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path

import pytest
import sqlglot
from erp_rows import UNIDADES, hospital
from sqlglot import exp

from track_dispatch.config import include_dir
from track_dispatch.errors import ConfigError
from track_dispatch.extraction.query import binds, literal, render
from track_dispatch.records import COLUMNS, Area

DATE_COLUMNS = {"dt_alta", "dt_atendimento", "hr_alta", "hr_atendimento", "dt_entrada"}
COMPARISONS = (exp.GTE, exp.GT, exp.LTE, exp.LT, exp.EQ, exp.NEQ, exp.Between)


@pytest.fixture(params=list(UNIDADES))
def sql(request: pytest.FixtureRequest) -> str:
    return render(hospital(request.param))


def parsed(sql: str) -> exp.Select:
    (statement,) = sqlglot.parse(sql, read="oracle")
    assert isinstance(statement, exp.Select)
    return statement


def test_a_query_is_one_select_of_the_agreed_columns(sql: str) -> None:
    assert tuple(parsed(sql).named_selects) == COLUMNS
    assert all(f'as "{column}"' in sql for column in COLUMNS)


def test_a_query_binds_the_day_and_nothing_else(sql: str) -> None:
    names = {bind.name for bind in parsed(sql).find_all(exp.Placeholder)}

    assert names == {"day_start", "day_end"}


def test_a_date_condition_has_its_column_bare(sql: str) -> None:
    compared = [
        comparison
        for comparison in parsed(sql).find_all(*COMPARISONS)
        if comparison.find(exp.Placeholder)
    ]

    assert compared
    for comparison in compared:
        column, bind = comparison.this, comparison.expression
        assert isinstance(column, exp.Column), comparison.sql()
        assert column.name in DATE_COLUMNS, comparison.sql()
        assert isinstance(bind, exp.Placeholder) or is_day_before(bind), comparison.sql()


def is_day_before(node: exp.Expr) -> bool:
    """Tell `:day_start - 1`, which leaves the column alone."""
    return isinstance(node, exp.Sub) and node.sql() == ":day_start - 1"


def test_a_day_ends_before_the_next_begins(sql: str) -> None:
    by_bind = {
        (type(node).__name__, node.expression.name)
        for node in parsed(sql).find_all(*COMPARISONS)
        if isinstance(node.expression, exp.Placeholder)
    }

    assert by_bind == {("GTE", "day_start"), ("LT", "day_end")}


def test_a_query_knows_no_clock(sql: str) -> None:
    words = set(re.findall(r"\w+", sql.lower()))

    assert words.isdisjoint({"sysdate", "systimestamp", "current_date", "current_timestamp"})


def test_a_query_selects_no_star(sql: str) -> None:
    assert parsed(sql).find(exp.Star) is None


def test_a_query_is_written_in_small_letters(sql: str) -> None:
    bare = re.sub(r"--[^\n]*|'[^']*'|\"[^\"]*\"", "", sql)

    assert bare == bare.lower()


def test_a_query_opens_with_what_it_is_for(sql: str) -> None:
    opening = sql.partition("with ")[0].splitlines()

    assert all(line.startswith("--") for line in opening)
    for word in ("Grain: one row per attendance", ":day_start", ":day_end", "date"):
        assert word in sql.partition("with ")[0]


def test_a_query_fits_old_servers(sql: str) -> None:
    """Before 12.2 a name has at most 30 bytes."""
    names = {node.name for node in parsed(sql).find_all(exp.Identifier)}

    assert max(map(len, names)) <= 30


def test_the_areas_are_asked_in_the_order_in_which_they_win(sql: str) -> None:
    cases = [
        case
        for case in parsed(sql).find_all(exp.Case)
        if case.parent and case.parent.alias == "area_pesquisa"
    ]
    labels = [branch.args["true"].name for case in cases for branch in case.args["ifs"]]

    assert len(cases) == 1
    assert labels == [area.value for area in Area if area.value in labels]


def test_binds_are_the_first_moments_of_the_day_and_of_the_next() -> None:
    assert binds(date(2024, 2, 29)) == {
        "day_start": datetime.fromisoformat("2024-02-29"),
        "day_end": datetime.fromisoformat("2024-03-01"),
    }


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("Hospital São Luiz", "'Hospital São Luiz'"),
        ("d'Ajuda", "'d''Ajuda'"),
        ("'; drop table x --", "'''; drop table x --'"),
        (40085, "40085"),
        (-1, "-1"),
        ((10, 11), "10, 11"),
        ([7], "7"),
        (["U", "I"], "'U', 'I'"),
    ],
)
def test_a_literal_is_quoted(value: str | int | list[int], written: str) -> None:
    assert literal(value) == written


@pytest.mark.parametrize("value", [None, True, 1.5, "", "a\nb", [], [None], [True], {"a": 1}])
def test_what_is_no_literal_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="SQL"):
        literal(value)  # type: ignore[arg-type]


def test_a_shared_database_without_companies_does_not_render() -> None:
    nobody = hospital("OTOS").model_copy(update={"companies": ()})

    with pytest.raises(ConfigError, match=r"OTOS.*oto\.sql.*companies"):
        render(nobody)


def test_companies_narrow_any_hospital() -> None:
    part = hospital("HMS").model_copy(update={"companies": (2,)})

    assert render(part).count("a.cd_multi_empresa in (2)") == 2


def test_a_missing_template_names_itself_and_the_folder() -> None:
    lost = hospital("HMS").model_copy(update={"sql": "mv/hmx.sql"})

    with pytest.raises(ConfigError, match=r"HMS.*mv/hmx\.sql.*include/sql"):
        render(lost)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("select\n{{ hospital.code", r"mv/hms\.sql, line 2"),
        ("select {{ hospital.colour }}", r"mv/hms\.sql.*colour"),
        ("select {{ hospital.companies | literal }}", r"mv/hms\.sql.*empty"),
        ("{% import 'mv/lost.sql' as lost %}", r"mv/lost\.sql"),
        ("{% macro m(a) %}{% endmacro %}{{ m(b=1) }}", r"mv/hms\.sql.*'b'"),
    ],
)
def test_a_wrong_template_says_where(tmp_path: Path, template: str, message: str) -> None:
    folder = tmp_path / "sql" / "mv"
    folder.mkdir(parents=True)
    (folder / "hms.sql").write_text(template, encoding="utf-8")

    with pytest.raises(ConfigError, match=message):
        render(hospital("HMS"), tmp_path)


def test_an_area_that_is_misspelt_does_not_vanish(tmp_path: Path) -> None:
    """A condition under a name that is no area must not be dropped without a word."""
    source = include_dir() / "sql"
    for path in source.rglob("*.sql"):
        copy = tmp_path / "sql" / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    oto = tmp_path / "sql" / "mv" / "oto.sql"
    text = oto.read_text(encoding="utf-8")
    oto.write_text(text.replace("exames=exames", "exams=exames"), encoding="utf-8")

    with pytest.raises(ConfigError, match=r"oto\.sql.*exam"):
        render(hospital("OTOA"), tmp_path)
