"""Attendances of MV that a test changes in one column, and how they are planted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from erp_rows import DAYS, mv_tables, placed, read

if TYPE_CHECKING:
    from stand_ins.erp.tables import Row, Tables

NOON, SECOND, DAY = timedelta(hours=12), timedelta(seconds=1), timedelta(days=1)
MIDNIGHT = timedelta(0)

COMMON: Row = {"cd_paciente": 5, "cd_prestador": 1, "cd_multi_empresa": 1}
HERE: Row = COMMON | {"dt_atendimento": MIDNIGHT, "hr_atendimento": NOON}
GONE: Row = {"dt_alta": MIDNIGHT, "hr_alta": NOON + SECOND}
U: Row = HERE | GONE | {"tp_atendimento": "U", "cd_tip_res": 2, "cd_servico": 3}
I: Row = (  # noqa: E741 - MV's own letter
    COMMON
    | GONE
    | {"tp_atendimento": "I", "dt_atendimento": -2 * DAY, "hr_atendimento": NOON - 2 * DAY}
    | {"cd_mot_alt": 1, "cd_cid": "A09"}
)
A: Row = HERE | {"tp_atendimento": "A", "cd_ori_ate": 1, "cd_ser_dis": 90}
E: Row = HERE | {"tp_atendimento": "E"}
CHILD: Row = I | {"cd_cid": "Z380", "dt_alta": 3 * DAY, "hr_alta": 3 * DAY}

PS, IN, MA = "PRONTO SOCORRO GERAL", "INTERNACAO", "MATERNIDADE"
AM, EX, ON = "AMBULATORIO", "EXAMES", "ONCOLOGIA"
OUT = None

#: name, attendance, children, area and setor
Case = tuple[str, "Row", int, tuple[str, str] | None]


def case(name: str, row: Row, to: tuple[str, str] | None, *, children: int = 0) -> Case:
    return name, row, children, to


ADULT, WARD, MOTHER = (PS, "PA_ADULTO"), (IN, IN), (MA, MA)
BIRTHS = (
    *("O60", "O80", "O82", "O84", "O757", "O800", "O801", "O809", "O810", "O820", "O821", "O822"),
    *("O829", "O839", "O840", "O842", "Z380", "Z382"),
)


def planted(cases: Sequence[Case]) -> Tables:
    """Return every case on every day, and the children: they leave when the mother is long gone."""
    rows: list[Row] = []
    for place, day in enumerate(DAYS):
        for number, (_, row, children, _) in enumerate(cases):
            attendance = case_id(place, number)
            rows.append(placed(row | {"cd_atendimento": attendance}, day))
            rows += [
                placed(CHILD | {"cd_atendimento": attendance + 1 + n}, day)
                | {"cd_atendimento_pai": attendance}
                for n in range(children)
            ]
    return mv_tables(rows)


def case_id(place: int, number: int) -> int:
    """Return the attendance id of a case on the day at this place."""
    return 610_000_000 + place * 100_000 + number * 10


def found(code: str, day: date, cases: Sequence[Case]) -> dict[str, tuple[str, str] | None]:
    """Return area and setor under which the hospital's query finds each case."""
    rows = {row["cd_atendimento"]: row for row in read(code, day)}
    places = {
        f"{number} {name}": rows.get(str(case_id(DAYS.index(day), number)))
        for number, (name, *_) in enumerate(cases)
    }
    return {
        name: (row["area_pesquisa"], row["setor"]) if row else OUT for name, row in places.items()
    }


def wanted(cases: Sequence[Case]) -> dict[str, tuple[str, str] | None]:
    """Return area and setor that each case states."""
    return {f"{number} {name}": to for number, (name, _, _, to) in enumerate(cases)}
