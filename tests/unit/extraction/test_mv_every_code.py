"""Every code, one at a time, and every edge of the day, at each MV hospital, read twice.

A draw may miss a code; here each column runs through all its values, the listed ones, those beside
them and null, while the other columns stand still.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from itertools import count, product
from typing import TYPE_CHECKING

import expected_mv
import pytest
from erp_rows import DAYS, Serving, mv_tables, placed, read
from expected_mv_visit import BIRTHS

from stand_ins.erp import schemas

if TYPE_CHECKING:
    from stand_ins.erp.tables import Row, Tables

CODES = ("HMS", "HMC", "HPC", "HMV", "HMSM", "HSF", "HSL", "HAT", "OTOA")
CONNECTIONS = "oracle_hms oracle_hmc oracle_hpc oracle_hmsm oracle_hsf oracle_hsl oracle_hat"

NOON, SECOND, DAY = timedelta(hours=12), timedelta(seconds=1), timedelta(days=1)
#: Around the day, and at its edges.
ENTRIES = (-DAY, -SECOND, timedelta(0), NOON, DAY - SECOND, DAY, DAY + NOON)

COMPANIES = (1, 2)
OTHER_CIDS = (None, "A09", "O8", "O81", "O808", "O83", "Z38", "Z381", "Z383")
COMMON: Row = {
    "dt_atendimento": timedelta(0),
    "hr_atendimento": NOON,
    "dt_alta": timedelta(0),
    "hr_alta": NOON + SECOND,
}
CHILD: Row = COMMON | {"tp_atendimento": "I", "dt_alta": 3 * DAY, "hr_alta": 3 * DAY}


def codes(last: int) -> list[int | None]:
    return [None, *range(last + 1)]


def attendance(kind: str, **columns: object) -> Row:
    base = {
        "U": {"cd_tip_res": 2, "cd_servico": 3, "cd_ori_ate": 36},
        "I": {"cd_mot_alt": 1, "cd_cid": "A09", "cd_leito": 1},
        "A": {"cd_ori_ate": 124, "cd_ser_dis": 90},
        "E": {},
    }[kind]
    return COMMON | {"tp_atendimento": kind} | base | columns


def one_at_a_time() -> Iterator[tuple[Row, int]]:
    """Yield attendances, each with the number of its children."""
    emergency, admitted = partial(attendance, "U"), partial(attendance, "I")
    clinic, exam = partial(attendance, "A"), partial(attendance, "E")
    for code, service in product(codes(30), (3, 40)):
        yield emergency(cd_tip_res=code, cd_servico=service), 0
    for code in codes(90):
        yield emergency(cd_servico=code), 0
    for code, children in product(codes(60), (0, 1)):
        yield admitted(cd_mot_alt=code), children
    for cid, children in product((*BIRTHS, *OTHER_CIDS), (0, 2)):
        yield admitted(cd_cid=cid), children
    for code in codes(10):
        yield admitted(cd_leito=code), 0
    for code, of in product(codes(60), (None, 17, 90)):
        yield clinic(cd_ori_ate=code, cd_ser_dis=of), 0
    for code, origin in product(codes(100), (30, 124)):
        yield clinic(cd_ser_dis=code, cd_ori_ate=origin), 0
    for code, origin in product(codes(35), (29, 30)):
        yield clinic(cd_especialid=code, cd_ori_ate=origin), 0
    for code in codes(130):
        yield exam(cd_ori_ate=code), 0
    for parent in (None, 1):
        yield admitted(cd_atendimento_pai=parent), 0


def around_the_day() -> Iterator[tuple[Row, int]]:
    """Yield every kind, entered and left at every edge of the day and of its neighbours."""
    midnights = (-DAY, timedelta(0), DAY)
    for kind, came_on, left_on in product("UIAEX", midnights, (*midnights, None)):
        entry = {"dt_atendimento": came_on, "dt_alta": left_on}
        # an exam must be of an origin that some hospital knows; 15 is of three of them
        codes = {"cd_ori_ate": 15 if kind == "E" else 30}
        base = attendance("U" if kind == "X" else kind, **codes) | {"tp_atendimento": kind}
        for moment in ENTRIES:
            yield base | entry | {"hr_atendimento": moment}, 0
            yield base | entry | {"hr_alta": moment}, 0
        yield base | entry | {"hr_alta": None}, 1


def planted() -> Tables:
    numbers = count(830_000_000)
    rows: list[Row] = []
    cases = [*one_at_a_time(), *around_the_day()]
    for day, company, (case, children) in product(DAYS, COMPANIES, cases):
        number = next(numbers)
        row = case | {"cd_atendimento": number, "cd_multi_empresa": company}
        rows.append(placed(row | {"cd_paciente": number % 5000, "cd_prestador": number % 5}, day))
        for _ in range(children):
            child = CHILD | {"cd_atendimento": next(numbers), "cd_atendimento_pai": number}
            rows.append(placed(child | {"cd_multi_empresa": company, "cd_paciente": 5}, day))
    return mv_tables(rows)


@pytest.fixture(scope="module")
def tables(
    serving: Serving,
) -> Iterator[Tables]:
    made = planted()
    with serving(f"{CONNECTIONS} oracle_oto_ing", schemas.MV, made):
        yield made


@pytest.mark.parametrize("day", DAYS, ids=str)
@pytest.mark.parametrize("code", CODES)
def test_each_code_and_each_edge_is_read_as_the_facts_say(
    tables: Tables, code: str, day: date
) -> None:
    rows = read(code, day)
    wanted = expected_mv.expected(code, tables, day)

    assert len(rows) == len(wanted) > 200
    assert {row["cd_atendimento"]: row for row in rows} == wanted
