"""Rows into attendances: each comes once, whatever chunk its rows lie in."""

from __future__ import annotations

import random
from datetime import date
from typing import TYPE_CHECKING

import pytest
from erp_days import HOSPITAL

from track_dispatch.pipeline.transform import DayEvaluation
from track_dispatch.records import COLUMNS, Area, Channel
from track_dispatch.transformation import Evaluator

if TYPE_CHECKING:
    from track_dispatch.transformation import Candidate

DAY = date(2026, 3, 10)


def row(number: int, area: str = "INTERNACAO", **changed: str) -> dict[str, str]:
    found = {
        **dict.fromkeys(COLUMNS, ""),
        "cd_atendimento": str(number),
        "area_pesquisa": area,
        "name": f"MARIA {number}",
        "email": f"p{number}@example.test",
        "phone": "5527998761234",
    }
    return found | changed


def evaluated(rows: list[dict[str, str]], size: int) -> tuple[DayEvaluation, list[Candidate]]:
    """Evaluate rows in chunks of a size."""
    chunks = [
        {column: [one[column] for one in rows[start : start + size]] for column in COLUMNS}
        for start in range(0, len(rows), size)
    ]
    evaluator = Evaluator(HOSPITAL, DAY, evaluated_on=DAY)
    day = DayEvaluation(evaluator, (chunk["cd_atendimento"] for chunk in chunks))
    return day, [one for chunk in day.chunks(chunks) for one in chunk.candidates]


def test_a_row_that_is_alone_is_its_attendance() -> None:
    day, found = evaluated([row(n) for n in range(5)], size=2)

    assert (day.rows, day.attendances) == (5, 5)
    assert [one.attendance_id for one in found] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_of_an_attendances_rows_the_best_area_stands_for_it(size: int) -> None:
    rows = [row(1, "EXAMES"), row(2), row(1, "ONCOLOGIA"), row(1, "AMBULATORIO")]
    day, found = evaluated(rows, size)

    assert (day.rows, day.attendances) == (4, 2)
    assert {one.attendance_id: one.area for one in found} == {
        "1": Area.ONCOLOGIA,
        "2": Area.INTERNACAO,
    }


def test_ids_that_differ_in_blanks_only_are_one_attendance() -> None:
    day, found = evaluated([row(1), row(1, cd_atendimento=" 1  ")], size=1)

    assert (day.rows, day.attendances, [one.attendance_id for one in found]) == (2, 1, ["1"])


def test_the_order_in_which_the_erp_returns_rows_changes_nothing() -> None:
    rows = [
        row(number, area, setor=f"SETOR {number % 3}{area}")
        for number in range(30)
        for area in ("EXAMES", "EXAMES", "INTERNACAO")[: number % 4]
    ]
    expected = {one.attendance_id: one for one in evaluated(rows, 100)[1]}
    for seed in range(5):
        shuffled = random.Random(seed).sample(rows, len(rows))
        assert {one.attendance_id: one for one in evaluated(shuffled, 7)[1]} == expected


def test_a_day_whose_rows_all_come_twice_is_read_in_chunks() -> None:
    rows = [row(number) for number in range(2500)] * 2
    day, found = evaluated(rows, 1000)

    assert (day.rows, day.attendances, len({one.attendance_id for one in found})) == (
        5000,
        2500,
        2500,
    )


def test_a_chunks_patients_are_evaluated_again_without_a_barred_channel() -> None:
    chunk = {column: [one[column] for one in [row(1), row(2)]] for column in COLUMNS}
    day = DayEvaluation(Evaluator(HOSPITAL, DAY, evaluated_on=DAY), [chunk["cd_atendimento"]])
    [found] = day.chunks([chunk])

    assert [one.channel for one in found.candidates] == [Channel.EMAIL, Channel.EMAIL]
    again = found.again({1: {Channel.EMAIL}})
    assert {position: one.channel for position, one in again.items()} == {1: Channel.WHATSAPP}
