"""Rows on each rule of the Tasy hospitals and next to it, and where they must come out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from stand_ins.erp.tables import Row

NOON, SECOND, DAY, MIDNIGHT = (
    timedelta(hours=12),
    timedelta(seconds=1),
    timedelta(days=1),
    timedelta(0),
)

Where = tuple[str, str]
WARD, MOTHER = ("INTERNACAO", "INTERNACAO"), ("MATERNIDADE", "MATERNIDADE")
ADULT, ONCOLOGY = ("PRONTO SOCORRO GERAL", "PA_ADULTO"), ("ONCOLOGIA", "ONCOLOGIA")
CLINIC = ("AMBULATORIO", "GERAL_AMBULATORIO")
OUT = None


class Case(NamedTuple):
    """An attendance of a person of its own, what else that person has, and area and setor."""

    name: str
    row: Row
    to: Where | None
    age: int | None
    also: tuple[Row, ...]


#: On the day in either sense, so that what tells rows apart is the rule alone.
BASE: Row = {
    "cd_medico_resp": "M1",
    "dt_entrada": NOON,
    "dt_alta": NOON + SECOND,
    "cd_motivo_alta": 1,
    "cd_estabelecimento": 1,
    "ie_clinica": 1,
    "nr_seq_classificacao": 3,
    "demo_primeiro_setor": 10,
    "demo_setor": 10,
}


def case(
    name: str,
    kind: int | None,
    to: Where | None,
    *,
    age: int | None = 45,
    also: Iterable[Row] = (),
    **columns: object,
) -> Case:
    return Case(name, BASE | {"ie_tipo_atendimento": kind} | columns, to, age, tuple(also))


def reasons(kinds: dict[int, Where], out: Iterable[int], stay: Iterable[int | None]) -> list[Case]:
    """Return a case for each type and reason."""
    return [
        case(f"type {kind}, reason {code}", kind, to if code in stay else OUT, cd_motivo_alta=code)
        for kind, to in kinds.items()
        for code in (*out, *stay)
    ]


def counted_on_discharge(kind: int, to: Where, **columns: object) -> list[Case]:
    """Return the edges of the day, for a type that counts when it ends."""
    long_ago = {"dt_entrada": NOON - 3 * DAY} | columns
    return [
        case(f"type {kind}, left in the first moment", kind, to, dt_alta=MIDNIGHT, **long_ago),
        case(f"type {kind}, left in the last second", kind, to, dt_alta=DAY - SECOND, **long_ago),
        case(f"type {kind}, left the day before", kind, OUT, dt_alta=-SECOND, **long_ago),
        case(f"type {kind}, left the day after", kind, OUT, dt_alta=DAY, **columns),
        case(f"type {kind}, not gone yet", kind, OUT, dt_alta=None, **columns),
        case(f"type {kind}, cancelled", kind, OUT, dt_cancelamento=NOON, **columns),
    ]


def counted_on_entry(kind: int, to: Where, **columns: object) -> list[Case]:
    """Return the edges of the day, for a type that counts when it begins."""
    late = {"dt_alta": 5 * DAY} | columns
    return [
        case(f"type {kind}, came in the first moment", kind, to, dt_entrada=MIDNIGHT, **late),
        case(f"type {kind}, came in the last second", kind, to, dt_entrada=DAY - SECOND, **late),
        case(f"type {kind}, came the day before", kind, OUT, dt_entrada=-SECOND, **columns),
        case(f"type {kind}, came the day after", kind, OUT, dt_entrada=DAY, **late),
        case(f"type {kind}, cancelled", kind, OUT, dt_cancelamento=NOON, **columns),
    ]


MISSING = {"no physician": None, "a physician who is gone": "M999"}

HSMC = [
    *counted_on_discharge(3, ADULT),
    *counted_on_discharge(8, CLINIC),
    case("inpatient", 1, WARD),
    case("external", 7, WARD),
    case("oncology", 8, ONCOLOGY, demo_primeiro_setor=148),
    *(
        case(f"department {code}", 8, CLINIC, demo_primeiro_setor=code)
        for code in (147, 149, 151, None)
    ),
    case("oncology's department, emergency", 3, ADULT, demo_primeiro_setor=148),
    case("oncology's department, inpatient", 1, WARD, demo_primeiro_setor=148),
    *(case(f"type {kind}", kind, OUT, demo_primeiro_setor=148) for kind in (2, 4, 6, 9, None)),
    *reasons({3: ADULT, 1: WARD}, (7, 18, 22, 24), (6, 8, 17, 19, 21, 23, 25, None)),
    *(case(name, 3, ADULT, cd_medico_resp=code) for name, code in MISSING.items()),
    case("no such person", 3, ADULT, cd_pessoa_fisica="P999"),
    case("any establishment", 3, ADULT, cd_estabelecimento=77),
]

_EMERGENCY, _EXAMS = "PRONTO SOCORRO GERAL", "EXAMES"
_HAC_CLINIC, _HAC_EXAM = ("AMBULATORIO", "AMBULATORIO_GERAL"), (_EXAMS, "EXAMES")
HAC = [
    *counted_on_discharge(1, WARD),
    *counted_on_discharge(3, ADULT),
    *counted_on_entry(8, _HAC_CLINIC),
    *counted_on_entry(7, _HAC_EXAM),
    case("maternity", 1, MOTHER, demo_setor=54),
    *(case(f"department {code}", 1, WARD, demo_setor=code) for code in (53, 55, None)),
    case("maternity is the department, not the first one", 1, WARD, demo_primeiro_setor=54),
    case("maternity's department, emergency", 3, ADULT, demo_setor=54),
    case("under one year", 1, OUT, age=0),
    case("under one year, maternity", 1, OUT, age=0, demo_setor=54),
    *(case(f"of {age} years", 1, WARD, age=age) for age in (1, 2, 9, 10, 100, None)),
    case("under one year, emergency", 3, ADULT, age=0),
    case("under one year, clinic", 8, _HAC_CLINIC, age=0),
    case("under one year, exam", 7, _HAC_EXAM, age=0),
    case("gynaecology", 3, (_EMERGENCY, "PA_GINECOLOGICO"), ie_clinica=13),
    *(case(f"child {n}", 3, (_EMERGENCY, "PA_PEDIATRICO"), ie_clinica=n) for n in (4, 10)),
    *(case(f"clinic {n}", 3, ADULT, ie_clinica=n) for n in (3, 5, 9, 11, 12, 14, None)),
    *(case(f"exam {n}", 7, (_EXAMS, "IMAGEM"), nr_seq_classificacao=n) for n in (2, 16)),
    *(case(f"exam {n}", 7, (_EXAMS, "LABORATORIO"), nr_seq_classificacao=n) for n in (6, 14)),
    *(
        case(f"exam {n}", 7, _HAC_EXAM, nr_seq_classificacao=n)
        for n in (1, 3, 5, 7, 13, 15, 17, 26)
    ),
    case("exam without a classification", 7, OUT, nr_seq_classificacao=None),
    case("clinic without a classification", 8, _HAC_CLINIC, nr_seq_classificacao=None),
    case("clinic not over", 8, OUT, dt_alta=None),
    case("exam not over", 7, OUT, dt_alta=None),
    *(case(f"type {kind}", kind, OUT) for kind in (0, 2, 4, 6, 9, None)),
    *reasons(
        {1: WARD, 3: ADULT, 7: _HAC_EXAM, 8: _HAC_CLINIC},
        (7, 16, 21, 26, 27, 28, 30),
        (6, 8, 15, 17, 20, 22, 25, 29, 31, None),
    ),
    *(case(name, 1, WARD, cd_medico_resp=code) for name, code in MISSING.items()),
    case("no such person", 1, WARD, cd_pessoa_fisica="P999", demo_setor=10),
    case("any establishment", 8, _HAC_CLINIC, cd_estabelecimento=77),
]

ONCOLOGY_DEPARTMENTS = (151, 164, 269, 271)


def palmas(ours: tuple[int, ...], others: tuple[int | None, ...]) -> list[Case]:
    """Return the cases of HPM or HST, which differ in their establishments alone."""
    here = {"cd_estabelecimento": ours[0]}
    return [
        *counted_on_discharge(3, ADULT, **here),
        *counted_on_discharge(8, CLINIC, **here),
        *counted_on_discharge(2, ONCOLOGY, demo_primeiro_setor=151, **here),
        *(case(f"establishment {n}", 3, ADULT, cd_estabelecimento=n) for n in ours),
        *(case(f"establishment {n}", 3, OUT, cd_estabelecimento=n) for n in others),
        *(
            case(f"type {kind}, department {code}", kind, to, demo_primeiro_setor=code, **here)
            for kind, to in {3: ADULT, 1: WARD, 7: WARD}.items()
            for code in (10, *ONCOLOGY_DEPARTMENTS, 154, None)
        ),
        *(
            case(f"type {kind}, department {n}", kind, ONCOLOGY, demo_primeiro_setor=n, **here)
            for kind in (8, 2, 9, None)
            for n in ONCOLOGY_DEPARTMENTS
        ),
        *(
            case(f"type {kind}, department 154", kind, CLINIC, demo_primeiro_setor=154, **here)
            for kind in (8, 2, 9, None)
        ),
        *(
            case(f"type {kind}, department {n}", kind, to, demo_primeiro_setor=n, **here)
            for kind, to in {8: CLINIC, 2: OUT, None: OUT}.items()
            for n in (148, 150, 152, 153, 155, 163, 165, 268, 270, 272, None)
        ),
        case("the first department decides", 2, OUT, demo_setor=151, **here),
        *(
            one._replace(row=one.row | here)
            for one in reasons(
                {3: ADULT, 1: WARD, 8: CLINIC},
                (7, 9, 13, 15, 16, 18),
                (6, 8, 10, 12, 14, 17, 19, None),
            )
        ),
        *(case(name, 8, CLINIC, cd_medico_resp=code, **here) for name, code in MISSING.items()),
        case("no such person", 8, CLINIC, cd_pessoa_fisica="P999", **here),
    ]


_HERE = {"cd_estabelecimento": 21}
_CONSULTATION, _OTHER = ("AMBULATORIO", "AMBULATORIO"), (_EXAMS, "OUTROS")
_HEART, _PA = (_EXAMS, "HEMODINAMICA"), (_EMERGENCY, "PA ADULTO")
_ADMISSION: Row = {"ie_tipo_atendimento": 1, "dt_entrada": NOON, "cd_estabelecimento": 21}


def admitted(name: str, to: Where | None, **columns: object) -> Case:
    """Return an emergency of somebody who was admitted too."""
    return case(name, 3, to, also=[_ADMISSION | columns], **_HERE)


ENCORE = [
    *counted_on_discharge(1, WARD, **_HERE),
    *counted_on_discharge(3, _PA, **_HERE),
    *(
        one
        for establishment in (1, 2, 4)
        for one in counted_on_discharge(8, _HEART, cd_estabelecimento=establishment)
    ),
    *(one for kind in (2, 7, 8) for one in counted_on_entry(kind, _OTHER, **_HERE)),
    *(case(f"type {kind} is an exam", kind, _OTHER, **_HERE) for kind in (0, 4, 6, 9, None)),
    *(case(f"type {kind}, not over", kind, _OTHER, dt_alta=None, **_HERE) for kind in (7, 8)),
    *(
        case(f"type {kind}, consultation", kind, _CONSULTATION, nr_seq_classificacao=1, **_HERE)
        for kind in (2, 7, 8, None)
    ),
    *(
        case(f"classification {n}", 8, _OTHER, nr_seq_classificacao=n, **_HERE)
        for n in (0, 2, 3, 11, None)
    ),
    case("admission, classification 1", 1, WARD, nr_seq_classificacao=1, **_HERE),
    case("emergency, classification 1", 3, _PA, nr_seq_classificacao=1, **_HERE),
    *(
        case(f"department {n}", 7, (_EXAMS, setor), demo_setor=n, **_HERE)
        for setor, codes in {
            "LABORATORIO": (357,),
            "IMAGEM": (353, 354, 365, 405),
            "EXAMES": (355, 369, 370),
            "OUTROS": (352, 356, 358, 364, 366, 368, 371, 404, 406, None),
        }.items()
        for n in codes
    ),
    case("the first department says nothing", 7, _OTHER, demo_primeiro_setor=357, **_HERE),
    case(
        "consultation in the laboratory",
        8,
        _CONSULTATION,
        nr_seq_classificacao=1,
        demo_setor=357,
        **_HERE,
    ),
    case("elsewhere, classification 1", 8, _HEART, nr_seq_classificacao=1, cd_estabelecimento=2),
    case("elsewhere, laboratory", 8, _HEART, demo_setor=357, cd_estabelecimento=4),
    *(
        case(f"establishment {n}", 8, OUT, cd_estabelecimento=n)
        for n in (3, 5, 20, 22, 71, 81, None)
    ),
    *(
        case(f"type {kind} of establishment {n}", kind, OUT, cd_estabelecimento=n)
        for kind in (1, 2, 3, 7, None)
        for n in (1, 2, 4)
    ),
    admitted("admitted the same day", OUT),
    admitted("admitted at its first moment", OUT, dt_entrada=MIDNIGHT),
    admitted("admitted at its last second", OUT, dt_entrada=DAY - SECOND),
    admitted("admitted the day before", OUT, dt_entrada=-SECOND),
    admitted("admitted at the first moment of the day before", OUT, dt_entrada=-DAY),
    admitted("admitted two days before", _PA, dt_entrada=-DAY - SECOND),
    admitted("admitted the day after", _PA, dt_entrada=DAY),
    admitted("admitted elsewhere", OUT, cd_estabelecimento=5),
    admitted("admission cancelled", _PA, dt_cancelamento=NOON),
    admitted("came again, not admitted", _PA, ie_tipo_atendimento=8, cd_estabelecimento=5),
    *(
        one._replace(row=one.row | _HERE)
        for one in reasons({1: WARD, 3: _PA}, (7, 8, 9, 10, 16, 23), (6, 11, 15, 17, 22, 24, None))
    ),
    *reasons({8: _HEART}, (7, 8, 9, 10, 16, 23), (6, 11, 15, 17, 22, 24, None)),
    *(
        case(f"exam, reason {code}", 7, _OTHER, cd_motivo_alta=code, **_HERE)
        for code in (7, 8, 9, 10, 16, 23)
    ),
    *(case(name, 3, _PA, cd_medico_resp=code, **_HERE) for name, code in MISSING.items()),
    case("no such person", 7, _OTHER, cd_pessoa_fisica="P999", **_HERE),
]

CASES = {
    "HAC": HAC,
    "HPM": palmas((1, 71), (2, 7, 21, 70, 72, 81, 99, None)),
    "HST": palmas((81,), (1, 8, 71, 80, 82, 99, None)),
    "HSMC": HSMC,
    "ENCORE": ENCORE,
}
