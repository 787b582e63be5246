"""Column and bind values: Oracle's bytes for numbers, texts and dates.

Encoders write the value with its length byte, as a row holds it; NULL is a single zero byte.

Source: read off python-oracledb 26.1 in thin mode.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from stand_ins.oracle.wire import MAX_SHORT, lv

# Oracle's numbers of the types
VARCHAR, NUMBER, LONG, DATE, CHAR, TIMESTAMP = 1, 2, 8, 12, 96, 180

NCHAR_FORM = 2
NULL = b"\x00"

# packed decimal (0x42 for 42) to NUMBER's base-100 digits: plus one, or 101 minus when negative
_POSITIVE = bytes(min(b // 16 * 10 + b % 16 + 1, 255) for b in range(256))
_NEGATIVE = bytes(max(101 - (b // 16 * 10 + b % 16), 0) for b in range(256))


def number_bytes(value: float | Decimal) -> bytes:
    """Write a NUMBER: an exponent byte, then up to 20 base-100 digits (inverted when negative).

    Raises:
        OverflowError: The value has no NUMBER form (infinity, not a number) or is out of range.
    """
    # repr() is the shortest text of a float, which is also what Oracle would show
    text = repr(value) if value.__class__ is float else str(value)
    if not text.lstrip("-")[0].isdigit():
        raise OverflowError("not a number")
    if "e" in text or "E" in text:
        text = format(Decimal(text), "f")
    whole, _, fraction = text.lstrip("-").partition(".")
    whole = "0" + whole if len(whole) & 1 else whole
    packed = bytes.fromhex(whole + fraction + "0" * (len(fraction) & 1))
    mantissa = packed.lstrip(b"\x00")
    exponent = 192 + len(whole) // 2 - (len(packed) - len(mantissa))
    mantissa = mantissa.rstrip(b"\x00")[:20]
    if not mantissa:
        return b"\x80"
    if not 128 <= exponent <= 255:
        raise OverflowError("out of the range of NUMBER")
    if text[0] != "-":
        return bytes((exponent,)) + mantissa.translate(_POSITIVE)
    tail = b"\x66" if len(mantissa) < 20 else b""
    return bytes((255 - exponent,)) + mantissa.translate(_NEGATIVE) + tail


def number_value(data: bytes) -> int | Decimal:
    """Read a NUMBER: an int when it is whole, else a Decimal."""
    positive = bool(data[0] & 0x80)
    if len(data) == 1:
        return 0
    exponent = (data[0] if positive else 255 - data[0]) - 193
    mantissa = data[1:] if positive else data[1:].rstrip(b"\x66")
    digits = "".join(f"{(d - 1 if positive else 101 - d):02d}" for d in mantissa)
    scale = 2 * (exponent + 1) - len(digits)
    text = ("" if positive else "-") + digits
    if scale >= 0:
        return int(text + "0" * scale)
    value = Decimal(f"{text}E{scale}")
    return int(value) if value == value.to_integral_value() else value


def encode_number(value: Any) -> bytes:
    """Encode a NUMBER; a boolean is 1 or 0."""
    if value is None:
        return NULL
    data = number_bytes(int(value) if value.__class__ is bool else value)
    return bytes((len(data),)) + data


def encode_text(value: Any) -> bytes:
    """Encode a VARCHAR2; the empty text and NULL look alike, as in Oracle."""
    if value is None:
        return NULL
    data = value.encode() if value.__class__ is str else str(value).encode()
    return bytes((len(data),)) + data if len(data) <= MAX_SHORT else lv(data)


def encode_date(value: dt.date | None) -> bytes:
    """Encode a DATE: seven bytes, to the second."""
    return NULL if value is None else b"\x07" + _date_bytes(value)


def encode_timestamp(value: dt.datetime | None) -> bytes:
    """Encode a TIMESTAMP: a DATE and four bytes of nanoseconds, left out when they are zero."""
    if value is None:
        return NULL
    if not value.microsecond:
        return b"\x07" + _date_bytes(value)
    return b"\x0b" + _date_bytes(value) + (value.microsecond * 1000).to_bytes(4, "big")


def encode_nothing(_: Any) -> bytes:
    """Encode a value of a column described with size zero (`select null`): no byte at all."""
    return b""


def _date_bytes(value: dt.date) -> bytes:
    """Century and year in excess of 100, month, day, then the time in excess of 1."""
    if isinstance(value, dt.datetime):
        clock = (value.hour + 1, value.minute + 1, value.second + 1)
    else:
        clock = (1, 1, 1)
    return bytes((value.year // 100 + 100, value.year % 100 + 100, value.month, value.day, *clock))


def _datetime_value(data: bytes) -> dt.datetime:
    year = (data[0] - 100) * 100 + data[1] - 100
    micros = int.from_bytes(data[7:11], "big") // 1000
    clock = (data[4] - 1, data[5] - 1, data[6] - 1, micros)
    return dt.datetime(year, data[2], data[3], *clock)  # noqa: DTZ001 - the type has no zone


_DECODERS: dict[int, Callable[[bytes], Any]] = {
    **dict.fromkeys((VARCHAR, CHAR, LONG), bytes.decode),
    NUMBER: number_value,
    **dict.fromkeys((DATE, TIMESTAMP), _datetime_value),
}


def bind_decoder(type_number: int, charset_form: int) -> Callable[[bytes], Any]:
    """Find what turns a bind's bytes into a Python value.

    Raises:
        NotImplementedError: The stand-in knows no such bind (LOBs, RAW, booleans, intervals...).
    """
    if type_number not in _DECODERS:
        raise NotImplementedError(f"bind type {type_number}")
    if charset_form == NCHAR_FORM:
        return lambda data: data.decode("utf-16-be")
    return _DECODERS[type_number]
