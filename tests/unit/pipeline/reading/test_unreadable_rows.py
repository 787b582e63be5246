"""What becomes of a day's rows that the ERP returns spoilt: never the day is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from erp_days import DAY, NOW

from track_dispatch.pipeline.report import report

if TYPE_CHECKING:
    from erp_days import ErpDays

#: A text that the ERP sends as bytes that are none.
SPOILT = "SPOILT"


def spoil(erp_days: ErpDays) -> None:
    erp_days.erp.faults.cells = {SPOILT: b"\xff\xfe"}


@pytest.mark.parametrize("column", ["cd_atendimento", "name", "area_pesquisa", "x_obito"])
def test_a_row_is_excluded_if_what_decides_cannot_be_read(erp_days: ErpDays, column: str) -> None:
    spoil(erp_days)
    erp_days.add(1)
    erp_days.add(2, **{column: SPOILT})

    assert erp_days.read().counts == {"ready": 1, "excluded(unreadable)": 1}


@pytest.mark.parametrize("column", ["medico", "unidade", "setor", "cpf", "phone"])
def test_a_row_goes_without_what_does_not_decide(erp_days: ErpDays, column: str) -> None:
    spoil(erp_days)
    erp_days.add(1, **{column: SPOILT})

    assert erp_days.read().counts == {"ready": 1}


@pytest.mark.parametrize("half", [b"JO\xed\xa0\x80O", b"JO\xed\xb0\x80"])
@pytest.mark.parametrize("column", ["name", "phone", "email", "setor", "cd_atendimento"])
def test_half_a_surrogate_pair_stops_no_day(erp_days: ErpDays, column: str, half: bytes) -> None:
    erp_days.erp.faults.cells = {SPOILT: half}
    erp_days.add(1, **{column: SPOILT})
    erp_days.add(2)

    assert sum(erp_days.read().counts.values()) == 2


def test_the_next_channel_is_taken_for_an_address_that_cannot_be_read(erp_days: ErpDays) -> None:
    spoil(erp_days)
    erp_days.add(1, email=SPOILT, phone="5527998761234")
    erp_days.add(2, email=SPOILT)

    assert erp_days.read().counts == {"ready": 1, "excluded(no_contact)": 1}


def test_each_row_without_an_attendance_number_counts(erp_days: ErpDays) -> None:
    for _ in range(3):
        erp_days.add(1, cd_atendimento="")
    erp_days.add(2)

    assert erp_days.read().counts == {"ready": 1, "excluded(unreadable)": 3}


def test_a_number_that_comes_later_makes_the_row_an_attendance(erp_days: ErpDays) -> None:
    erp_days.add(1, cd_atendimento="")
    erp_days.read("run-0")
    erp_days.clear()
    erp_days.add(1)

    erp_days.read("run-1")

    assert erp_days.stands() == {"1": f"{DAY} ready", f"{DAY} #1": f"{DAY} excluded unreadable"}


def test_rows_of_one_attendance_are_merged_across_spoilt_chunks(
    erp_days: ErpDays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk without spoilt values has a column less."""
    spoil(erp_days)
    for number in range(2500):
        erp_days.add(number, medico=SPOILT if number == 2400 else "")
    for number in (3, 2400):
        erp_days.add(number)

    assert erp_days.read().counts == {"ready": 2500}


def lines_of_report(erp_days: ErpDays) -> list[str]:
    return list(report(erp_days.run(), ledger=erp_days.ledger, now=NOW).text())


def test_the_report_counts_what_could_not_be_read_by_column(erp_days: ErpDays) -> None:
    """The chunk of the last row holds no other name: all rows of the day count."""
    spoil(erp_days)
    for number in range(2001):
        last = {"name": SPOILT, "medico": SPOILT} if number == 2000 else {}
        erp_days.add(number, **last)
    erp_days.read()

    text = lines_of_report(erp_days)

    assert "coluna medico: 1 de 2001 valores ilegíveis" in text
    assert "coluna name: 1 de 2001 valores ilegíveis" in text
    assert not [line for line in text if "a maior parte" in line]


def test_a_day_of_which_no_name_can_be_read_is_red(erp_days: ErpDays) -> None:
    spoil(erp_days)
    for number in range(2):
        erp_days.add(number, name=SPOILT)
    erp_days.read()

    text = lines_of_report(erp_days)

    assert [line for line in text if "2 valores ilegíveis na coluna name, a maior parte" in line]
