"""CPF, the number by which Brazil knows a person: eleven digits, the last two of them checks."""

from __future__ import annotations

import re
from operator import mul

_LENGTH = 11

#: Shorter digits are not completed: a hundredth of all numbers passes the check digits by chance,
#: and hardly any CPF starts with more than three zeros.
_SHORTEST = 8

_NOT_DIGITS = re.compile(r"[^0-9]+")


def usable_cpf(text: str) -> str:
    """Return the CPF's eleven digits, or "" if the text holds no valid one.

    A numeric column in the ERP loses leading zeros: they are restored. Eleven equal digits
    are a filler, although their check digits are right.

    Source: Receita Federal's check digits; python-stdnum computes the same, a test compares.
    """
    digits = _NOT_DIGITS.sub("", text)
    if not _SHORTEST <= len(digits) <= _LENGTH:
        return ""
    digits = digits.zfill(_LENGTH)
    if digits == digits[0] * _LENGTH:
        return ""
    return digits if _checks(digits) else ""


def _checks(digits: str) -> bool:
    """Tell whether the last two of eleven digits are those that the others ask for."""
    numbers = [int(digit) for digit in digits]
    first = sum(map(mul, numbers, range(10, 1, -1))) * 10 % 11 % 10
    second = sum(map(mul, numbers, range(11, 1, -1))) * 10 % 11 % 10
    return numbers[9:] == [first, second]
