from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from track_dispatch.transformation.clean_text import clean, clean_column


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  UTI ADULTO ", "UTI ADULTO"),
        ("UTI\tADULTO\n", "UTI ADULTO"),
        ("UTI\u00a0ADULTO", "UTI ADULTO"),
        ("UTI  ADULTO", "UTI  ADULTO"),
        ("JO\x00SE\x1f", "JOSE"),
        ("\ufeffJOS\u200bE\u00ad", "JOSE"),
        ("JOSE\u0301", "JOSÉ"),
        ("JOS\udcc9", "JOS\ufffd"),
        ("\x00 \u200b", ""),
        ("", ""),
    ],
)
def test_text_loses_what_cannot_be_printed_and_nothing_else(text: str, expected: str) -> None:
    assert clean(text) == expected


@given(st.text())
def test_any_text_can_be_sent_as_utf8_once_it_is_clean(text: str) -> None:
    assert clean(text).encode("utf-8").decode("utf-8") == clean(text)


@given(st.text())
def test_clean_text_stays_as_it_is(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.lists(st.text(alphabet="A b\t\n\x00") | st.text()))
def test_a_column_becomes_what_each_of_its_texts_becomes(texts: list[str]) -> None:
    assert clean_column(texts) == [clean(text) for text in texts]
