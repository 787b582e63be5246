"""A query that is wrong contradicts one of the examples beside it.

The mutants are the mistakes that only data shows: a join of a column with itself, one area for
another, a small letter for a capital, a code that is missing in its list.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlglot import exp, parse_one

from demo.examples import (
    DAY,
    Planted,
    contradictions,
    main,
    planted_examples,
    schema_of,
)
from stand_ins.oracle.database import OracleDatabase
from stand_ins.oracle.dialect import translate
from track_dispatch.config import include_dir, load_hospital
from track_dispatch.extraction.examples import read_examples
from track_dispatch.extraction.query import BINDS, binds, render
from track_dispatch.records import Area

#: One hospital for each set of rules; the others differ from one of them in their codes alone.
RULES = ("HMS", "HMV", "HAT", "OTOA", "HAC", "HPM", "HSMC", "ENCORE")


def test_make_examples_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hsmc", "HAC"]) == 0
    assert capsys.readouterr().out == "HSMC: ok\nHAC: ok\n"


def test_make_examples_names_the_example_and_the_value_that_is_contradicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(include_dir(), tmp_path / "include")
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(tmp_path / "include"))
    file = tmp_path / "include" / "sql" / "tasy" / "hsmc.sql"
    file.write_text(file.read_text("utf-8").replace("7, 18, 22, 24", "7, 18, 24"), "utf-8")

    assert main(["hsmc"]) == 1
    assert capsys.readouterr().out == (
        'HSMC: "pronto-socorro, motivo que não se pergunta" (cd_motivo_alta 22): must be fora'
        " (fica fora da pesquisa), is PRONTO SOCORRO GERAL/PA_ADULTO\n"
    )


def test_make_examples_says_in_a_line_what_the_erp_does_not_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(include_dir(), tmp_path / "include")
    monkeypatch.setenv("TRACK_INCLUDE_DIR", str(tmp_path / "include"))
    file = tmp_path / "include" / "sql" / "tasy" / "hsmc.sql"
    file.write_text(file.read_text("utf-8").replace("a.cd_motivo_alta", "a.cd_motivo"), "utf-8")

    assert main(["hsmc", "hac"]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("HSMC: reading the ERP (examples HSMC): ORA-00904")
    assert last == "HAC: ok"


def changed(
    query: exp.Expr, kind: type[exp.Expr], change: Callable[[exp.Expr], bool]
) -> Iterator[exp.Expr]:
    """Yield a copy of the query for each node that `change` changes."""
    for place, _ in enumerate(query.find_all(kind)):
        copy = query.copy()
        if change([*copy.find_all(kind)][place]):
            yield copy


def _with_itself(node: exp.Expr) -> bool:
    if not (isinstance(node.this, exp.Column) and isinstance(node.expression, exp.Column)):
        return False
    node.set("expression", node.this.copy())
    return True


def _in_small(node: exp.Expr) -> bool:
    if not (node.is_string and len(node.name) == 1 and node.name.isupper()):
        return False
    node.set("this", node.name.lower())
    return True


def swapped_areas(query: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the query with two areas swapped where attendances get theirs, for each pair."""
    cases = [case for case in query.find_all(exp.Case) if case.parent.alias == "area_pesquisa"]
    assert len(cases) == 1
    labels = [branch.args["true"].name for branch in cases[0].args["ifs"]]
    assert {*labels} <= {*map(str, Area)}
    for place, one in enumerate(labels):
        for other in labels[place + 1 :]:
            copy = query.copy()
            for case in copy.find_all(exp.Case):
                for branch in case.args["ifs"] if case.parent.alias == "area_pesquisa" else []:
                    label = branch.args["true"]
                    to = {one: other, other: one}.get(label.name, label.name)
                    label.set("this", to)
            yield copy


def without_a_code(query: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the query with a list that lacks a code, for each code of each list."""
    for place, one in enumerate(query.find_all(exp.In)):
        for gone in range(len(one.expressions) if len(one.expressions) > 1 else 0):
            copy = query.copy()
            node = [*copy.find_all(exp.In)][place]
            node.set("expressions", [*node.expressions[:gone], *node.expressions[gone + 1 :]])
            yield copy


@cache
def planted(code: str) -> list[tuple[OracleDatabase, list[Planted]]]:
    hospital = load_hospital(code)
    return [
        (OracleDatabase(init_sql=schema_of(hospital).duckdb(tables)), those)
        for tables, those in planted_examples(hospital, read_examples(hospital))
    ]


def contradicts(code: str, query: exp.Expr) -> bool:
    """Tell whether a query contradicts one of the hospital's examples."""
    sql = query.sql("oracle", comments=False)
    names = re.findall(rf":({'|'.join(BINDS)})", sql.lower())
    translated = translate(sql, ("TIMESTAMP_S",) * len(names))
    values = {f"b{place}": binds(DAY)[name] for place, name in enumerate(names, 1)}
    for database, those in planted(code):
        with database.connect_database() as connection:
            found = connection.execute(translated, values)
            columns = [column[0].rstrip("\u2032") for column in found.description]
            rows = [dict(zip(columns, map(_text, row), strict=True)) for row in found.fetchall()]
        if contradictions(those, rows):
            return True
    return False


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


@pytest.mark.parametrize("code", RULES)
def test_each_join_of_a_column_with_itself_is_found(code: str) -> None:
    query = parse_one(render(load_hospital(code)), read="oracle")
    mutants = [*changed(query, exp.EQ, _with_itself)]

    assert len(mutants) >= 2
    assert not contradicts(code, query)
    assert [mutant.sql() for mutant in mutants if not contradicts(code, mutant)] == []


@pytest.mark.parametrize("code", RULES)
def test_areas_that_are_swapped_are_found(code: str) -> None:
    query = parse_one(render(load_hospital(code)), read="oracle")
    mutants = [*swapped_areas(query)]

    assert len(mutants) >= 6
    assert [mutant.sql() for mutant in mutants if not contradicts(code, mutant)] == []


@pytest.mark.parametrize("code", sorted({*RULES} - {"HSMC"}))
def test_a_small_letter_for_a_capital_is_found(code: str) -> None:
    query = parse_one(render(load_hospital(code)), read="oracle")
    mutants = [*changed(query, exp.Literal, _in_small)]

    assert mutants
    assert [mutant.sql() for mutant in mutants if not contradicts(code, mutant)] == []


@pytest.mark.parametrize("code", ["HSMC", "HAC", "HAT"])
def test_a_code_that_is_missing_in_its_list_is_found(code: str) -> None:
    query = parse_one(render(load_hospital(code)), read="oracle")
    mutants = [*without_a_code(query)]

    assert len(mutants) > 5
    assert [mutant.sql() for mutant in mutants if not contradicts(code, mutant)] == []
