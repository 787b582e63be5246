from __future__ import annotations

from datetime import date
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from track_dispatch.config import load_hospital
from track_dispatch.transformation import Evaluator
from track_dispatch.transformation.contacts import usable_emails, usable_mobiles
from track_dispatch.transformation.identities import identity_values, possible_identities

if TYPE_CHECKING:
    from track_dispatch.records import ErpRow
    from track_dispatch.transformation.identities import Identities

DAY = date(2026, 3, 12)
AS_TYPED = ["529.982.247-25", "MARIA.SILVA@example.com", "27 9876-1234"]


def test_an_opt_out_as_a_person_types_it_meets_the_line(row: ErpRow) -> None:
    hospital = load_hospital("HMS").model_copy(update={"first_business_day": DAY})
    evaluator = Evaluator(hospital, DAY, evaluated_on=DAY)
    [line] = evaluator.evaluate({column: [text] for column, text in row.items()})

    assert line.reason is None
    for text in AS_TYPED:
        assert set(identity_values(text)) & set(chain.from_iterable(line.identities))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("529.982.247-25", ("cpf:52998224725",)),
        ("(27) 99876-1234", ("phone:5527998761234",)),
        ("ana@example.com; bia@example.com", ("email:ana@example.com", "email:bia@example.com")),
        ("naotem@example.com", ()),
        ("", ()),
    ],
)
def test_a_text_is_all_that_it_may_mean(text: str, values: tuple[str, ...]) -> None:
    assert identity_values(text) == values


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Maria.Silva@gmail.com", "mariasilva@gmail.com"),
        ("m.a.r.i.a@googlemail.com", "maria@gmail.com"),
        ("maria+hospital@gmail.com", "ma.ria@gmail.com"),
        ("maria+hospital@example.com", "maria@example.com"),
    ],
)
def test_two_spellings_of_one_mailbox_are_one_identity(one: str, other: str) -> None:
    assert identity_values(one) == identity_values(other) != ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("maria.silva@example.com", "mariasilva@example.com"),  # only Gmail passes over dots
        ("maria.silva@gmail.com.br", "mariasilva@gmail.com.br"),
        ("maria@gmail.com", "maria@example.com"),
        ("maria-silva@gmail.com", "mariasilva@gmail.com"),
        ("+a@example.com", "+b@example.com"),  # nothing would be left
    ],
)
def test_two_mailboxes_are_two_identities(one: str, other: str) -> None:
    assert identity_values(one) != identity_values(other)


def test_a_line_goes_out_as_typed_and_is_known_by_its_mailbox(row: ErpRow) -> None:
    hospital = load_hospital("HMS").model_copy(update={"first_business_day": DAY})
    typed = "Maria.Silva+1@gmail.com; mariasilva@googlemail.com; ana@example.com"
    columns = {column: [text] for column, text in (row | {"email": typed}).items()}
    [line] = Evaluator(hospital, DAY, evaluated_on=DAY).evaluate(columns)

    assert line.line is not None
    assert b'"email":"maria.silva+1@gmail.com"' in line.line
    assert line.identities.contacts == ("email:mariasilva@gmail.com",)
    assert line.identities.others == ("email:ana@example.com", "phone:5527998761234")
    assert "name:mariasilva@gmail.com\x1fmaria da silva" in line.identities.persons


def test_eleven_digits_may_be_a_cpf_and_a_phone() -> None:
    digits = "11960000187"

    assert identity_values(digits) == (f"cpf:{digits}", f"phone:55{digits}")
    assert identity_values(digits, ["phone"]) == (f"phone:55{digits}",)


def identities(row: ErpRow, **changed: str) -> Identities:
    hospital = load_hospital("HMS").model_copy(update={"first_business_day": DAY})
    columns = {column: [text] for column, text in (row | changed).items()}
    [line] = Evaluator(hospital, DAY, evaluated_on=DAY).evaluate(columns)
    assert line.reason is None
    return line.identities


@pytest.mark.parametrize(
    ("cell", "listed"),
    [
        ("maria @gmail.com", "maria@gmail.com"),
        ("maria@ gmail.com", "maria@gmail.com"),
        ("maria@gmail .com", "maria@gmail.com"),
        ("maria@gmail com", "maria@gmail.com"),
        ("maria@gmail,com", "maria@gmail.com"),
        ("maria@gmail..com", "maria@gmail.com"),
        ("maria.@gmail.com", "maria@gmail.com"),
        ("maria@.gmail.com", "maria@gmail.com"),
        ("maria@@gmail.com", "maria@gmail.com"),
        ("maria@gmail.com@", "maria@gmail.com"),
        ("www.maria@gmail.com", "maria@gmail.com"),
        ("e-mail:maria@gmail.com", "maria@gmail.com"),
        ("JOÃO@gmail.com", "joao@gmail.com"),
        ("joao silva@example.com", "silva@example.com"),
        ("joao silva@example.com", "joao.silva@example.com"),
        ("joao silva@example.com", "joaosilva@example.com"),
        ("joao,silva@example.com", "joao.silva@example.com"),
        ("maria@example.com, br", "maria@example.com.br"),
        ("Maria Silva maria@example.com", "maria@example.com"),
        ("ana@example.com; maria @example.com", "maria@example.com"),
        ("maria.silva @gmail.com", "mariasilva@gmail.com"),
    ],
)
def test_an_address_with_a_slip_is_met_by_an_opt_out_but_nobody_is_taken_for_it(
    row: ErpRow, cell: str, listed: str
) -> None:
    found = identities(row, email=cell)

    assert set(identity_values(listed)) <= {*found.others}
    assert not any(listed in value for value in (*found.persons, *found.contacts))


@pytest.mark.parametrize(
    ("cell", "listed"),
    [
        ("27 99876-123O", "27 99876-1230"),
        ("27 9987l-1234", "27 99871-1234"),
        ("27-9-9876-1234?", "27 99876-1234"),
        ("27 99876-1234 5", "27 99876-1234"),
        ("+5 27 99876-1234", "27 99876-1234"),
        ("(27) 3333-4444 / 99876-1234", "27 99876-1234"),
        ("27 98888-4321; 99876-1234", "27 99876-1234"),
    ],
)
def test_a_number_with_a_slip_is_met_by_an_opt_out_but_nobody_is_taken_for_it(
    row: ErpRow, cell: str, listed: str
) -> None:
    found = identities(row, phone=cell)
    [value] = identity_values(listed, ("phone",))

    assert value in found.others
    assert not any(value[6:] in one for one in (*found.persons, *found.contacts))


@pytest.mark.parametrize(
    ("email", "phone"),
    [
        ("ana@example.com", "27 99876-1234"),
        ("naotem@naotem.com", "(27) 3333-4444"),
        ("ana@example.com; bia@example.com", "27 99876-1234 / 27 98888-4321"),
        ("não tem", "99876-1234"),  # without an area code it may be anybody's
        ("", ""),
    ],
)
def test_what_can_be_read_means_nothing_else(email: str, phone: str) -> None:
    assert possible_identities(email, usable_emails(email), phone, usable_mobiles(phone)) == ()
