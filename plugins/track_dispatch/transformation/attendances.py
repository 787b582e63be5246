"""Which attendance a row belongs to, under which area, and which of its rows stands for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from operator import itemgetter
from typing import TYPE_CHECKING

from track_dispatch.records import COLUMNS, UNREADABLE_COLUMN, Area
from track_dispatch.transformation.clean_text import clean
from track_dispatch.transformation.safeguards import DEATH, decides, is_death

if TYPE_CHECKING:
    from track_dispatch.records import ErpRow

#: The six labels, letter for letter.
AREA_BY_LABEL: Mapping[str, Area] = {area.value: area for area in Area}
_RANKS = {area.value: area.priority for area in Area}
_contents = itemgetter(*COLUMNS)


def rank(row: ErpRow) -> tuple[bool, int, int]:
    """Return what decides between the rows of one attendance (twins, two blocks): the least wins.

    A row that says that the patient died, or of which nobody can tell whether she may be asked,
    speaks for all of them. The last number is a digest of the columns: rows of one area are told
    apart by what they hold, never by the order in which the ERP happened to return them.
    """
    content = "\x1f".join(_contents(row))
    digest = hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    area = _RANKS.get(clean(row["area_pesquisa"]), len(Area))  # an unknown label comes last
    marks = row.get(UNREADABLE_COLUMN, "")
    may_be_asked = is_death(clean(row.get(DEATH, ""))) is False and not decides(marks)
    return may_be_asked, area, int.from_bytes(digest, "big")
