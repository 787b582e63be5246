from __future__ import annotations

from typing import TYPE_CHECKING

from track_dispatch.transformation.identities import identity
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
