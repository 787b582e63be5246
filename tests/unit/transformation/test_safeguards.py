"""Columns that keep somebody from being asked: what is read, and what cannot be."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.transformation.dirty_rows import dirty_rows
from track_dispatch.config import Hospital, load_hospital
from track_dispatch.records import UNREADABLE_COLUMN, ValueKind
from track_dispatch.states import Reason
from track_dispatch.transformation import Evaluator, rank

if TYPE_CHECKING:
    from track_dispatch.records import ErpRow

DAY = date(2026, 3, 12)
HOSPITAL = load_hospital("HMS").model_copy(update={"first_business_day": DAY})
ADULTS = HOSPITAL.model_copy(update={"min_age_years": 18})


def reasons_of(hospital: Hospital, row: ErpRow, **columns: list[str]) -> list[Reason | None]:
    """Return the reason of each row of a chunk that differs in these columns alone."""
    [number] = {len(texts) for texts in columns.values()}
    chunk = {name: [text] * number for name, text in row.items()} | columns
    candidates = Evaluator(hospital, DAY, evaluated_on=DAY).evaluate(chunk)
    return [candidate.reason for candidate in candidates]


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        ("18", None),
        ("17", Reason.UNDER_AGE),
        ("17.92", Reason.UNDER_AGE),
        ("17,9", Reason.UNDER_AGE),
        ("18.0", None),
        ("18,01", None),
        ("18.", None),
        ("0", Reason.UNDER_AGE),
        ("0.5", Reason.UNDER_AGE),
        (".5", Reason.UNDER_AGE),
        (" 7 ", Reason.UNDER_AGE),
        ("007", Reason.UNDER_AGE),
        ("044", None),
        ("130", None),
        ("", None),  # an unknown age passes
        ("  ", None),
        ("2 meses", Reason.UNREADABLE),
        ("17 anos", Reason.UNREADABLE),
        ("44a", Reason.UNREADABLE),
        ("-1", Reason.UNREADABLE),
        ("131", Reason.UNREADABLE),
        ("999", Reason.UNREADABLE),
        ("1999", Reason.UNREADABLE),
        ("01/01/1980", Reason.UNREADABLE),
        ("1980-01-01 00:00:00", Reason.UNREADABLE),
        ("4.4E1", Reason.UNREADABLE),
        ("17.9.2", Reason.UNREADABLE),
        (".", Reason.UNREADABLE),
        ("NULL", Reason.UNREADABLE),
        ("\u0664\u0664", Reason.UNREADABLE),
    ],
)
def test_an_age_is_whole_years_that_have_passed_or_it_is_not_read(
    row: ErpRow, age: str, reason: Reason | None
) -> None:
    assert reasons_of(ADULTS, row, x_idade=[age, "44"]) == [reason, None]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("S", Reason.DEATH),
        ("s", Reason.DEATH),
        (" S ", Reason.DEATH),
        ("N", None),
        ("n", None),
        ("", None),
        ("SIM", Reason.UNREADABLE),
        ("NAO", Reason.UNREADABLE),
        ("1", Reason.UNREADABLE),
        ("0", Reason.UNREADABLE),
        ("Y", Reason.UNREADABLE),
        ("true", Reason.UNREADABLE),
        ("2026-03-12 10:00:00", Reason.UNREADABLE),
    ],
)
def test_a_death_is_told_by_s_and_denied_by_n_and_nothing_else_is_read(
    row: ErpRow, told: str, reason: Reason | None
) -> None:
    assert reasons_of(HOSPITAL, row, x_obito=[told, "N"]) == [reason, None]


def test_an_age_that_nobody_heeds_need_not_be_readable(row: ErpRow) -> None:
    assert reasons_of(HOSPITAL, row, x_idade=["2 meses", "3"]) == [None, None]


def test_one_value_that_cannot_be_read_is_enough(row: ErpRow) -> None:
    found = reasons_of(ADULTS, row, x_obito=["N", "1", "1", "N"], x_idade=["?", "17", "44", "17"])

    assert found == [*[Reason.UNREADABLE] * 3, Reason.UNDER_AGE]


def test_what_cannot_be_read_is_counted_by_column_whatever_else_excludes_the_row(
    row: ErpRow,
) -> None:
    chunk = {name: [text] * 5 for name, text in row.items()} | {
        "name": ["MARIA", "RN DE MARIA", "TESTE", "ANA", "BIA"],
        "x_obito": ["N", "SIM", "1", "S", ""],
        "x_idade": ["2 meses", "44", "", "17,9", "?"],
    }

    counts = Evaluator(ADULTS, DAY, evaluated_on=DAY + timedelta(days=99)).count_values(chunk)

    assert counts == {
        ("x_obito", ValueKind.FILLED): 4,
        ("x_obito", ValueKind.UNREADABLE): 2,
        ("x_idade", ValueKind.FILLED): 4,
        ("x_idade", ValueKind.UNREADABLE): 2,
    }


def test_a_query_without_safeguards_has_none_to_count(row: ErpRow) -> None:
    chunk = {name: [text] for name, text in row.items()}

    assert not Evaluator(HOSPITAL, DAY, evaluated_on=DAY).count_values(chunk)


@pytest.mark.parametrize("told", ["S", " s ", "SIM", "1"])
def test_of_the_rows_of_one_attendance_the_one_that_may_tell_of_a_death_stands_for_it(
    told: str,
) -> None:
    for row in dirty_rows(1, extra_columns=False)[:200]:
        alive = row | {"x_obito": "N", "area_pesquisa": "ONCOLOGIA"}
        assert rank(row | {"x_obito": told}) < rank(alive)
        assert rank(alive) == rank(alive | {"x_obito": ""})


def test_what_the_reading_could_not_read_is_counted_too(row: ErpRow) -> None:
    chunk = {name: [text] * 3 for name, text in row.items()} | {
        "cpf": ["", "", ""],
        "name": ["MARIA", "", "ANA"],
        "x_obito": ["N", "?", ""],
        UNREADABLE_COLUMN: ["", "name,cpf", "cpf,x_obito"],
    }

    counts = Evaluator(HOSPITAL, DAY, evaluated_on=DAY).count_values(chunk)

    assert counts == {
        ("cpf", ValueKind.UNREADABLE): 2,
        ("name", ValueKind.UNREADABLE): 1,
        ("x_obito", ValueKind.FILLED): 3,
        ("x_obito", ValueKind.UNREADABLE): 2,
    }
