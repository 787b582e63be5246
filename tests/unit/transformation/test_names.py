from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from track_dispatch.transformation.names import clean, plain_name, read_names


def tidy_name(text: str) -> str:
    """Tidy one name as it comes from an ERP."""
    [tidy], _ = read_names([clean(text)])
    return tidy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MARIA DA SILVA", "Maria da Silva"),
        ("  joão   DOS santos e SOUZA ", "João dos Santos e Souza"),
        ("ANA DE OLIVEIRA DAS NEVES DO CARMO", "Ana de Oliveira das Neves do Carmo"),
        ("DA SILVA, JOSE", "Da Silva, Jose"),
        ("MARIA E. SOUZA", "Maria E. Souza"),
        ("JOSÉ D'ÁVILA SANT’ANNA", "José D'Ávila Sant’Anna"),
        ("ANA-MARIA M.SOUZA", "Ana-Maria M.Souza"),
        ("CARLOS PEREIRA III", "Carlos Pereira III"),
        ("ÂNGELA CONCEIÇÃO ÑUÑEZ", "Ângela Conceição Ñuñez"),
        ("MARIA\tJOSE\r\nLIMA\x00", "Maria Jose Lima"),
        ("JOSE\u0301 LIMA", "José Lima"),
        ("RN MARIA LIMA", "Rn Maria Lima"),
        (" ", ""),
        ("", ""),
    ],
)
def test_a_name_is_written_as_in_a_letter(text: str, expected: str) -> None:
    assert tidy_name(text) == expected


@given(st.text())
def test_a_tidy_name_stays_as_it_is(text: str) -> None:
    assert tidy_name(tidy_name(text)) == tidy_name(text)


@given(st.text())
def test_a_tidy_name_is_one_line_with_single_blanks(text: str) -> None:
    name = tidy_name(text)

    assert name == " ".join(name.split())


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Maria da Conceição", "maria da conceicao"),
        ("MARIA  D'ÁVILA-LIMA ", "maria d avila lima"),
        ("--", ""),
    ],
)
def test_names_meet_without_case_accents_and_signs(name: str, plain: str) -> None:
    assert plain_name(name) == plain


@given(st.text(alphabet=" AÇaçsßΣςŉǆﬁ1١１'’.-_\u0301\u0327\u0345\u00a8") | st.text())
def test_a_name_read_word_by_word_is_compared_as_the_whole(text: str) -> None:
    assert read_names([clean(text)]) == ([tidy_name(text)], [plain_name(tidy_name(text))])


def test_a_process_remembers_few_of_the_words_that_it_has_read() -> None:
    """They are patients' words, and a worker lives for months."""
    tracemalloc.start()
    try:
        for start in range(0, 50_000, 1_000):
            read_names([f"ana souza{number:x}z" for number in range(start, start + 1_000)])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 8 * 2**20
