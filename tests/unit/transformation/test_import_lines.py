from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transformation.one_row import import_line
from track_dispatch.records import COLUMNS

if TYPE_CHECKING:
    from track_dispatch.records import ErpRow


def test_a_row_becomes_a_line_in_tracks_field_names(row: ErpRow) -> None:
    assert import_line(row, client_id="40094", unidade="Hospital São Mateus") == dict.fromkeys(
        COLUMNS, ""
    ) | {
        "ID_Cliente_Hfocus": "40094",
        "cd_atendimento": "900000001",
        "data_atendimento": "2026-03-10 08:30:00",
        "data_saida_alta": "2026-03-12 14:05:09",
        "name": "Maria da Silva",
        "email": "maria.silva@example.com",
        "phone": "5527998761234",
        "cpf": "52998224725",
        "medico": "DR. JOAO  DE SOUZA",
        "area_pesquisa": "INTERNACAO",
        "unidade": "Hospital São Mateus",
        "setor": "INTERNACAO",
    }


def test_the_erp_names_the_unit_where_the_configuration_does_not(row: ErpRow) -> None:
    assert import_line(row, client_id="40085", unidade=None)["unidade"] == "HOSPITAL DO ERP"


def test_an_extra_column_never_leaves_the_house(row: ErpRow) -> None:
    line = import_line(row | {"x_outcome": "death"}, client_id="40085", unidade=None)

    assert tuple(line) == COLUMNS


@pytest.mark.parametrize(
    ("column", "text"),
    [("email", "NAO TEM"), ("phone", "552733334444"), ("cpf", "11111111111"), ("name", " ")],
)
def test_what_is_not_usable_is_empty(row: ErpRow, column: str, text: str) -> None:
    assert import_line(row | {column: text}, client_id="40085", unidade=None)[column] == ""


@given(st.fixed_dictionaries({column: st.text() for column in COLUMNS}))
def test_any_row_becomes_strings_that_utf8_can_carry(strange: dict[str, str]) -> None:
    line = import_line(strange, client_id="40085", unidade=None)

    assert all(value.encode("utf-8").decode("utf-8") == value for value in line.values())


@given(st.fixed_dictionaries({column: st.text() for column in COLUMNS}))
def test_a_line_made_of_a_line_is_the_same(strange: dict[str, str]) -> None:
    line = import_line(strange, client_id="40085", unidade=None)

    assert import_line(line, client_id="40085", unidade=None) == line
