"""Columns beside the agreed ones that keep somebody from being asked: death and age.

A safeguard that cannot be read is not harmless, since it could be the one that forbids. Nothing is
guessed: the patient of a value that is neither empty nor of the agreed form is not asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from track_dispatch.records import EXTRA_PREFIX, ColumnCounts, ValueKind

if TYPE_CHECKING:
    from track_dispatch.config import Hospital

    #: Tells of a clean text whether it forbids to ask; None where the text cannot be read.
    Forbids = Callable[[str], bool | None]

DEATH, AGE = "x_obito", "x_idade"

#: Without one of these, or of the query's own columns, nobody can tell whether a patient may be
#: asked. Any other value that cannot be read counts as an empty one.
_DECIDING = frozenset({"cd_atendimento", "name", "area_pesquisa"})

_DEATHS = {"": False, "N": False, "S": True}

#: Years; with a decimal point or comma, as ERPs write months: 17.92 and 17,9 are 17 years.
_AGE = re.compile(r"(?=[.,]?[0-9])(?P<years>[0-9]{0,3})(?:[.,][0-9]*)?")

#: Years that nobody has lived: a slip, or some code for "unknown".
_OLDEST = 130


def decides(columns: str) -> bool:
    """Tell whether one of a row's unreadable columns, with commas between, may forbid to ask."""
    return any(one in _DECIDING or one.startswith(EXTRA_PREFIX) for one in columns.split(","))


def is_death(text: str) -> bool | None:
    """Tell whether the patient died: S says so; N and an empty text do not."""
    return _DEATHS.get(text.upper())


def is_under_age(text: str, *, minimum: int) -> bool | None:
    """Tell whether the patient is younger than so many whole years; an empty age is not."""
    if not text:
        return False
    age = _AGE.fullmatch(text)
    if age is None or int(age["years"] or 0) > _OLDEST:
        return None
    return int(age["years"] or 0) < minimum


def safeguards_of(hospital: Hospital, columns: Mapping[str, Sequence[str]]) -> dict[str, Forbids]:
    """Return the safeguards that the query gives and the hospital heeds, by column."""
    heeded: dict[str, Forbids] = {DEATH: is_death}
    if hospital.min_age_years:
        heeded[AGE] = partial(is_under_age, minimum=hospital.min_age_years)
    return {column: forbids for column, forbids in heeded.items() if column in columns}


def read_column(texts: Sequence[str], forbids: Forbids) -> list[bool | None]:
    """Return what a safeguard says of each clean text; each distinct one is read once."""
    known = {text: forbids(text) for text in set(texts)}
    return [known[text] for text in texts]


def count_values(texts: Sequence[str], column: str, forbids: Forbids) -> ColumnCounts:
    """Count how many of a safeguard's clean texts are filled, and how many of them unreadable."""
    counts: ColumnCounts = Counter()
    for text, times in Counter(texts).items():
        if text:
            counts[column, ValueKind.FILLED] += times
            counts[column, ValueKind.UNREADABLE] += times if forbids(text) is None else 0
    return counts
