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
from typing import Any

from phonenumbers import PhoneMetadata

from track_dispatch.transformation.clean_text import clean

_BRAZIL = 55

#: Area code and nine digits of every mobile in force, straight from the library's metadata: asking
#: the library itself for a number's type costs ten times as much. A test compares the two.
_METADATA: Any = PhoneMetadata.metadata_for_region("BR")
_IN_FORCE = re.compile(_METADATA.mobile.national_number_pattern)

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

#: Mobile numbers from before the ninth digit; the radio ranges 70, 77, 78, 79 never got one.
_WITHOUT_NINTH_DIGIT = re.compile(r"(?:[689][0-9]|7[1-6])[0-9]{6}")

#: 999999999, 988888888, 990000000: typed to fill the field.
_FILLER = re.compile(r"[0-9]{2}([0-9])\1{6}")


def usable_mobile(text: str) -> str:
    """Return the first Brazilian mobile in the text as 13 digits, 55 first, or "".

    Landlines, radio numbers, numbers without area code and fillers are not usable. Foreign
    numbers are not either: the ERP's country code is typed by hand, and one slip ("5" for "55")
    makes a Brazilian number a valid Mexican one.
    """
    text = clean(text)
    if _LETTER_FOR_DIGIT.search(text):
        return ""
    for chunk in _BETWEEN_NUMBERS.split(text):
        for written in _numbers(chunk):
            mobile = _mobile(written)
            if mobile:
                return mobile
    return ""


def _numbers(chunk: str) -> list[re.Match[str]]:
    """Return the numbers that blanks may separate in a chunk, as they are written.

    They count only if each is a whole number: what is left over beside one makes it doubtful.
    """
    if whole := _written(chunk):
        return [whole]
    pieces = [_written(piece) for piece in _NEXT_NUMBER.split(chunk)]
    return [piece for piece in pieces if piece] if all(pieces) else []


def _written(piece: str) -> re.Match[str] | None:
    if "+" in piece and _FOREIGN.search(piece):
        return None
    return _WRITTEN.fullmatch(_NOT_DIGITS.sub("", piece))


def _mobile(written: re.Match[str]) -> str:
    area, number = written["area"], written["number"]
    if _WITHOUT_NINTH_DIGIT.fullmatch(number):
        number = f"9{number}"
    if len(number) != 9 or _FILLER.fullmatch(number):
        return ""
    return f"{_BRAZIL}{area}{number}" if _IN_FORCE.fullmatch(area + number) else ""
