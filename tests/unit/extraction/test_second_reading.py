"""The SQL of MV's hospitals against a second reading of the facts in plain Python, row by row."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import expected_mv
import pytest
from erp_rows import DAYS, at, mv_tables, read

from demo.erp import schemas
from demo.erp.tables import insert_sql
from demo.erp_data import erp_sql, erp_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from datetime import date

    from demo.erp.tables import Row, Tables
    from demo.oracle import OracleStandIn
    from track_dispatch.records import ErpRow

    Serving = Callable[[str, str], AbstractContextManager[OracleStandIn]]

MV_CODES = ("HMS", "OTOA", "OTOM", "OTOS", "OTOSD", "ING")
CONNECTIONS = {"hms": "oracle_hms", "oto_ing": "oracle_oto_ing"}
SOURCE = {"HMS": "hms"} | dict.fromkeys(MV_CODES[1:], "oto_ing")
ROWS_A_DAY = 2000

#: Most attendances lie on the day, the others beside it.
DAYS_OFF = (0, 0, 0, 0, 0, -1, 1)
TIMES = (0, 1, 8 * 3600, 43_200, 86_398, 86_399)

MV_CODES_DRAWN: dict[str, tuple[object, ...]] = {
    "cd_prestador": (1, 2, 3, 999, None),
    "cd_multi_empresa": (*range(1, 27), 99),
    "tp_atendimento": ("U", "I", "A", "E", "U", "I", "A", "E", "X"),
    "cd_ori_ate": (None, *range(1, 130), *(7, 9, 21, 46) * 10),
    "cd_servico": (None, 1, 2, 5, 27, 40),
    "cd_ser_dis": (None, *range(1, 100), 999),
    "cd_cid": (None, "A09", "O81", *expected_mv.BIRTHS[:6]),
    "cd_tip_res": (None, *range(1, 13), 77),
    "cd_mot_alt": (None, *range(1, 24), 77),
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
def drawn(serving: Serving) -> Iterator[dict[str, Tables]]:
    """Serve every source with rows whose codes are drawn from all that a rule names, and others."""
    mv = drawn_mv()
    with serving("oracle_hms oracle_oto_ing", schemas.MV + insert_sql("dbamv", mv)):
        yield {"hms": mv, "oto_ing": mv}


@pytest.mark.parametrize("day", DAYS, ids=str)
@pytest.mark.parametrize("code", MV_CODES)
def test_drawn_attendances_are_read_as_the_facts_say(
    drawn: dict[str, Tables], code: str, day: date
) -> None:
    wanted = expected_mv.expected(code, drawn[SOURCE[code]], day)

    assert len(wanted) > 10  # else the draw proves nothing
    assert by_id(read(code, day)) == wanted


@pytest.mark.parametrize("day", DAYS, ids=str)
@pytest.mark.parametrize("source", CONNECTIONS)
def test_the_demo_s_erp_is_read_as_the_facts_say(source: str, day: date, serving: Serving) -> None:
    tables = erp_tables(source, days=[day])
    with serving(CONNECTIONS[source], erp_sql(source, days=[day])):
        for code in (code for code, name in SOURCE.items() if name == source):
            assert by_id(read(code, day)) == expected_mv.expected(code, tables, day)


def test_a_shared_database_gives_each_attendance_to_one_hospital_at_most(
    drawn: dict[str, Tables],
) -> None:
    ids = [row["cd_atendimento"] for code in MV_CODES[1:] for row in read(code, DAYS[0])]

    assert sorted(ids) == sorted(set(ids))
