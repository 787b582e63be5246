"""Brazilian mobile numbers out of the ERP's phone column, as Track takes them: 5527999990000.

The rule behind every decision here: no number is better than a stranger's. What can be read in
two ways is not read at all.

Source: ANATEL, numbering plan (gov.br/anatel, "Plano de numeração brasileiro", "Nono dígito"):
area code of two digits, landlines of eight digits from 2 to 5, mobiles of nine digits from 9.
Resolution 553/2010 put the 9 before every mobile number of eight digits (done everywhere in
November 2016); the radio service (SME, "trunking") kept eight. Area codes and ranges are those of
libphonenumber's metadata: all that begins with 7 and has eight digits is complete there.
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

#: What touches a digit and may stand for one: a letter alone ("O", "l", the "E" of an exponent) or
#: a sign that nobody puts between numbers ("?", "*", "_", U+FFFD). Cut off there, what is left
#: could be somebody else's number.
_LETTER = r"[^\W\d_]"
_SIGN = r"(?:[^\W0-9]|[^\w\s().+\-\u2010-\u2015/;:,|\\<>\[\]{}\"'])"
_FOR_A_DIGIT = re.compile(
    rf"[0-9-]{_LETTER}(?!{_LETTER})|(?<!{_LETTER}){_LETTER}(?=[0-9])"
    rf"|[0-9](?!{_LETTER}){_SIGN}|(?!{_LETTER}){_SIGN}(?=[0-9])"
)

#: A whole number that was saved as one with decimals: no digit is lost, and none is added.
_DECIMAL_ZERO = re.compile(r"([0-9]{10,})[.,]00?")

#: Any other decimal number. A point that divides a number into groups stands behind the country or
#: area code or before the last four digits; a comma that divides two numbers, between whole ones.
_DECIMAL = re.compile(
    r"(?!0?(?:[1-9][0-9]){1,2}\.[0-9]{8,11}$|[0-9]+\.[0-9]{4}$)[0-9]+\.[0-9]+"
    r"|(?![0-9]{10,},[0-9]{10})[0-9]+,[0-9]+"
)

_NOT_DIGITS = re.compile(r"[^0-9]+")

#: A plus sign before any country but Brazil.
_FOREIGN = re.compile(r"\+[^0-9]*0*(?!55)[1-9]")

#: How a number with area code is written, with what gets in front of it: zeros, a country code
#: (even twice), 0 and the carrier (015), the area code twice. The lookaheads refuse 55 and eight
#: or nine digits: a country code without area code, or area code 55, nobody can tell; and 0199 with
#: seven digits, which are area code 19 and eight digits, or 01 and nine.
_WRITTEN = re.compile(
    r"(?!0*55[0-9]{8,9}$)(?![0-9]*0[1-9]9[0-9]{8}$)"
    r"0*(?:55)?(?:0*55)?(?:0+[1-9][0-9])?0*(?:([1-9][0-9])(?=\1))?"
    r"(?P<area>[1-9][0-9])(?P<number>[0-9]{8,9})"
)

#: Into which groups signs may divide a number of eight and of nine digits, told by its end. Eight
#: digits stand four and four behind a whole area code: anything else may be nine of which one is
#: missing. Nine do not begin with a group of four nor end in a single digit: that may be eight and
#: one too many.
_GROUPED = {
    8: re.compile(r"[0-9]{2}[^0-9]*[0-9]{4}[^0-9]*[0-9]{4}[^0-9]*\Z"),
    9: re.compile(r"[0-9](?![0-9]{3}[^0-9])(?:[^0-9]*[0-9]){7}[0-9][^0-9]*\Z"),
}

#: A mobile of nine digits with its area code and nothing around it but the country code: it can be
#: read in one way only.
_PLAIN = re.compile(r"(?:55|(?!55))(?P<area>[1-9][0-9])(?P<number>9[0-9]{8})")

#: All that start with an area code and two digits.
_REMEMBERED_RANGES = 9_000

#: 999999999, 988888888, 990000000, 912345678, 987654321: typed to fill the field.
_FILLER = re.compile(
    r"[0-9]{2}([0-9])\1{6}"
    r"|[0-9](?:01234567|12345678|23456789|98765432|87654321|76543210)"
)


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
    if not text or _FOR_A_DIGIT.search(text) or _is_decimal(text):
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
    if whole := _DECIMAL_ZERO.fullmatch(piece.strip()):
        piece = whole[1]
    if _DECIMAL.fullmatch(piece.strip()) or ("+" in piece and _FOREIGN.search(piece)):
        return None
    written = _WRITTEN.fullmatch(_NOT_DIGITS.sub("", piece))
    return written if written and _GROUPED[len(written["number"])].search(piece) else None


def _is_decimal(text: str) -> bool:
    return bool(_DECIMAL.fullmatch(text)) and not _DECIMAL_ZERO.fullmatch(text)


def _mobile(area: str, number: str) -> str:
    if len(number) == 8 and _lacks_ninth_digit(f"{area}{number[:2]}"):
        number = f"9{number}"
    if len(number) != 9 or _FILLER.fullmatch(number):
        return ""
    return f"{_BRAZIL}{area}{number}" if _is_mobile_range(f"{area}{number[:2]}") else ""


def _lacks_ninth_digit(start: str) -> bool:
    """Tell whether numbers of ten digits that start with these four were mobiles once.

    Landlines and radio numbers are complete with eight digits behind the area code; a number that
    began with 0 or 1 nobody ever had.
    """
    return start[2] not in "01" and _type(start, 6) == PhoneNumberType.UNKNOWN


def _is_mobile_range(start: str) -> bool:
    """Tell whether numbers of eleven digits that start with these four are mobiles."""
    return _type(start, 7) == PhoneNumberType.MOBILE


@lru_cache(maxsize=2 * _REMEMBERED_RANGES)
def _type(start: str, zeros: int) -> int:
    """Return what numbers are that start so, area code first, and have so many digits more.

    The library decides by no more than these: a test holds this against it.
    """
    national = PhoneNumber(country_code=_BRAZIL, national_number=int(f"{start}{'0' * zeros}"))
    return int(number_type(national))
