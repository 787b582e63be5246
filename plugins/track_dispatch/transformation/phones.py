"""Brazilian mobile numbers out of the ERP's phone column, as Track takes them: 5527999990000.

The rule behind every decision here: no number is better than a stranger's. What can be read in
two ways is not read at all.

Source: ANATEL, numbering plan (gov.br/anatel, "Plano de numeração brasileiro", "Nono dígito"):
area code of two digits, landlines of eight digits from 2 to 5, mobiles of nine digits from 9.
Resolution 553/2010 put the 9 before every mobile number of eight digits (done everywhere in
November 2016); the radio service (SME, "trunking") in the ranges 70, 77, 78 and 79 kept eight.
Area codes and ranges in force are those of libphonenumber's metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from phonenumbers import PhoneNumber, PhoneNumberType, number_type

from track_dispatch.transformation.clean_text import clean

_BRAZIL = 55

#: Whatever is no digit, blank or punctuation of a number ends it: "/", ";", "ou", "ramal".
_BETWEEN_NUMBERS = re.compile(r"[^0-9\s().+\-\u2010-\u2015]+")

#: A blank before something that starts a number of its own.
_NEXT_NUMBER = re.compile(r"\s+(?=[(+]|[0-9]{10})")

#: The letters O and l for 0 and 1: cut off there, what is left could be somebody else's number.
_LETTER_FOR_DIGIT = re.compile(r"[0-9-][OolI](?![^\W\d_])")

_NOT_DIGITS = re.compile(r"[^0-9]+")

#: A plus sign before any country but Brazil.
_FOREIGN = re.compile(r"\+[^0-9]*0*(?!55)[1-9]")

#: How a number with area code is written, with what gets in front of it: zeros, a country code
#: (even twice), 0 and the carrier (015), the area code twice. The lookahead refuses 55 and eight
#: or nine digits: a country code without area code, or area code 55, nobody can tell.
_WRITTEN = re.compile(
    r"(?!0*55[0-9]{8,9}$)"
    r"0*(?:55)?(?:0*55)?(?:0+[1-9][0-9])?0*(?:([1-9][0-9])(?=\1))?"
    r"(?P<area>[1-9][0-9])(?P<number>[0-9]{8,9})"
)

#: A mobile of nine digits with its area code and nothing around it but the country code: it can be
#: read in one way only.
_PLAIN = re.compile(r"(?:55|(?!55))(?P<area>[1-9][0-9])(?P<number>9[0-9]{8})")

#: Mobile numbers from before the ninth digit; the radio ranges 70, 77, 78, 79 never got one.
_WITHOUT_NINTH_DIGIT = re.compile(r"(?:[689][0-9]|7[1-6])[0-9]{6}")

#: All that start with an area code and a 9.
_REMEMBERED_RANGES = 9_000

#: 999999999, 988888888, 990000000: typed to fill the field.
_FILLER = re.compile(r"[0-9]{2}([0-9])\1{6}")


def usable_mobiles(text: str) -> tuple[str, ...]:
    """Return every usable Brazilian mobile in the text as 13 digits, 55 first, each once, in order.

    Landlines, radio numbers, numbers without area code and fillers are not usable. Foreign
    numbers are not either: the ERP's country code is typed by hand, and one slip ("5" for "55")
    makes a Brazilian number a valid Mexican one.
    """
    if plain := _PLAIN.fullmatch(text.strip()):
        mobile = _mobile(plain["area"], plain["number"])
        return (mobile,) if mobile else ()
    text = clean(text)
    if not text or _LETTER_FOR_DIGIT.search(text):
        return ()
    return tuple(dict.fromkeys(filter(None, _read(text))))


def _read(text: str) -> Iterator[str]:
    """Yield for each number that is written in the text the mobile that it is, or ""."""
    for chunk in _BETWEEN_NUMBERS.split(text):
        for piece in _pieces(chunk):
            if written := _written(piece):
                yield _mobile(written["area"], written["number"])


def _pieces(chunk: str) -> list[str]:
    """Return the numbers that blanks may separate in a chunk.

    They count only if each is a whole number: what is left over beside one makes it doubtful.
    """
    if _written(chunk):
        return [chunk]
    pieces = _NEXT_NUMBER.split(chunk)
    return pieces if all(_written(piece) for piece in pieces) else []


def _written(piece: str) -> re.Match[str] | None:
    if "+" in piece and _FOREIGN.search(piece):
        return None
    return _WRITTEN.fullmatch(_NOT_DIGITS.sub("", piece))


def _mobile(area: str, number: str) -> str:
    if len(number) == 8 and _WITHOUT_NINTH_DIGIT.fullmatch(number):
        number = f"9{number}"
    if len(number) != 9 or _FILLER.fullmatch(number):
        return ""
    return f"{_BRAZIL}{area}{number}" if _is_mobile_range(area + number[:3]) else ""


@lru_cache(maxsize=_REMEMBERED_RANGES)
def _is_mobile_range(start: str) -> bool:
    """Tell whether numbers of eleven digits that start with these five are mobiles.

    The library decides by no more than these: a test holds this against it.
    """
    national = PhoneNumber(country_code=_BRAZIL, national_number=int(f"{start}000000"))
    return bool(number_type(national) == PhoneNumberType.MOBILE)
