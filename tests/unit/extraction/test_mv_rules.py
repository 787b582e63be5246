"""Each rule of HMS, of the OTO group and of ING: rows on it and next to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from erp_rows import DAYS, Serving, read
from mv_cases import (
    ADULT,
    AM,
    BIRTHS,
    DAY,
    EX,
    GONE,
    MIDNIGHT,
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
    found,
    planted,
    wanted,
)

from stand_ins.erp import schemas

DATES = [
    case("emergency: left at midnight", U | {"dt_alta": MIDNIGHT}, ADULT),
    case("emergency: left the day before", U | {"dt_alta": -DAY}, OUT),
    case("emergency: left the day after", U | {"dt_alta": DAY, "hr_alta": MIDNIGHT}, OUT),
    case("emergency: discharge with a time", U | {"dt_alta": DAY - SECOND}, ADULT),
    case("emergency: not gone yet", U | {"dt_alta": None, "hr_alta": None}, OUT),
    case("emergency: came long ago", U | {"dt_atendimento": -9 * DAY}, ADULT),
    case("emergency: no time of discharge", U | {"hr_alta": None}, ADULT),
    case("inpatient: left on the day", I, WARD),
    case("inpatient: came on the day, left later", I | {"dt_alta": DAY, "hr_alta": DAY}, OUT),
    case("outpatient: came at midnight", A | {"hr_atendimento": MIDNIGHT}, (AM, "*")),
    case("outpatient: last second", A | {"hr_atendimento": DAY - SECOND}, (AM, "*")),
    case("outpatient: came the day before", A | {"dt_atendimento": -DAY} | GONE, OUT),
    case("outpatient: comes the day after", A | {"dt_atendimento": DAY}, OUT),
    case("of no known type", U | {"tp_atendimento": "X"}, OUT),
]
NULLS = [
    case("no physician", U | {"cd_prestador": None}, ADULT),
    case("a physician who is gone", U | {"cd_prestador": 999}, ADULT),
    case("a patient who is gone", U | {"cd_paciente": 11}, ADULT),
    case("no outcome", U | {"cd_tip_res": None}, ADULT),
    case("no service", U | {"cd_servico": None}, ADULT),
    case("no reason", I | {"cd_mot_alt": None}, WARD),
    case("no CID", I | {"cd_cid": None}, WARD),
    case("an exam without origin", E | {"cd_ori_ate": None}, OUT),
    case("a mother without reason", I | {"cd_mot_alt": None}, MOTHER, children=1),
]
BIRTH_CIDS = [
    *(case(f"birth {cid}", I | {"cd_cid": cid}, OUT) for cid in BIRTHS),
    *(case(f"mother {cid}", I | {"cd_cid": cid}, MOTHER, children=1) for cid in ("O80", "O842")),
    *(case(f"not a birth {cid}", I | {"cd_cid": cid}, WARD) for cid in ("O81", "O8", "Z38")),
]
CHILDREN = [
    case("mother", I, MOTHER, children=1),
    case("mother of twins, once", I, MOTHER, children=2),
    case("emergency with a child is no mother", U, ADULT, children=1),
]
HMS = [
    *DATES,
    *NULLS,
    *BIRTH_CIDS,
    *CHILDREN,
    *(case(f"outcome {code}", U | {"cd_tip_res": code}, OUT) for code in (1, 4, 11)),
    *(case(f"outcome {code}", U | {"cd_tip_res": code}, ADULT) for code in (2, 3, 5, 10, 12, 77)),
    case("obstetric", U | {"cd_servico": 1}, (PS, "PA_OBSTÉTRICO")),
    case("paediatric", U | {"cd_servico": 27}, (PS, "PA_PEDIATRICO")),
    *(case(f"service {code}", U | {"cd_servico": code}, ADULT) for code in (2, 5, 26, 28, 40)),
    *(
        case(f"reason {code}", I | {"cd_mot_alt": code}, OUT)
        for code in (6, 7, 9, 17, 18, 19, 20, 21, 22)
    ),
    *(
        case(f"mother, reason {code}", I | {"cd_mot_alt": code}, OUT, children=1)
        for code in (6, 7, 9, 17, 18, 19, 20, 21, 22)
    ),
    *(case(f"reason {code}", I | {"cd_mot_alt": code}, WARD) for code in (5, 8, 10, 16, 23)),
    case("inpatient with a parent", I | {"cd_atendimento_pai": 1}, OUT),
    case("mother with a parent", I | {"cd_atendimento_pai": 1}, MOTHER, children=1),
    case("emergency with a parent", U | {"cd_atendimento_pai": 1}, ADULT),
    case("oncology", A | {"cd_ori_ate": 21}, (ON, ON)),
    case("oncology without clinic", A | {"cd_ori_ate": 21, "cd_ser_dis": None}, (ON, ON)),
    case("oncology's origin, an exam", E | {"cd_ori_ate": 21}, OUT),
    case("day hospital", A | {"cd_ori_ate": 9}, WARD),
    case("day hospital without clinic", A | {"cd_ori_ate": 9, "cd_ser_dis": None}, WARD),
    case("day hospital's origin, an exam", E | {"cd_ori_ate": 9}, OUT),
    case("catheter laboratory", E | {"cd_ori_ate": 46}, (EX, "HEMODINAMICA")),
    case("laboratory", E | {"cd_ori_ate": 7}, (EX, "LABORATORIO")),
    *(case(f"exam, origin {code}", E | {"cd_ori_ate": code}, OUT) for code in (6, 8, 45, 47)),
    case("exam's origin, outpatient", A | {"cd_ori_ate": 7}, (AM, "GERAL_AMBULATORIO")),
    *(
        case(f"clinic {code}", A | {"cd_ser_dis": code}, (AM, f"CLÍNICA {code}"))
        for code in (2, 3, 6, 11, 30, 51, 76, 85)
    ),
    *(
        case(f"clinic {code}", A | {"cd_ser_dis": code}, (AM, "GERAL_AMBULATORIO"))
        for code in (1, 4, 12, 31, 50, 75, 86, 999)
    ),
    case("outpatient without clinic", A | {"cd_ser_dis": None}, OUT),
    case("outpatient without origin", A | {"cd_ori_ate": None}, (AM, "GERAL_AMBULATORIO")),
    case("clock: leaves after the day", U | {"hr_alta": DAY}, OUT),
    case("clock: leaves in the last second", U | {"hr_alta": DAY - SECOND}, ADULT),
    case("clock: comes after the day", A | {"hr_atendimento": DAY}, OUT),
    case("clock: an exam over the day", E | {"cd_ori_ate": 7, "hr_alta": DAY + NOON}, OUT),
    case("clock: a mother over the day", I | {"hr_alta": DAY + NOON}, OUT, children=1),
    case("any company", U | {"cd_multi_empresa": 99}, ADULT),
]
OTO_EXAMS = {
    "HEMODINAMICA": (103,),
    "IMAGEM": (19, 21, 22, 38, 47, 104, 106, 109, 121, 123),
    "LABORATORIO": (13, 14, 16, 35, 37, 50, 88, 112, 125, 126),
    "ENDOSCOPIA": (29, 100, 110),
}
OTO = [
    *DATES,
    *NULLS,
    *BIRTH_CIDS,
    *CHILDREN,
    *(case(f"death {code}", U | {"cd_tip_res": code}, OUT) for code in (5, 9)),
    *(case(f"outcome {code}", U | {"cd_tip_res": code}, ADULT) for code in (1, 4, 6, 11, 77)),
    case("obstetric", U | {"cd_servico": 5}, (PS, "PA_OBSTÉTRICO")),
    case("paediatric", U | {"cd_servico": 40}, (PS, "PA_PEDIATRICO")),
    *(case(f"service {code}", U | {"cd_servico": code}, ADULT) for code in (1, 4, 27, 41)),
    *(case(f"death {code}, ward", I | {"cd_mot_alt": code}, OUT) for code in (8, 23)),
    *(case(f"death {code}, mother", I | {"cd_mot_alt": code}, OUT, children=1) for code in (8, 23)),
    *(case(f"reason {code}", I | {"cd_mot_alt": code}, WARD) for code in (6, 7, 22, 77)),
    case("inpatient with a parent", I | {"cd_atendimento_pai": 1}, WARD),
    *(
        case(f"exam, origin {code}", E | {"cd_ori_ate": code}, (EX, setor))
        for setor, codes in OTO_EXAMS.items()
        for code in codes
    ),
    *(case(f"exam, origin {code}", E | {"cd_ori_ate": code}, OUT) for code in (7, 46, 99, 127)),
    case("exam's origin, outpatient", A | {"cd_ori_ate": 103}, (AM, "AMBULATORIO_GERAL")),
    *(
        case(f"clinic {code}", A | {"cd_ser_dis": code}, (AM, f"CLÍNICA {code}"))
        for code in (9, 15, 30, 31, 33, 46)
    ),
    *(
        case(f"clinic {code}", A | {"cd_ser_dis": code}, (AM, "AMBULATORIO_GERAL"))
        for code in (8, 16, 32, 47, None)
    ),
    case("no oncology: origin 21", A | {"cd_ori_ate": 21}, (AM, "AMBULATORIO_GERAL")),
    case("clock: leaves after the day", U | {"hr_alta": DAY + NOON}, ADULT),
]
#: The first company is HMS's only one and OTOA's.
CASES = {"HMS": HMS, "OTOA": OTO}
FALLBACK = {"HMS": "GERAL_AMBULATORIO", "OTOA": "AMBULATORIO_GERAL"}


@pytest.fixture(scope="module", params=list(CASES))
def code(
    request: pytest.FixtureRequest,
    serving: Serving,
) -> Iterator[str]:
    conn_id = {"HMS": "oracle_hms", "OTOA": "oracle_oto_ing"}[request.param]
    with serving(conn_id, schemas.MV, planted(CASES[request.param])):
        yield request.param


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_each_attendance_comes_under_its_area_or_not_at_all(code: str, day: date) -> None:
    to = {
        name: place and (place[0], place[1].replace("*", FALLBACK[code]))
        for name, place in wanted(CASES[code]).items()
    }

    assert found(code, day, CASES[code]) == to


def test_an_attendance_comes_once_however_many_children(code: str) -> None:
    ids = [row["cd_atendimento"] for row in read(code, DAYS[0])]

    assert sorted(ids) == sorted(set(ids))
