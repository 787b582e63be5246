from __future__ import annotations

from datetime import date
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from track_dispatch.config import load_hospital
from track_dispatch.transformation.evaluator import Evaluator
from track_dispatch.transformation.identities import identity_values

if TYPE_CHECKING:
    from track_dispatch.records import ErpRow

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


def test_eleven_digits_may_be_a_cpf_and_a_phone() -> None:
    digits = "11960000187"

    assert identity_values(digits) == (f"cpf:{digits}", f"phone:55{digits}")
    assert identity_values(digits, ["phone"]) == (f"phone:55{digits}",)
