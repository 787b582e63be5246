"""What the hub_es hospitals and HAT have each for themselves: rows on a rule and next to it.

The codes alone are swept in test_mv_every_code.py; here the expectations are written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

import pytest
from erp_rows import DAYS, Serving, read
from mv_cases import (
    ADULT,
    AM,
    BIRTHS,
    DAY,
    EX,
    IN,
    MOTHER,
    NOON,
    ON,
    OUT,
    PS,
    SECOND,
    WARD,
    A,
    E,
    I,
    U,
    case,
    case_id,
    found,
    planted,
    wanted,
)

from stand_ins.erp import schemas

if TYPE_CHECKING:
    from mv_cases import Case

    from stand_ins.erp.tables import Row


OTHERS = (AM, "GERAL_AMBULATORIO")
CHILD, ONCOLOGY = (PS, "PA_PEDIATRICO"), (ON, ON)


def emergency(to: tuple[str, str] | None, **columns: object) -> Case:
    return case(f"emergency {columns}", U | columns, to)


def inpatient(to: tuple[str, str] | None, *, children: int = 0, **columns: object) -> Case:
    return case(f"inpatient {columns}", I | columns, to, children=children)


def outpatient(to: tuple[str, str] | None, **columns: object) -> Case:
    return case(f"outpatient {columns}", A | columns, to)


def external(to: tuple[str, str] | None, origin: int | None, **columns: object) -> Case:
    return case(f"external {origin} {columns}", E | {"cd_ori_ate": origin} | columns, to)


#: What holds at each of the six.
GROUP = [
    emergency(OUT, cd_tip_res=6),
    emergency(OUT, hr_alta=DAY),
    emergency(OUT, hr_atendimento=DAY),
    inpatient(WARD, cd_atendimento_pai=1),
    inpatient(WARD, cd_cid=None, cd_mot_alt=None),
    inpatient(OUT, cd_cid="O80"),
    inpatient(MOTHER, cd_cid="O80", children=2),
    inpatient(MOTHER, children=1),
    inpatient(OUT, hr_alta=DAY + NOON, children=1),
    inpatient(WARD, hr_alta=DAY - SECOND),
    external(OUT, None),
]
#: At those that have no list of origins or an own word for the others.
CLINICS = [
    outpatient(OTHERS, cd_ori_ate=None),
    outpatient(OTHERS, cd_ori_ate=100, cd_ser_dis=None),
    outpatient(OUT, cd_ori_ate=100, hr_alta=DAY),
]
HMC = [
    *GROUP,
    *CLINICS,
    emergency(OUT, cd_servico=None),
    emergency(ADULT, cd_servico=35, cd_tip_res=None),
    emergency(CHILD, cd_servico=40),
    inpatient(OUT, cd_mot_alt=55),
    inpatient(MOTHER, cd_mot_alt=55, children=1),
    inpatient(OUT, cd_mot_alt=56, children=1),
    outpatient(ONCOLOGY, cd_ori_ate=18),
    outpatient(ONCOLOGY, cd_ori_ate=6, cd_ser_dis=17),
    outpatient((EX, "HIPERBARICA"), cd_ori_ate=24, cd_ser_dis=17),
    outpatient(OUT, cd_ori_ate=25, cd_ser_dis=17),
    external(OUT, 24),
    external(WARD, 16, cd_ser_dis=17),
]
HPC = [
    *GROUP,
    *CLINICS[:2],
    emergency(CHILD, cd_servico=3),
    emergency((PS, "PA_OBSTETRICO"), cd_servico=2),
    emergency(ADULT, cd_servico=7),
    emergency(OUT, cd_servico=40),
    outpatient(ONCOLOGY, cd_ori_ate=1, cd_ser_dis=32),
    outpatient(OUT, cd_ori_ate=2, cd_ser_dis=40),
    external((EX, "IMAGEM"), 15),
    external((EX, "LABORATORIO"), 20, cd_ser_dis=32),
    external(WARD, 22),
]
HMSM = [
    *GROUP,
    *CLINICS,
    emergency(OUT, cd_servico=35),
    outpatient(ONCOLOGY, cd_ori_ate=6, cd_ser_dis=None),
    external((EX, "HEMODINAMICA"), 10),
    external(WARD, 7),
]
HSF = [
    *GROUP,
    *CLINICS,
    emergency(OUT, cd_servico=3),
    outpatient(OTHERS, cd_ser_dis=17),
    outpatient(OTHERS, cd_ori_ate=6),
    external(WARD, 15),
    external(OUT, 5),
]
HSL = [
    *GROUP,
    *CLINICS,
    emergency(ADULT, cd_servico=None),
    emergency((PS, "PA_OBSTETRICO"), cd_servico=5),
    outpatient(OUT, cd_ser_dis=17),
    external(WARD, 2),
    external(OUT, 5),
]
HMV = [
    *GROUP,
    emergency(ADULT, cd_servico=None),
    emergency(CHILD, cd_servico=41),
    emergency((PS, "PA_GINECOLOGICO"), cd_servico=82),
    outpatient(OUT, cd_ori_ate=None),
    outpatient(OUT, cd_ori_ate=28, cd_especialid=9),
    outpatient((AM, "ORIGEM 30"), cd_ori_ate=30, cd_ser_dis=17),
    outpatient((AM, "ORIGEM 30"), cd_ori_ate=30, cd_especialid=8),
    outpatient((AM, "ESPECIALIDADE 28"), cd_ori_ate=30, cd_especialid=28),
    outpatient((AM, ""), cd_ori_ate=30, cd_especialid=33),  # a speciality that was deleted
    outpatient((ON, "ORIGEM 29"), cd_ori_ate=29),
    outpatient((ON, "ORIGEM 29"), cd_ori_ate=29, cd_especialid=28),
    outpatient((ON, "ESPECIALIDADE 22"), cd_ori_ate=29, cd_especialid=22),
    external((EX, "HEMODINAMICA"), 0),
    external(OUT, 30),
    external(OUT, 7),
]
HAT = [
    case("emergency of the day it came", U | {"dt_alta": 2 * DAY}, (PS, "")),
    case("emergency not gone yet", U | {"dt_alta": None, "hr_alta": None}, (PS, "")),
    case("emergency that left on the day", U | {"dt_atendimento": -DAY}, OUT),
    case("no clock: leaves after the day", U | {"hr_alta": DAY + NOON}, (PS, "")),
    emergency((PS, "SETOR 7"), cd_ori_ate=7, cd_servico=None),
    emergency((PS, ""), cd_ori_ate=10),  # an origin of no department
    emergency((PS, ""), cd_ori_ate=109),  # a department that was deleted
    emergency((PS, "SETOR 37"), cd_ori_ate=37),
    inpatient((IN, "")),
    inpatient((IN, "ALA 2"), cd_leito=4, cd_ori_ate=7),
    inpatient((IN, ""), cd_leito=6),  # a ward that was deleted
    inpatient((IN, ""), cd_leito=99),
    inpatient((IN, ""), children=1),
    inpatient((IN, ""), cd_mot_alt=None),
    inpatient((IN, ""), cd_mot_alt=77),
    inpatient(OUT, cd_mot_alt=8),
    # no survey of its own asks a mother: she is an inpatient whatever the CID
    *(inpatient((IN, ""), cd_cid=cid, children=1) for cid in BIRTHS),
    inpatient((IN, ""), cd_cid="O80"),
    inpatient(OUT, cd_cid="O80", children=1, cd_mot_alt=8),
    case("newborn", I | {"cd_paciente": 14}, OUT),
    case("newborn's emergency", U | {"cd_paciente": 14}, (PS, "")),
    case("RNA is no newborn", I | {"cd_paciente": 15}, (IN, "")),
    case("RN in the middle is none", I | {"cd_paciente": 16}, (IN, "")),
    case("a patient who is gone", I | {"cd_paciente": 11}, (IN, "")),
    case("no e-mail", U | {"cd_paciente": 8}, (PS, "")),
    *(
        case(f"{name}, e-mail {what}", row | {"cd_paciente": number}, OUT)
        for name, row in {"U": U, "I": I, "A": A, "E": E}.items()
        for number, what in {35: "NAO TEM", 19: "Naotem@..."}.items()
    ),
    *(case(f"e-mail {n}", E | {"cd_paciente": n}, (EX, "")) for n in (37, 23)),  # NÃO@, joao@
    outpatient((ON, "SETOR 37"), cd_ori_ate=37),
    outpatient((AM, "SETOR 36"), cd_ori_ate=36),
    outpatient((AM, ""), cd_ori_ate=None),
    external((EX, "SETOR 37"), 37),
    external((EX, ""), None),
]
CASES = {
    "HMC": HMC,
    "HPC": HPC,
    "HMSM": HMSM,
    "HSF": HSF,
    "HSL": HSL,
    "HMV": [(name, row | {"cd_multi_empresa": 2}, n, to) for name, row, n, to in HMV],
    "HAT": HAT,
}
CONNECTIONS = {code: f"oracle_{code.lower()}" for code in CASES} | {"HMV": "oracle_hmsm"}


@pytest.fixture(scope="module", params=list(CASES))
def code(request: pytest.FixtureRequest, serving: Serving) -> Iterator[str]:
    with serving(CONNECTIONS[request.param], schemas.MV, planted(CASES[request.param])):
        yield request.param


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_each_attendance_comes_under_its_own_hospital_s_area(code: str, day: date) -> None:
    assert found(code, day, CASES[code]) == wanted(CASES[code])


@pytest.mark.parametrize("kinds", [{29: "A"}, {30: "A"}, {29: "I", 30: None}, {}], ids=str)
def test_hmv_asks_by_the_kind_of_the_origin(kinds: dict[int, str | None], serving: Serving) -> None:
    """An origin that is missing is of no kind."""
    visit: Row = {"cd_multi_empresa": 2, "cd_especialid": 9}
    cases = [
        case("oncology", A | visit | {"cd_ori_ate": 29}, (ON, "ESPECIALIDADE 9")),
        case("outpatient", A | visit | {"cd_ori_ate": 30}, (AM, "ESPECIALIDADE 9")),
    ]
    tables = planted(cases) | {
        "ori_ate": [{"cd_ori_ate": code, "tp_origem": kind} for code, kind in kinds.items()]
    }
    with serving("oracle_hmsm", schemas.MV, tables):
        areas = [to[0] for to in found("HMV", DAYS[0], cases).values() if to]

    assert areas == [{29: ON, 30: AM}[code] for code, kind in kinds.items() if kind == "A"]


def test_hat_has_a_client_id_and_a_moment_of_its_own(serving: Serving) -> None:
    """An inpatient's moment is that of leaving; everybody else's that of coming."""
    cases = [inpatient((IN, "")), inpatient((IN, ""), hr_alta=None), external((EX, ""), 7)]
    with serving("oracle_hat", schemas.MV, planted(cases)):
        rows = {row["cd_atendimento"]: row for row in read("HAT", DAYS[0])}

    assert [
        (row["ID_Cliente_Hfocus"], row["data_atendimento"], row["data_saida_alta"])
        for row in (rows[str(case_id(0, number))] for number in range(3))
    ] == [
        ("40094", "2026-11-20 12:00:01", "2026-11-20 12:00:01"),
        ("40094", "", ""),
        ("40094", "2026-11-20 12:00:00", ""),
    ]
