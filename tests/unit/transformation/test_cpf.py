from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.br import cpf

from track_dispatch.transformation.identities import has_right_check_digits, usable_cpf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("52998224725", "52998224725"),
        ("529.982.247-25", "52998224725"),
        (" 529 982 247 25 ", "52998224725"),
        ("CPF: 529.982.247-25", "52998224725"),
        ("(CPF) 529.982.247-25 (mae)", "52998224725"),
        ("52998224725.0", "52998224725"),  # a column of numbers with gaps is saved so
        ("529\u200b982\u00a0247 25", "52998224725"),
        ("1112224785", "01112224785"),  # a numeric column lost its zero
        ("123450-16", "00012345016"),
        ("12345016", "00012345016"),  # and three of them
    ],
)
def test_a_valid_cpf_comes_out_as_eleven_digits(text: str, expected: str) -> None:
    assert usable_cpf(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "52998224724",  # a check digit is wrong
        "52998224752",  # and turned around
        "52998224725 1",
        "052998224725",
        "11222333000181",  # a company's number
        "191",  # completed it would be valid, but who would have meant it?
        "529982247-2X",
        "5.2998224E725",
        "1.23450E16",
        "123?45016",
        "12345016x",
        "123\ufffd45016",
        f"123{chr(0xDCC9)}45016",
        "\u066512345016",
        "123450.16",
        "1234501.6",
        "NAO TEM",
        "",
    ],
)
def test_an_invalid_cpf_is_none(text: str) -> None:
    assert usable_cpf(text) == ""


@pytest.mark.parametrize("digit", "0123456789")
def test_eleven_equal_digits_are_no_cpf(digit: str) -> None:
    assert usable_cpf(digit * 11) == ""


@pytest.mark.parametrize("digits", ["01234567890", "12345678909", "98765432100", "87654321007"])
def test_digits_in_a_row_are_no_cpf(digits: str) -> None:
    """Their check digits are right; whoever shares one would be taken for one person."""
    assert (cpf.is_valid(digits), usable_cpf(digits)) == (True, "")


@given(st.text(alphabet="0123456789.-/ xé\u0663"))
def test_what_comes_out_is_valid_and_stays_as_it_is(text: str) -> None:
    usable = usable_cpf(text)

    assert usable == "" or (cpf.is_valid(usable) and usable_cpf(usable) == usable)


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    assert usable_cpf(usable_cpf(text)) == usable_cpf(text)


@given(st.integers(1, 10**9 - 1))
def test_check_digits_are_those_of_the_library(nine: int) -> None:
    """Of the hundred endings of nine digits those of the library are right, and no other."""
    numbers = [f"{nine:09}{ending:02}" for ending in range(100)]

    assert list(filter(has_right_check_digits, numbers)) == list(filter(cpf.is_valid, numbers))
