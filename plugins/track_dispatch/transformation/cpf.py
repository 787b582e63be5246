"""CPF, the number by which Brazil knows a person: eleven digits, the last two of them checks."""

from __future__ import annotations

import re

from stdnum.br import cpf

_LENGTH = 11

#: Shorter digits are not completed: a hundredth of all numbers passes the check digits by chance,
#: and hardly any CPF starts with more than three zeros.
_SHORTEST = 8

_NOT_DIGITS = re.compile(r"[^0-9]+")


def usable_cpf(text: str) -> str:
    """Return the CPF's eleven digits, or "" if the text holds no valid one.

    A numeric column in the ERP loses leading zeros: they are restored. Eleven equal digits
    are a filler, although their check digits are right.

    Source: Receita Federal's check digits as python-stdnum computes them.
    """
    digits = _NOT_DIGITS.sub("", text)
    if not _SHORTEST <= len(digits) <= _LENGTH:
        return ""
    digits = digits.zfill(_LENGTH)
    if digits == digits[0] * _LENGTH:
        return ""
    return digits if cpf.is_valid(digits) else ""
