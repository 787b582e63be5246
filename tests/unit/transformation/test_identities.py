from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from demo.erp.patients import patient
from track_dispatch.records import COLUMNS
from track_dispatch.transformation.identities import identity, line_identity
from track_dispatch.transformation.import_lines import import_line

if TYPE_CHECKING:
    from track_dispatch.records import ErpRow

EVERYTHING = {
    "cpf": "52998224725",
    "email": "maria.silva@example.com",
    "phone": "5527998761234",
}


def test_a_line_is_recognised_by_cpf_email_and_phone(row: ErpRow) -> None:
    assert identity(import_line(row, client_id="40085", unidade=None)) == EVERYTHING


def test_an_opt_out_as_a_person_types_it_meets_the_line() -> None:
    typed = {"cpf": "529.982.247-25", "email": "MARIA.SILVA@example.com", "phone": "27 9876-1234"}

    assert identity(typed) == EVERYTHING


def test_what_is_missing_identifies_nobody() -> None:
    assert identity({"cpf": "", "email": "naotem@example.com"}) == {}


def test_an_import_line_needs_no_second_look() -> None:
    rng = Random(1)
    for number in range(200):
        made = patient(rng, number, area_code="27")
        phone = f"{made.country_code or ''}{made.area_code or ''}{made.phone or ''}"
        row = dict.fromkeys(COLUMNS, "") | {
            "name": made.name,
            "email": made.email or "",
            "phone": phone,
            "cpf": made.cpf or "",
        }
        line = import_line(row, client_id="40085", unidade=None)

        assert line_identity(line) == identity(line)
