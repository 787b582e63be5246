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
#: What sets several identities apart, for certain and as a rule.
_BETWEEN_PARTS = re.compile(r"[;\t\r\n]+")
_BETWEEN_NUMBERS = re.compile(r"[,/|\\]+")
_BETWEEN_WORDS = re.compile(r"[\s,/|\\]+")
_DIGIT = re.compile(r"[0-9]")
#: Digits of which a number would have more: a house number, an extension.
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
    values: dict[str, None] = {}
    complete = True
    for part in filter(None, map(str.strip, _BETWEEN_PARTS.split(text))):
        whole = identity_values(part, kinds)
        pieces = [identity_values(piece, kinds) for piece in _pieces(part, whole)]
        complete = complete and bool(whole or pieces) and all(pieces)
        values |= dict.fromkeys(value for found in (whole, *pieces) for value in found)
    if not values:
        return TypedIdentities((), _not_usable(kinds))
    return TypedIdentities(tuple(values), None if complete else PARTLY_USED)


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


def _pieces(part: str, whole: Collection[str]) -> Iterator[str]:
    """Yield what in a part must be an identity of its own: addresses, and numbers."""
    yield from (word for word in _BETWEEN_WORDS.split(part) if "@" in word)
    if any(value.startswith("cpf:") for value in whole):
        return  # all the digits together are one: 529.982.247/25
    for piece in _BETWEEN_NUMBERS.split(part):
        if "@" not in piece and len(_DIGIT.findall(piece)) >= _FEW_DIGITS:
            yield piece


def _not_usable(kinds: Collection[str]) -> str:
    [*others] = kinds
    return _NOT_USABLE[others[0]] if len(others) == 1 else "no CPF, e-mail address or mobile number"
