"""The task `transform`: a line or an exclusion for each attendance of the days that the run read.

A day's rows are evaluated chunk by chunk. The attendance ids are read first, so that the other
columns are read only once: rows that share an id are put aside and evaluated at the end. Memory
holds a number for each row, never the whole day.
"""

from __future__ import annotations

import logging
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import orjson

from track_dispatch.config import rules_digest
from track_dispatch.errors import ConfigError
from track_dispatch.ledger.apply_extraction import ExtractionApply, SharedLine, applying_extractions
from track_dispatch.ledger.database import Ledger
from track_dispatch.ledger.day_apply import DayTerms
from track_dispatch.ledger.extractions import (
    Columns,
    Extraction,
    run_extractions,
    staged_columns,
    staged_ids,
)
from track_dispatch.ledger.views import day_counts
from track_dispatch.pipeline import Run
from track_dispatch.pipeline.problems import day_text, lines_text
from track_dispatch.process import paused_collector
from track_dispatch.records import UNREADABLE_COLUMN, Area, Channel, ColumnCounts
from track_dispatch.transformation import Candidate, Evaluator, rank
from track_dispatch.transformation.identities import PersonCandidate, surplus
from track_dispatch.transformation.names import clean_column

log = logging.getLogger(__name__)

#: Known attendances missing in a reading that make it a wrong one, without a volume gate.
LACKING_LINES = 30
_ID = "cd_atendimento"
#: Rows put aside that are evaluated at a time.
_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Transformed:
    """The counts of a transform.

    Attributes:
        counts: lines of the run's own day: "ready", "excluded(opt_out)".
        earlier_days: how many other days were read and applied.
    """

    counts: dict[str, int] = field(default_factory=dict)
    earlier_days: int = 0


def transform(run: Run, *, ledger: Ledger, now: datetime) -> Transformed:
    """Apply the newest complete extraction of each day that the run read.

    Args:
        run: the hospital and its day.
        ledger: open.
        now: aware; the day at the hospital is counted from it.

    Raises:
        ConfigError: the run has no complete extraction of its own day, or a setting is wrong.
        LedgerError: the ledger failed; nothing was changed.
    """
    with ledger.reading() as connection:
        extractions = run_extractions(connection, hospital=run.hospital.code, run_id=run.id)
    if run.day not in [extraction.day for extraction in extractions]:
        raise ConfigError(f"{run.day}: this run holds no complete extraction; clear `extract`")
    own_first = sorted(extractions, key=lambda extraction: extraction.day != run.day)
    with (
        paused_collector(),
        applying_extractions(
            ledger, source=run.hospital.source, zone=run.hospital.zone, actor=run.actor
        ) as transforming,
    ):
        for extraction in own_first:
            apply_day(run, transforming, extraction, run.today(now))
        transforming.finish(standing_back)
    with ledger.reading() as connection:
        counts = day_counts(connection, [extraction.day for extraction in own_first])
    for day, of_day in counts.items():
        log.info("%s: %s", day_text(day, read_again=day != run.day), lines_text(of_day))
    by_reason: Counter[str] = Counter()
    for count in counts[run.day]:
        outcome = f"{count.state}({count.reason})" if count.reason else str(count.state)
        by_reason[outcome] += count.lines
    return Transformed(dict(by_reason), len(extractions) - 1)


def standing_back(shared: Sequence[SharedLine]) -> set[int]:
    """Return the addresses of lines whose person is asked about another line of the day; pure.

    A line asked before takes precedence: a new reading in another order must not ask again.
    """
    addresses = {line.attendance_id: line.address for line in shared}
    priorities = {area.value: area.priority for area in Area}
    candidates = [
        PersonCandidate(
            line.attendance_id,
            (not line.asked, priorities.get(line.area, len(priorities))),
            line.persons,
        )
        for line in shared
    ]
    return {addresses[attendance_id] for attendance_id in surplus(candidates)}


def ask_until(run: Run, day: date, today: date) -> date | None:
    """Return the last day on which the patients of a day may be asked; None: no limit; pure."""
    limit = run.hospital.max_age_days
    if not limit:
        return None
    return max(day, today if run.include_old else day) + timedelta(days=limit)


def apply_day(run: Run, transforming: ExtractionApply, extraction: Extraction, today: date) -> None:
    """Apply a day's extraction in the transaction of a transform.

    Args:
        run: the hospital and a person's wishes.
        transforming: the open transaction.
        extraction: complete.
        today: at the hospital.

    Raises:
        ConfigError: a setting is wrong, or the day's lines were deleted.
        LedgerError: the ledger failed.
    """
    hospital, keys = run.hospital, transforming.ledger.keys
    gate = hospital.volume_gate
    terms = DayTerms(
        rules=rules_digest(hospital),
        batch_size=hospital.batch_size,
        today=today,
        ask_until=ask_until(run, extraction.business_day, today),
        gate=None if run.is_backfill else gate,
        lacking_lines=gate.min_lines if gate else LACKING_LINES,
    )
    day = transforming.begin(extraction, terms)
    if day is None:
        return
    evaluator = Evaluator(
        hospital,
        extraction.business_day,
        evaluated_on=today,
        # an earlier run's `include_old` stays in force for the lines that it let in
        include_old=run.include_old or day.has_later_limits(),
    )
    connection = transforming.connection
    evaluation = DayEvaluation(evaluator, staged_ids(connection, keys, extraction.id))
    for chunk in evaluation.chunks(staged_columns(connection, keys, extraction.id)):
        day.take(chunk.candidates, chunk.again)
    day.end_of_reading(
        rows_merged=evaluation.rows - evaluation.attendances,
        column_counts=evaluation.column_counts,
    )


class EvaluatedChunk(NamedTuple):
    """Evaluated attendances of a day, and the means to evaluate them again."""

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
        attendances: the number of attendances; known when all chunks were evaluated.
        column_counts: of all rows' values; known then, too.

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
        #: By attendance of several rows: the rank of its best row, and that row as JSON.
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
        """Return the rows whose attendance has no other row; put the others aside."""
        ids = clean_column(chunk[_ID])
        alone = []
        for position, attendance_id in enumerate(ids):
            if hash(attendance_id) not in self._several:
                alone.append(position)
                continue
            row = {name: column[position] for name, column in chunk.items()}
            ranked = rank(row), orjson.dumps(list(row.values()))
            self._aside[attendance_id] = min(ranked, self._aside.get(attendance_id, ranked))
        if len(alone) == len(ids):
            return chunk
        return {name: [column[position] for position in alone] for name, column in chunk.items()}

    def _evaluated(self, columns: Columns) -> EvaluatedChunk:
        candidates = self._evaluator.evaluate(columns)
        self.attendances += len(candidates)
        self.column_counts.update(self._evaluator.count_values(columns))
        return EvaluatedChunk(candidates, columns, self._evaluator)
