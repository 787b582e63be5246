from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from track_dispatch.records import UNREADABLE_COLUMN, Area
from track_dispatch.transformation import rank
from track_dispatch.transformation.chunk import Chunk

if TYPE_CHECKING:
    from track_dispatch.records import ErpRow

IN_ORDER = [
    "ONCOLOGIA",
    "MATERNIDADE",
    "EXAMES",
    "INTERNACAO",
    "PRONTO SOCORRO GERAL",
    "AMBULATORIO",
    "HOSPITAL DIA",
]


def area_of(row: ErpRow) -> Area | None:
    [area] = Chunk({column: (text,) for column, text in row.items()}).areas
    return area


def test_areas_rank_as_the_hospitals_agreed_and_an_unknown_one_comes_last(row: ErpRow) -> None:
    ranks = [rank(row | {"area_pesquisa": label})[1] for label in IN_ORDER]

    assert ranks == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("label", ["", "INTERNAÇÃO", "internacao", "PRONTO SOCORRO", "UTI"])
def test_a_label_other_than_the_six_is_no_area(row: ErpRow, label: str) -> None:
    assert area_of(row | {"area_pesquisa": label}) is None


def test_blanks_around_a_label_do_not_matter(row: ErpRow) -> None:
    """Oracle pads CHAR columns."""
    padded = row | {"area_pesquisa": "EXAMES   "}

    assert (area_of(padded), rank(padded)[1]) == (Area.EXAMES, Area.EXAMES.priority)


@pytest.mark.parametrize("column", ["x_obito", "x_interno", "name", "cd_atendimento", "setor"])
def test_a_row_that_may_forbid_to_ask_speaks_for_all_of_its_attendance(
    row: ErpRow, column: str
) -> None:
    spoilt = row | {"area_pesquisa": "AMBULATORIO", UNREADABLE_COLUMN: f"medico,{column}"}
    whole = row | {"area_pesquisa": "ONCOLOGIA", UNREADABLE_COLUMN: ""}

    assert min([whole, spoilt], key=rank) == (whole if column == "setor" else spoilt)


@pytest.mark.parametrize("labels", list(itertools.combinations(IN_ORDER, 2)))
def test_the_better_area_wins_wherever_its_row_stands(row: ErpRow, labels: tuple[str, str]) -> None:
    better, worse = (row | {"area_pesquisa": label} for label in labels)

    assert min([worse, better], key=rank) == min([better, worse], key=rank) == better


def test_rows_of_one_area_are_told_apart_by_content_not_by_order(row: ErpRow) -> None:
    rows = [row | {"medico": medico} for medico in ("A", "B", "C")]

    winners = [min(order, key=rank)["medico"] for order in itertools.permutations(rows)]

    assert len(set(winners)) == 1


def test_rows_that_differ_only_in_an_extra_column_rank_alike(row: ErpRow) -> None:
    assert rank(row | {"x_age": "1"}) == rank(row | {"x_age": "2"})
