from __future__ import annotations

import re

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transformation.one_row import usable_mobile
from track_dispatch.transformation.chunk import Chunk
from track_dispatch.transformation.contacts import possible_mobiles, usable_mobiles

GOOD = "5527998761234"


@pytest.mark.parametrize(
    "text",
    [
        "5527998761234",
        "27998761234",
        "+55 (27) 99876-1234",
        "55(27)99876.1234",
        "55 27 99876–1234",
        "55\u00a027 9\u200b9876 1234\n",
        "WhatsApp: 27 99876-1234",
        "27 99876-1234 (falar com a filha)",
        "27 99876-1234 ramal 12",
        "27 99876-1234ramal 12",
        "27.998761234",
        "55.27998761234",
        "2799876.1234",
        "27.99876.1234",
        "27 998.761.234",
        "27 9.9876-1234",
    ],
)
def test_a_mobile_is_read_however_it_is_punctuated(text: str) -> None:
    assert usable_mobile(text) == GOOD


@pytest.mark.parametrize(
    "text",
    [
        "555527998761234",  # the country code in the column and in the number
        "55+5527998761234",
        "5505527998761234",
        "005527998761234",
        "027998761234",
        "55027998761234",
        "0152 7998761234",  # carrier 15
        "01527998761234",
        "5501527998761234",
        "552727998761234",  # the area code in both columns
        "5502727998761234",
    ],
)
def test_what_stands_in_front_of_a_number_goes(text: str) -> None:
    assert usable_mobile(text) == GOOD


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("552798761234", "5527998761234"),
        ("2788761234", "5527988761234"),
        ("(27) 6876-1234", "5527968761234"),
        ("(27) 9876.1234", "5527998761234"),
        ("55552798761234", "5527998761234"),
        ("0152798761234", "5527998761234"),
        ("55272798761234", "5527998761234"),
    ],
)
def test_a_mobile_of_eight_digits_gets_its_ninth(text: str, expected: str) -> None:
    assert usable_mobile(text) == expected


@pytest.mark.parametrize("area", range(10, 100))
def test_no_number_gets_a_ninth_digit_that_the_library_knows_with_eight(area: int) -> None:
    """Landlines and radio numbers; what begins with 0 or 1 no subscriber ever had."""
    mobile = phonenumbers.PhoneNumberType.MOBILE
    for three in range(1000):
        national = f"{area}{three:03}76123"
        complete = phonenumbers.is_valid_number(phonenumbers.parse(f"+55{national}"))
        with_nine = phonenumbers.parse(f"+55{area}9{national[2:]}")
        gets_one = not complete and three >= 200 and phonenumbers.number_type(with_nine) == mobile

        assert usable_mobile(f"55{national}") == (f"55{area}9{national[2:]}" if gets_one else ""), (
            national
        )


@pytest.mark.parametrize("start", "2345")
def test_a_landline_cannot_take_whatsapp(start: str) -> None:
    assert usable_mobile(f"5527{start}3761234") == ""


@pytest.mark.parametrize(
    "text",
    [
        "998761234",
        "98761234",
        "55998761234",  # could be area code 55 as well: nobody can tell
        "5598761234",
        "055998761234",
        "+55 99876-1234",
    ],
)
def test_a_number_without_area_code_is_none(text: str) -> None:
    assert usable_mobile(text) == ""


def test_the_area_code_55_counts_where_the_country_code_is_there_too() -> None:
    assert usable_mobile("5555998761234") == "5555998761234"


@pytest.mark.parametrize("area", ["00", "10", "20", "23", "25", "29", "39", "52", "60", "72", "80"])
def test_an_area_code_that_does_not_exist_is_none(area: str) -> None:
    assert usable_mobile(f"55{area}998761234") == ""


@pytest.mark.parametrize(
    "text",
    [
        "55279987612345",  # a digit too many
        "5527 9987612345",
        "55279987612",
        "27998761234 0",
        "5527 798761234",
        "2799876123427988884321",  # two numbers glued
        "279876123427988884321",
        "27998761234.27988884321",
        "08007701234",
        "40041234",
        "190",
        "55",
        "NAO TEM",
        "٢٧٩٩٨٧٦١٢٣٤",
        "1e11",
        "-",
        "",
    ],
)
def test_what_is_no_mobile_is_none(text: str) -> None:
    assert usable_mobile(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "2.798765432E10",
        "552.798765432E10",
        "2.7998761234E+10",
        "2,7998761234e+10",
        "552,7998761234E10",
        "5527" + "9.98761234E8",
        "2.7998761234",
        "2,7998761234",
        "552.7998761234",
        "552,7998761234",
        "5527.0998761234",  # an area code written as a decimal number
        "2798765432.1",
        "2.7998761234 / 27 3333-4444",
        "279987612.34",
        "27998761234.5",
        "27998761234,5",
        "27998761.234",
        "5527998761234.0.0",
    ],
)
def test_a_decimal_number_is_no_phone(text: str) -> None:
    """Its digits are rounded, or its point is at another place than it seems."""
    assert usable_mobiles(text) == ()


@pytest.mark.parametrize(
    "text",
    ["27998761234.0", "5527998761234.0", "27998761234,0", "2798761234.0", "552798761234.00"],
)
def test_a_whole_number_may_end_in_a_decimal_zero(text: str) -> None:
    """A column of numbers with gaps is saved so: no digit is lost, and none is added."""
    assert usable_mobiles(text) == (GOOD,)


@pytest.mark.parametrize(
    "text",
    [
        "27 9876-123O",
        "27 99876-l234",
        "l1998761234",
        "2798761B234",
        "2799876123x",
        "552798761234x",
        "2799876123?",
        "2799876123*",
        "2799876123_",
        "2799876123#",
        "2799876123\ufffd",
        "2799876123" + chr(0xDCC9),
        "2799876123\u00bf",
        "2799876123\u0664",
        "2799876123\u00ba",
        "27998761234 / 27 9888-432O",
    ],
)
def test_what_may_stand_for_a_digit_makes_the_whole_text_doubtful(text: str) -> None:
    """Without it eight digits would be left that are a stranger's number."""
    assert usable_mobiles(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "27 99876-123",  # nine digits of which one is missing
        "27 9 9876-123",
        "27 998 761 23",
        "01 99876-1234",
        "5501998761234",  # area code 01 and nine digits, or 19 and eight
        "27 9876-1234 5",  # eight digits and one too many
        "27 9876-12345",
        "2799876123 4",
        "27 9876-1234-5",
    ],
)
def test_digits_that_can_be_read_in_two_ways_are_no_number(text: str) -> None:
    assert usable_mobiles(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "27999999999",
        "2799999999",
        "27987654321",
        "2787654321",
        "5527912345678",
        "5527998765432",
        "27 92345-6789",
        "5527988888888",
        "5527900000000",
        "5527990000000",
        "552790000000",
        "00000000000",
        "99999999999",
        "11111111111",
        "5500000000000",
    ],
)
def test_a_filler_is_none(text: str) -> None:
    assert usable_mobile(text) == ""


def test_a_number_that_ends_in_zeros_is_no_filler() -> None:
    assert usable_mobile("5527999990000") == "5527999990000"


@pytest.mark.parametrize(
    "text",
    [
        "+351 912 345 678",
        "351912345678",
        "+1 212 555 0123",
        "+51 987 654 321",  # without the plus it would be Porto Alegre
        "55+51987654321",
        "0054 9 11 2345-6789",
        "5215512345678",
    ],
)
def test_a_foreign_number_is_none(text: str) -> None:
    assert usable_mobile(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "5527998761234/27988884321",
        "5527998761234;27988884321",
        "27 99876-1234, 27 98888-4321",
        "27 99876-1234 ou 27 98888-4321",
        "27 99876-1234 e 27 98888-4321",
        "27998761234,27988884321",
        "27998761234.0 / 27988884321.0",
        "5527998761234 27988884321",
        "(27) 99876-1234 (27) 98888-4321",
        "552733334444 / (27) 99876-1234",  # the first is a landline
        "(27) 3333-4444 (27) 99876-1234",
        "27 99999-9999 / 27 99876-1234",
        "99888-7777 / 27 99876-1234",
        "27 9876-1234/5",
    ],
)
def test_of_several_numbers_the_first_usable_is_taken(text: str) -> None:
    assert usable_mobile(text) == GOOD


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5527998761234", [GOOD]),
        ("27 99876-1234 / 27 98888-4321", [GOOD, "5527988884321"]),
        ("(27) 98888-4321 (27) 99876-1234", ["5527988884321", GOOD]),
        ("27 3333-4444 ou 27 99876-1234; 27 9876-1234", [GOOD]),
        ("27 99876-1234 falar com 27 9888-4321O", []),
        ("", []),
    ],
)
def test_every_usable_number_is_told_once_in_the_order_of_the_text(
    text: str, expected: list[str]
) -> None:
    assert list(usable_mobiles(text)) == expected


@given(st.integers(10, 99), st.integers(0, 999_999_999), st.sampled_from(["", "55"]))
def test_a_number_without_signs_is_read_as_one_with_them(
    area: int, number: int, country: str
) -> None:
    digits = f"{country}{area}{number:09}"

    assert usable_mobiles(digits) == usable_mobiles(f"{digits[:-4]}-{digits[-4:]}")


@pytest.mark.parametrize("area", range(10, 100))
def test_the_library_decides_by_the_first_five_digits(area: int) -> None:
    """Otherwise what is remembered of one number would be wrong for another."""
    for three in range(900, 1000):
        known = {
            phonenumbers.number_type(
                phonenumbers.PhoneNumber(
                    country_code=55, national_number=int(f"{area}{three}{tail}")
                )
            )
            for tail in ("000001", "123456", "555555", "999990")
        }
        expected = (
            {phonenumbers.PhoneNumberType.MOBILE}
            if usable_mobile(f"55{area}{three}123456")
            else known - {phonenumbers.PhoneNumberType.MOBILE}
        )

        assert (len(known), known) == (1, expected)


@given(st.integers(10, 99), st.integers(0, 999_999_999))
def test_the_numbering_plan_is_the_librarys(area: int, number: int) -> None:
    """Every mobile of nine digits that the library knows is read, and no other."""
    national = f"{area}{number:09}"
    known = phonenumbers.number_type(phonenumbers.parse(f"+55{national}"))
    filler = re.fullmatch(r"\d{4}(\d)\1{6}", national)

    expected = f"55{national}" if known == phonenumbers.PhoneNumberType.MOBILE else ""

    assert filler or usable_mobile(f"55{national}") == expected


def test_every_area_code_of_the_library_is_known() -> None:
    areas = [
        area
        for area in range(10, 100)
        if phonenumbers.is_valid_number(phonenumbers.parse(f"+55{area}998761234"))
    ]

    assert [area for area in range(10, 100) if usable_mobile(f"55{area}998761234")] == areas
    assert len(areas) == 67


@given(st.text(alphabet="0123456789 5279()+-/.;ou"))
def test_what_comes_out_is_a_mobile_and_stays_as_it_is(text: str) -> None:
    mobile = usable_mobile(text)

    assert mobile == "" or (
        re.fullmatch(r"55[1-9][1-9]9[0-9]{8}", mobile) and usable_mobile(mobile) == mobile
    )


@given(st.text())
def test_no_text_is_too_strange_for_a_phone(text: str) -> None:
    assert usable_mobile(usable_mobile(text)) == usable_mobile(text)


@pytest.mark.parametrize(
    "words",
    [
        "(ERRADO)", "NUMERO ERRADO", "- engano", "inexistente", "NAO E MAIS DELA", "NÃO LIGAR",
        "não é dela", "TROCOU DE NUMERO", "mudou", "antigo", "não pertence ao paciente",
        "NAO ENVIAR MENSAGEM", "desatualizado",
    ],
)  # fmt: skip
def test_a_number_that_staff_say_is_not_to_be_used_is_none(words: str) -> None:
    """It is somebody else's now, or hers who wants to be left alone."""
    text = f"27 99876-1234 {words}"
    chunk = Chunk({"phone": [text], "email": [f"maria@example.com {words}"]})

    assert (chunk.phones, chunk.emails) == ([()], [()])
    assert possible_mobiles(text, ()) == usable_mobiles(text) == (GOOD,)  # who opts out is found


@pytest.mark.parametrize(
    "words", ["MAE", "não atende de manhã", "novo", "recado", "da filha", "oi"]
)
def test_other_words_beside_a_number_do_no_harm(words: str) -> None:
    chunk = Chunk({"phone": [f"27 99876-1234 {words}"], "email": ["maria.antiga@example.com oi"]})

    assert (chunk.phones, chunk.emails) == ([(GOOD,)], [("maria.antiga@example.com",)])


@pytest.mark.parametrize(
    "text", ["27/99876-1234", "27,998761234", "27*998761234", "27#998761234", "27 99876,1234"]
)
def test_a_number_cut_by_a_sign_is_written_to_by_nobody_and_barred_by_an_opt_out(text: str) -> None:
    assert usable_mobiles(text) == ()
    assert possible_mobiles(text, ()) == (GOOD,)
