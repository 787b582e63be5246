"""What a person types, or a spreadsheet holds, read as what a patient is recognised by.

Everything is read by the function that the transform reads the ERP's columns by. Nothing is left
out in silence: whatever looks like a CPF, an address or a number and gives none is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from track_dispatch.transformation.identities import identity_values

#: What an identity may be of.
KINDS = ("cpf", "email", "phone")
#: What a text should have held, by kind.
_NOT_USABLE = {
    "cpf": "no CPF: eleven digits, the last two of which check the others",
    "email": "no e-mail address that anybody could be reached at",
    "phone": "no mobile number with its area code",
}
LOST_DIGITS = (
    "a number that the spreadsheet shortened (as 2.8E+10): its digits are lost; format the column"
    " as text, fill it again and save again"
)
PARTLY_USED = "only a part of it could be used"

#: 2.79988E+10, 2,8e10: what a spreadsheet shows and saves of a long number.
_SHORTENED = re.compile(r"(?<![\w.@-])[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+(?![\w.@-])")
#: Eleven digits as a CPF has them, between blanks and separators.
_CPF = re.compile(r"(?<![^\s;,/|\\:])[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}[-/.]?[0-9]{2}(?![^\s;,/|\\])")
#: What sets texts apart that are read each by itself.
_BETWEEN_TEXTS = re.compile(r"[;\r\n]+")
#: What sets several identities apart: for certain, as a rule, and around addresses.
_BETWEEN_PARTS = re.compile(r"[;\t\r\n]+")
_BETWEEN_NUMBERS = re.compile(r"[,/|\\]+")
_BETWEEN_WORDS = re.compile(r"[\s;,/|\\]+")
_DIGIT = re.compile(r"[0-9]")
#: Digits of which a number has more: fewer are an extension, or a house.
_FEW_DIGITS = 8


class TypedIdentities(NamedTuple):
    """What a text holds: "cpf:...", "email:...", "phone:...", and what is wrong with the rest.

    `fault` is None where all of it could be used; it repeats nothing of the text.
    """

    values: tuple[str, ...]
    fault: str | None = None

    def __repr__(self) -> str:
        """Tell of no patient."""
        return f"TypedIdentities({len(self.values)} values, fault={self.fault!r})"


def read_identities(text: str, kinds: Collection[str] = KINDS) -> TypedIdentities:
    """Read all identities of these kinds out of a text.

    Args:
        text: one or several, with `;`, a comma, a slash, a bar or a line break between them.
        kinds: what it may hold.
    """
    if _SHORTENED.search(text):
        return TypedIdentities((), LOST_DIGITS)
    whole = identity_values(text, kinds)
    by_part = (one for part in _BETWEEN_TEXTS.split(text) for one in identity_values(part, kinds))
    values = tuple(dict.fromkeys((*whole, *by_part, *_several_cpfs(text, kinds))))
    if not values:
        return TypedIdentities((), _not_usable(kinds))
    complete = all(
        not {*identity_values(piece, kinds), *_several_cpfs(piece, kinds)}.isdisjoint(values)
        for piece in _pieces(text, is_one_cpf=any(one.startswith("cpf:") for one in whole))
    )
    return TypedIdentities(values, None if complete else PARTLY_USED)


def count_rows(columns: Mapping[str, Sequence[str]], *, values: Collection[str]) -> int:
    """Count the rows of an extraction that one of these values is found in.

    Args:
        columns: the ERP's texts, each column's of one length.
        values: "cpf:...", "email:...", "phone:...".
    """
    wanted = frozenset(values)
    rows = zip(*(columns[kind] for kind in KINDS), strict=True)
    return sum(
        any(
            not wanted.isdisjoint(identity_values(text, (kind,)))
            for kind, text in zip(KINDS, row, strict=True)
        )
        for row in rows
    )


def _several_cpfs(text: str, kinds: Collection[str]) -> list[str]:
    """Return each CPF of several; addresses and numbers are told apart where they are read."""
    if "cpf" not in kinds:
        return []
    return [value for found in _CPF.findall(text) for value in identity_values(found, ("cpf",))]


def _pieces(text: str, *, is_one_cpf: bool) -> Iterator[str]:
    """Yield what in a text must have given something: addresses, numbers, words that stand alone.

    They only tell what was left out: read by itself, the rest of an address that a blank has cut
    is a stranger's.

    Args:
        text: as it was typed.
        is_one_cpf: whether all of its digits together are one CPF.
    """
    yield from (word for word in _BETWEEN_WORDS.split(text) if "@" in word)
    if not is_one_cpf:
        yield from _CPF.findall(text)
    for part in filter(str.strip, _BETWEEN_PARTS.split(text)):
        pieces = [one for one in _BETWEEN_NUMBERS.split(part) if "@" not in one]
        numbers = [one for one in pieces if len(_DIGIT.findall(one)) >= _FEW_DIGITS]
        if not is_one_cpf:
            yield from numbers
        if "@" not in part and not (numbers or (is_one_cpf and _DIGIT.search(part))):
            yield part


def _not_usable(kinds: Collection[str]) -> str:
    [*others] = kinds
    return _NOT_USABLE[others[0]] if len(others) == 1 else "no CPF, e-mail address or mobile number"
