"""What a person types is read whole, or told: nothing of it is left out in silence."""

from __future__ import annotations

from datetime import date

import pytest

from tests.unit.transformation.dirty_rows import dirty_rows
from track_dispatch.cli.typed_identities import KINDS, LOST_DIGITS, PARTLY_USED, read_identities
from track_dispatch.config import load_hospital
from track_dispatch.transformation import Evaluator
from track_dispatch.transformation.contacts import usable_emails, usable_mobiles
from track_dispatch.transformation.identities import possible_identities

DAY = date(2026, 11, 20)
ANA, RUI = "email:ana@example.com", "email:rui@example.com"
PHONE, OTHER_PHONE = "phone:5527999990001", "phone:5527988887777"
CPF, OTHER_CPF = "cpf:52998224725", "cpf:11144477735"
NO_CPF = "no CPF: eleven digits, the last two of which check the others"
NO_EMAIL = "no e-mail address that anybody could be reached at"
NO_PHONE = "no mobile number with its area code"
NOTHING = "no CPF, e-mail address or mobile number"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("529.982.247-25", {CPF}),
        ("529.982.247/25", {CPF}),
        ("CPF 529 982 247 25", {CPF}),
        ("2371869422", {"cpf:02371869422"}),  # a spreadsheet took its zero away
        ("529.982.247-25 / 111.444.777-35", {CPF, OTHER_CPF}),
        ("529.982.247-25, 111.444.777-35", {CPF, OTHER_CPF}),
        ("Ana@Example.com", {ANA}),
        ("Ana Silva <ana@example.com>", {ANA}),
        ("ana@example.com, rui@example.com", {ANA, RUI}),
        ("ana@example.com rui@example.com", {ANA, RUI}),
        ("ana@example.com\nrui@example.com", {ANA, RUI}),
        ("ana@example.com; ana@example.com", {ANA}),
        ("529.982.247-25\nana@example.com\n27999990001\n", {CPF, ANA, PHONE}),
        ("+55 (27) 99999-0001", {PHONE}),
        ("(27) 99999-0001 ramal 12", {PHONE}),
        ("27999990001/27988887777", {PHONE, OTHER_PHONE}),
        ("27999990001 27988887777", {PHONE, OTHER_PHONE}),
        ("529.982.247-25; ana@example.com\t(27) 99999-0001", {CPF, ANA, PHONE}),
        ("529.982.247-25, ana@example.com", {CPF, ANA}),
        ("529.982.247-25, (27) 99999-0001", {CPF, PHONE}),
        ("2e5@example.com", {"email:2e5@example.com"}),
    ],
)
def test_all_that_a_text_holds_is_read(text: str, values: set[str]) -> None:
    found = read_identities(text)

    assert (set(found.values), found.fault) == (values, None)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("ana@example.com; rui@exampl", {ANA}),
        ("ana@example.com, rui@exampl", {ANA}),
        ("ana@example.com rui@exampl", {ANA}),
        ("ana@example.com; Maria", {ANA}),
        ("(27) 99999-0001 / 98888-7777", {PHONE}),
        ("529.982.247-25, 111.444.777-00", {CPF}),
        ("111.444.777-00, ana@example.com", {ANA}),
        ("529.982.247-25 111.444.777-00", {CPF}),
        ("529.982.247-25; Maria", {CPF}),
        ("ana@example.com, joao silva@example.com", {ANA}),
    ],
)
def test_a_part_that_is_no_identity_is_told_beside_one_that_is(text: str, values: set[str]) -> None:
    found = read_identities(text)

    assert (set(found.values), found.fault) == (values, PARTLY_USED)


@pytest.mark.parametrize(
    ("text", "kinds", "fault"),
    [
        ("5,29982E+10", ["cpf"], LOST_DIGITS),
        ("2.79988E+10", ["phone"], LOST_DIGITS),
        ("2.8e10", ["phone"], LOST_DIGITS),
        ("3E+10", ["phone"], LOST_DIGITS),
        ("+2,79988E+10", ["phone"], LOST_DIGITS),
        ("27999990001 / 2.79988E+10", ["phone"], LOST_DIGITS),
        ("2.79988E+10", None, LOST_DIGITS),
        ("111.444.777-00", ["cpf"], NO_CPF),
        ("111.111.111-11", ["cpf"], NO_CPF),
        ("########", ["cpf"], NO_CPF),
        ("ana@", ["email"], NO_EMAIL),
        ("não tem", ["email"], NO_EMAIL),
        ("joao silva@example.com", ["email"], NO_EMAIL),  # silva is somebody else
        ("52998224725'1", ["cpf"], NO_CPF),
        ("27999990001", ["email"], NO_EMAIL),
        ("(27) 3333-4444", ["phone"], NO_PHONE),
        ("99999-0001", ["phone"], NO_PHONE),
        ("Maria", None, NOTHING),
        ("", None, NOTHING),
    ],
)
def test_what_gives_nobody_is_told_by_what_is_wrong(
    text: str, kinds: list[str] | None, fault: str
) -> None:
    found = read_identities(text, kinds) if kinds else read_identities(text)

    assert (found.values, found.fault) == ((), fault)


def test_whatever_a_line_is_recognised_by_is_read_out_of_the_same_text() -> None:
    """An opt-out of the address, the number or the CPF as the ERP has it must meet the line."""
    rows = dirty_rows(1, extra_columns=True)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    hospital = load_hospital("HMS").model_copy(update={"first_business_day": DAY})
    compared = 0
    for row, line in zip(
        rows, Evaluator(hospital, DAY, evaluated_on=DAY).evaluate(columns), strict=True
    ):
        known = {one for kind in line.identities for one in kind if not one.startswith("name:")}
        emails, phones = usable_emails(row["email"]), usable_mobiles(row["phone"])
        # what a cell with a slip may mean is a fault where a person types it
        known -= {*possible_identities(row["email"], emails, row["phone"], phones)}
        read = {value for kind in KINDS for value in read_identities(row[kind], [kind]).values}
        compared += len(known)
        assert known <= read
    assert compared > 700


def test_a_filled_text_gives_somebody_or_a_fault() -> None:
    for row in dirty_rows(2, extra_columns=False):
        for kind in KINDS:
            found = read_identities(row[kind], [kind])
            assert found.values or found.fault


def test_it_is_shown_without_what_it_holds() -> None:
    assert "52998224725" not in repr(read_identities("529.982.247-25"))
