"""Each rule of HSMC: rows on it and next to it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from erp_rows import DAYS, placed, read

from demo.erp import schemas
from demo.erp.tables import insert_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from datetime import date

    from demo.erp.tables import Row
    from demo.oracle import OracleStandIn

NOON, SECOND, DAY, MIDNIGHT = (
    timedelta(hours=12),
    timedelta(seconds=1),
    timedelta(days=1),
    timedelta(0),
)

BASE: Row = {
    "cd_pessoa_fisica": "P1",
    "cd_medico_resp": "M1",
    "dt_entrada": NOON - 2 * DAY,
    "dt_alta": NOON,
    "cd_motivo_alta": 1,
    "cd_estabelecimento": 1,
    "demo_primeiro_setor": 10,
}
PS, WARD = ("PRONTO SOCORRO GERAL", "PA_ADULTO"), ("INTERNACAO", "INTERNACAO")
CLINIC, ONCOLOGY, OUT = ("AMBULATORIO", "GERAL_AMBULATORIO"), ("ONCOLOGIA", "ONCOLOGIA"), None

Case = tuple[str, "Row", tuple[str, str] | None]


def case(name: str, kind: int | None, to: tuple[str, str] | None, **columns: object) -> Case:
    return name, BASE | {"ie_tipo_atendimento": kind} | columns, to


CASES = [
    case("emergency", 3, PS),
    case("inpatient", 1, WARD),
    case("external", 7, WARD),
    case("outpatient", 8, CLINIC),
    case("oncology", 8, ONCOLOGY, demo_primeiro_setor=148),
    case("next to oncology", 8, CLINIC, demo_primeiro_setor=149),
    case("no first department", 8, CLINIC, demo_primeiro_setor=None),
    case("oncology's department, emergency", 3, PS, demo_primeiro_setor=148),
    case("oncology's department, inpatient", 1, WARD, demo_primeiro_setor=148),
    *(case(f"type {kind}", kind, OUT, demo_primeiro_setor=148) for kind in (2, 4, 6, 9, None)),
    *(case(f"reason {code}", 3, OUT, cd_motivo_alta=code) for code in (7, 18, 22, 24)),
    *(case(f"reason {code}", 1, OUT, cd_motivo_alta=code) for code in (7, 18, 22, 24)),
    *(case(f"reason {code}", 3, PS, cd_motivo_alta=code) for code in (6, 8, 17, 23, 25, None)),
    case("left in the first moment", 3, PS, dt_alta=MIDNIGHT),
    case("left in the last second", 8, CLINIC, dt_alta=DAY - SECOND),
    case("left the day before", 3, OUT, dt_alta=-SECOND),
    case("left the day after", 8, OUT, dt_alta=DAY, dt_entrada=NOON),
    case("not gone yet", 8, OUT, dt_alta=None, dt_entrada=NOON),
    case("cancelled", 3, OUT, dt_cancelamento=NOON),
    case("no physician", 3, PS, cd_medico_resp=None),
    case("a physician who is gone", 3, PS, cd_medico_resp="M999"),
    case("no such person", 3, PS, cd_pessoa_fisica="P999"),
    case("any establishment", 3, PS, cd_estabelecimento=77),
]
PEOPLE: list[Row] = [
    {
        "cd_pessoa_fisica": "P1",
        "nm_pessoa_fisica": "PACIENTE DE PROVA",
        "nr_ddd_celular": "(65)",
        "nr_telefone_celular": "98888-0001",
        "nr_cpf": "01234567890",
        "demo_email": "pessoa@example.com",
    },
    {"cd_pessoa_fisica": "M1", "nm_pessoa_fisica": "DRA. M1"},
]


def case_id(place: int, number: int) -> int:
    return 710_000_000 + place * 100_000 + number


@pytest.fixture(scope="module")
def hsmc(serving: Callable[[str, str], AbstractContextManager[OracleStandIn]]) -> Iterator[None]:
    attendances = [
        placed(row | {"nr_atendimento": case_id(place, number)}, day)
        for place, day in enumerate(DAYS)
        for number, (_, row, _) in enumerate(CASES)
    ]
    tables = {"pessoa_fisica": PEOPLE, "atendimento_paciente": attendances}
    with serving("oracle_hsmc", schemas.TASY + insert_sql("tasy", tables)):
        yield


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_each_attendance_comes_under_its_area_or_not_at_all(hsmc: None, day: date) -> None:
    rows = {row["cd_atendimento"]: row for row in read("HSMC", day)}

    actual, wanted = {}, {}
    for number, (name, _, to) in enumerate(CASES):
        row = rows.get(str(case_id(DAYS.index(day), number)))
        actual[f"{number} {name}"] = (row["area_pesquisa"], row["setor"]) if row else OUT
        wanted[f"{number} {name}"] = to
    assert actual == wanted


def test_a_row_of_tasy_is_complete(hsmc: None) -> None:
    row = next(row for row in read("HSMC", DAYS[0]) if row["cd_atendimento"] == str(case_id(0, 0)))

    assert row == {
        "ID_Cliente_Hfocus": "40085",
        "cd_atendimento": "710000000",
        "data_atendimento": "2026-11-18 12:00:00",
        "data_saida_alta": "2026-11-20 12:00:00",
        "name": "PACIENTE DE PROVA",
        "email": "",  # this ERP's is not read
        "phone": "5565988880001",
        "cpf": "01234567890",
        "medico": "DRA. M1",
        "area_pesquisa": "PRONTO SOCORRO GERAL",
        "unidade": "Hospital Sao Mateus Cuiabá",
        "setor": "PA_ADULTO",
    }
