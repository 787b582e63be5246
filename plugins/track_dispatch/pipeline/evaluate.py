"""A day's rows evaluated chunk by chunk: one candidate for each attendance.

The attendance ids are read first, so that the rest is read once: what shares its id with another
row is put aside and evaluated at the end. Memory holds a number for each row, never the day.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import orjson

from track_dispatch.records import UNREADABLE_COLUMN
from track_dispatch.transformation.attendances import rank
from track_dispatch.transformation.clean_text import clean_column

if TYPE_CHECKING:
    from track_dispatch.records import Channel, ColumnCounts
    from track_dispatch.transformation.evaluator import Candidate, Evaluator

    #: Rows as columns: name to texts, all of one length.
    Columns = Mapping[str, Sequence[str]]

_ID = "cd_atendimento"
#: Rows that were put aside and are evaluated together.
_CHUNK = 2000


class EvaluatedChunk(NamedTuple):
    """Some attendances of a day, evaluated, and how to evaluate them again."""

    candidates: list[Candidate]
    columns: Columns
    evaluator: Evaluator

    def again(self, barred: Mapping[int, Collection[Channel]]) -> Mapping[int, Candidate]:
        """Evaluate rows again, by position, of patients who opted out of these channels."""
        return self.evaluator.evaluate_barred(self.columns, barred)


class DayEvaluation:
    """One day under evaluation.

    Attributes:
        rows: how many rows the day has.
        attendances: how many attendances they are; known when all chunks were evaluated.
        column_counts: what was counted of their values; known then, too.

    Args:
        evaluator: the rules.
        ids: the attendance ids of all rows, chunk by chunk.
    """

    def __init__(self, evaluator: Evaluator, ids: Iterable[Sequence[str]]) -> None:
        self._evaluator = evaluator
        hashed = array("q")
        for chunk in ids:
            hashed.extend(map(hash, clean_column(chunk)))
        self.rows, self.attendances = len(hashed), 0
        self.column_counts: ColumnCounts = Counter()
        self._several = frozenset(one for one, other in pairwise(sorted(hashed)) if one == other)
        #: What stands for each attendance of several rows: its rank, and its row as JSON.
        self._aside: dict[str, tuple[tuple[bool, int, int], bytes]] = {}

    def chunks(self, columns: Iterable[Columns]) -> Iterator[EvaluatedChunk]:
        """Read all rows, in the order of the ids, and yield them evaluated."""
        names: list[str] = []
        for read in columns:
            # in the first place of every chunk, whether or not it has unreadable values
            chunk = {UNREADABLE_COLUMN: [""] * len(read[_ID]), **read}
            names = list(chunk)
            alone = self._put_aside(chunk) if self._several else chunk
            if alone[_ID]:
                yield self._evaluated(alone)
        rows = [row for _, row in self._aside.values()]
        for start in range(0, len(rows), _CHUNK):
            values = zip(*map(orjson.loads, rows[start : start + _CHUNK]), strict=True)
            yield self._evaluated(dict(zip(names, map(list, values), strict=True)))

    def _put_aside(self, chunk: Columns) -> Columns:
        """Return the rows that are alone with their attendance; the others are put aside."""
        ids = clean_column(chunk[_ID])
        alone = []
        for position, one in enumerate(ids):
            if hash(one) not in self._several:
                alone.append(position)
                continue
            row = {name: column[position] for name, column in chunk.items()}
            found = rank(row), orjson.dumps(list(row.values()))
            self._aside[one] = min(found, self._aside.get(one, found))
        if len(alone) == len(ids):
            return chunk
        return {name: [column[position] for position in alone] for name, column in chunk.items()}

    def _evaluated(self, columns: Columns) -> EvaluatedChunk:
        candidates = self._evaluator.evaluate(columns)
        self.attendances += len(candidates)
        self.column_counts.update(self._evaluator.count_values(columns))
        return EvaluatedChunk(candidates, columns, self._evaluator)
