"""The SQL of MV's hospitals against a second reading of the facts in plain Python, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING

import expected_mv
import pytest
from erp_rows import COMPANIES, DAYS, Serving, at, hospital, mv_tables, read
from expected_mv_visit import BIRTHS

from stand_ins.erp import schemas
from stand_ins.erp_data import MV_SITES, erp_tables

if TYPE_CHECKING:
    from stand_ins.erp.tables import Row, Tables
    from track_dispatch.records import ErpRow


OTO_ING = ("OTOA", "OTOM", "OTOS", "OTOSD", "ING")
MV_CODES = ("HMS", "HMC", "HPC", "HMV", "HMSM", "HSF", "HSL", "HAT", *OTO_ING)
CONNECTIONS = sorted(f"oracle_{source}" for source in MV_SITES)
ROWS_A_DAY = 2000

#: Most attendances lie on the day, the others beside it.
DAYS_OFF = (0, 0, 0, 0, 0, -1, 1)
TIMES = (0, 1, 8 * 3600, 43_200, 86_398, 86_399)

MV_CODES_DRAWN: dict[str, tuple[object, ...]] = {
    "cd_prestador": (1, 2, 3, 999, None),
    "cd_multi_empresa": (*range(1, 27), *(1, 2) * 5, 99),
    "tp_atendimento": ("U", "I", "A", "E", "U", "I", "A", "E", "X"),
    "cd_ori_ate": (None, *range(130), *range(32), *(7, 9, 15, 21, 29, 30, 37, 46) * 10),
    "cd_servico": (None, 1, 2, 3, 4, 5, 7, 23, 27, 37, 40, 41, 82),
    "cd_ser_dis": (None, *range(1, 100), 999),
    "cd_especialid": (None, 8, 9, 22, 28, 33),
    "cd_leito": (None, 1, 2, 3, 8, 9),
    "cd_cid": (None, "A09", "O81", *BIRTHS[:6]),
    "cd_tip_res": (None, *range(1, 25), 77),
    "cd_mot_alt": (None, *range(1, 60), 77),
}


def moment(rng: Random, day: date) -> object:
    return at(day, timedelta(days=rng.choice(DAYS_OFF), seconds=rng.choice(TIMES)))


def drawn_mv() -> Tables:
    rng, rows = Random(2026), []
    for place, day in enumerate(DAYS):
        for number in range(ROWS_A_DAY):
            attendance = 810_000_000 + place * 100_000 + number
            row: Row = {name: rng.choice(codes) for name, codes in MV_CODES_DRAWN.items()}
            row |= {
                "cd_atendimento": attendance,
                "cd_paciente": 620_000_000 + number,
                "dt_atendimento": at(day, timedelta(days=rng.choice(DAYS_OFF))),
                "hr_atendimento": moment(rng, day),
                "dt_alta": rng.choice((None, *[at(day, timedelta(days=d)) for d in DAYS_OFF])),
                "hr_alta": rng.choice((None, moment(rng, day), moment(rng, day))),
                "cd_atendimento_pai": rng.choice((None, None, attendance - 1, attendance - 2)),
            }
            rows.append(row)
    return mv_tables(rows)


def by_id(rows: list[ErpRow]) -> dict[str, ErpRow]:
    found = {row["cd_atendimento"]: row for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def drawn(serving: Serving) -> Iterator[Tables]:
    """Serve every source with rows whose codes are drawn from all that a rule names, and others."""
    tables = drawn_mv()
    with serving(" ".join(CONNECTIONS), schemas.MV, tables):
        yield tables


@pytest.mark.parametrize("day", DAYS, ids=str)
@pytest.mark.parametrize("code", MV_CODES)
def test_drawn_attendances_are_read_as_the_facts_say(drawn: Tables, code: str, day: date) -> None:
    wanted = expected_mv.expected(code, drawn, day)

    assert len(wanted) > 10  # else the draw proves nothing
    assert by_id(read(code, day)) == wanted


@pytest.mark.parametrize("day", DAYS, ids=str)
@pytest.mark.parametrize("source", MV_SITES)
def test_the_demo_s_erp_is_read_as_the_facts_say(source: str, day: date, serving: Serving) -> None:
    tables = erp_tables(source, days=[day])
    with serving(f"oracle_{source}", schemas.MV, tables):
        for code in (code for code in MV_CODES if hospital(code).source == source):
            assert by_id(read(code, day)) == expected_mv.expected(code, tables, day)


@pytest.mark.parametrize("codes", [OTO_ING, ("HMSM", "HMV")], ids="-".join)
def test_a_shared_database_gives_each_attendance_to_one_hospital_at_most(
    drawn: Tables, codes: tuple[str, ...]
) -> None:
    ids = [row["cd_atendimento"] for code in codes for row in read(code, DAYS[0])]

    assert sorted(ids) == sorted(set(ids))
    assert all(hospital(code).companies == COMPANIES[code] for code in codes)
