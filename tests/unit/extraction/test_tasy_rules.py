"""Each rule of HAC, HPM, HST, HSMC and ENCORE: rows on it and next to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from typing import TYPE_CHECKING

import pytest
from erp_rows import DAYS, UNIDADES, Serving, placed, read
from tasy_cases import CASES

from stand_ins.erp import schemas
from track_dispatch.config import load_hospital

if TYPE_CHECKING:
    from stand_ins.erp.tables import Row, Tables


PHYSICIAN: Row = {"cd_pessoa_fisica": "M1", "nm_pessoa_fisica": "DRA. M1"}


def case_id(place: int, number: int) -> int:
    return 710_000_000 + place * 100_000 + number * 10


def person(number: int, age: int | None) -> Row:
    return {
        "cd_pessoa_fisica": f"P{number}",
        "nm_pessoa_fisica": f"PACIENTE DE PROVA {number}",
        "nr_ddd_celular": "(65)",
        "nr_telefone_celular": "98888-0001",
        "nr_cpf": "01234567890",
        "demo_email": "pessoa@example.com",
        "demo_idade": age,
    }


def tables(code: str) -> Tables:
    """Return every case on every day, each day with people of its own."""
    attendances, people = [], [PHYSICIAN]
    for place, day in enumerate(DAYS):
        for number, case in enumerate(CASES[code]):
            attendance = case_id(place, number)
            people.append(person(attendance, case.age))
            for further, row in enumerate((case.row, *case.also)):
                who: Row = {
                    "nr_atendimento": attendance + further,
                    "cd_pessoa_fisica": f"P{attendance}",
                }
                attendances.append(placed(who | row, day))
    return {"pessoa_fisica": people, "atendimento_paciente": attendances}


@pytest.fixture(scope="module", params=CASES)
def code(request: pytest.FixtureRequest, serving: Serving) -> Iterator[str]:
    """Serve a hospital its cases and return its code."""
    with ExitStack() as running:
        conn_id = load_hospital(request.param).oracle_conn_id
        schema = schemas.ENCORE if request.param == "ENCORE" else schemas.TASY
        running.enter_context(serving(conn_id, schema, tables(request.param)))
        yield request.param


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_each_attendance_of_tasy_comes_under_its_area_or_not_at_all(code: str, day: date) -> None:
    rows = {row["cd_atendimento"]: row for row in read(code, day)}

    actual, wanted = {}, {}
    for number, case in enumerate(CASES[code]):
        row = rows.get(str(case_id(DAYS.index(day), number)))
        actual[f"{number} {case.name}"] = (row["area_pesquisa"], row["setor"]) if row else None
        wanted[f"{number} {case.name}"] = case.to
    assert actual == wanted


#: What differs beyond area and setor: the e-mail's source, and who cleans the phone.
EMAIL = dict.fromkeys(CASES, "pessoa@example.com") | {"HSMC": ""}
PHONE = dict.fromkeys(CASES, "5565988880001") | {"HAC": "55(65)98888-0001"}


def test_a_row_of_tasy_is_complete(code: str) -> None:
    case = next(case for case in CASES[code] if case.name == "type 3, left in the first moment")
    number = case_id(0, CASES[code].index(case))
    row = next(row for row in read(code, DAYS[0]) if row["cd_atendimento"] == str(number))

    assert case.to is not None
    assert row == {
        "ID_Cliente_Hfocus": "40085",
        "cd_atendimento": str(number),
        "data_atendimento": "2026-11-17 12:00:00",
        "data_saida_alta": "2026-11-20 00:00:00",
        "name": f"PACIENTE DE PROVA {number}",
        "email": EMAIL[code],
        "phone": PHONE[code],
        "cpf": "01234567890",
        "medico": "DRA. M1",
        "area_pesquisa": case.to[0],
        "unidade": UNIDADES[code],
        "setor": case.to[1],
    }
