from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from track_dispatch.transformation.names import clean, clean_column, count_damaged


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


NAMES = (
    *(
        "João",
        "CONCEIÇÃO",
        "Ângela",
        "ÁLVARES",
        "ÍTALO",
        "JOSÉ",
        "ÉRICA",
        "ANTÔNIO",
        "AVÓ",
        "SÔNIA",
    ),
    *("À", "GRAÚNA", "Úrsula", "PÕE", "Júlia", "MÜLLER", "Zoë", "Muñoz", "1º ANDAR", "2ª UTI"),
    *("ANDRÉ D’ÁVILA", "ATENÇÃO À MÃE", "CONCEIÇÃO GONÇALVES ARAÚJO", "lá e cá"),
)
#: Bytes that Windows-1252 has nothing for: servers leave control characters in their place.
UNDEFINED = (0x81, 0x8D, 0x8F, 0x90, 0x9D)


def misread(text: str, encoding: str) -> str:
    """Return the text as it looks when its UTF-8 is read in another encoding."""
    return "".join(
        chr(byte) if byte in UNDEFINED else bytes([byte]).decode(encoding) for byte in text.encode()
    )


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
@pytest.mark.parametrize("name", NAMES)
def test_a_text_that_was_certainly_read_in_a_wrong_encoding_is_mended(
    name: str, encoding: str
) -> None:
    once = misread(name, encoding)

    assert clean(once) == name
    assert clean(f"{once} da Conceição") == f"{name} da Conceição"
    assert clean_column(["ANA", once]) == ["ANA", name]


@pytest.mark.parametrize(
    "text",
    [
        *NAMES,
        *("SÃO JOÃO", "ÂNGELA", "IRMÃ", "Ã", "Â", "Nº", "D’ÁVILA", "ÇELİK", "ΣΑΣ", "JOÃO•"),
        *("MANHÃ—NOITE", "MANHÃ–TARDE", "“AMANHÔ", "AMANHÃ…", "IRMÃ’S", "MANHÃ®", "SCHRÃ–DER"),
        *("ANDRÉ’S", "JOSÉ–MARIA", "JOSÉ”", "VOVÓ“ANA”", "JOSɺ", "NÃO®", "MÃE©"),
        *("JO¿O", "JO?O", "JO\ufffdO", "Ä°LKER"),
    ],
)
def test_a_text_that_may_be_meant_so_stays(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize("mark", "ªº°’‘“”–—…•®©™«»´§·")
@pytest.mark.parametrize("letter", "ÁÀÂÃÇÉÊÍÓÔÕÚÜáàâãçéêíóôõúü")
def test_no_mark_behind_a_whole_word_becomes_a_letter(letter: str, mark: str) -> None:
    """But for Â and Ã with what nobody puts behind them: these are the misread ones."""
    text = f"MANH{letter}{mark}"

    assert clean(text) == text or (letter in "ÂÃ" and mark in "ªº°‘“«´§©·™•"), clean(text)


def test_a_blank_behind_a_word_stays_a_blank() -> None:
    assert clean("AMANHÃ\u00a0DE") == "AMANHÃ DE"
    assert clean("Â\u00a0NGELA") == "Â NGELA"
    assert clean("MARIAÂ\u00a0SILVA") == "MARIA SILVA"  # no word ends so: it was misread


@pytest.mark.parametrize(
    ("texts", "damaged"),
    [
        (["JO\ufffdO", "JO¿O", "JO?O", "MANHÃ–TARDE", "SCHRÃ–DER"], 5),
        (["JO\udcc3O", "ANA"], 1),
        (["JoÃ£o", "João", "CONCEIÇÃO", "IRMÃ", "EXAMES?", "?", "", "¡"], 0),
        ([], 0),
    ],
)
def test_texts_that_lost_letters_are_counted(texts: list[str], damaged: int) -> None:
    assert count_damaged(texts) == damaged


@given(st.text())
def test_any_text_can_be_sent_as_utf8_once_it_is_clean(text: str) -> None:
    assert clean(text).encode("utf-8").decode("utf-8") == clean(text)


@given(st.text())
def test_clean_text_stays_as_it_is(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(alphabet="AÃÂâ£©§\u200b\u00a0\u0083\u0301 \u2019"))
def test_a_mended_text_stays_as_it_is(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    assert clean_column([text, "É"]) == [clean(text), "É"]


@given(st.lists(st.text(alphabet="A b\t\n\x00") | st.text()))
def test_a_column_becomes_what_each_of_its_texts_becomes(texts: list[str]) -> None:
    assert clean_column(texts) == [clean(text) for text in texts]


@pytest.mark.parametrize(
    "text", ["Concei‡Æo", "JoÆo", "Jos‚", "Am‚lia", "Ant¢nio", "Ant&ocirc;nio", "D&#39;Avila"]
)
def test_letters_of_another_code_page_or_of_a_web_page_are_counted_and_left(text: str) -> None:
    assert (count_damaged([text]), clean(text)) == (1, text)


@pytest.mark.parametrize("text", ["D’Ávila", "R$ 5 €", "João & Maria", "Ala 3 & 4; UTI", "‡"])
def test_signs_that_stand_for_themselves_are_no_damage(text: str) -> None:
    assert count_damaged([text]) == 0
