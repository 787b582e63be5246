"""A day's rows evaluated: one proposal per attendance, and of a person's attendances one is asked.

The rows are read again for each step, so that memory holds a few numbers for each attendance and
never the day.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from track_dispatch.records import Reason
from track_dispatch.transformation.attendances import attendance_id, rank
from track_dispatch.transformation.eligibility import proposal_of
from track_dispatch.transformation.evaluator import Evaluator
from track_dispatch.transformation.identities import line_identity
from track_dispatch.transformation.persons import (
    CandidateIndex,
    PersonCandidate,
    blocking_keys,
    person_keys,
    surplus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import date

    from track_dispatch.ledger.known import Known
    from track_dispatch.pipeline.run import Run
    from track_dispatch.records import ErpRow, Proposal

    #: A proposal with the normalised identity of its person.
    Proposed = tuple[Proposal, Mapping[str, str]]
    #: Begins a reading of the day's rows, chunk by chunk.
    Reading = Callable[[], Iterator[list[ErpRow]]]


class DayEvaluation:
    """One day under evaluation; it has read the rows once when it is there.

    Attributes:
        rows: how many rows the day has.
        attendances: how many attendances they are.

    Args:
        run: the hospital, the day, and a person's wishes.
        reading: begins a reading of the day; called two or three times, always with equal rows.
        known: what the ledger knows.
        evaluated_on: today at the hospital.
    """

    def __init__(self, run: Run, reading: Reading, known: Known, *, evaluated_on: date) -> None:
        self.rows = 0
        self._reading, self._known = reading, known
        self._evaluator = Evaluator(
            run.hospital,
            run.business_day,
            evaluated_on=evaluated_on,
            include_old=run.include_old,
        )
        #: each attendance's best rank and, last, the position of the row that stands for it
        self._best: dict[str, tuple[int, ...]] = {}
        alike = self._first_reading()
        self._twice = self._surplus(alike) if alike else set()

    @property
    def attendances(self) -> int:
        """How many attendances the rows are."""
        return len(self._best)

    def proposals(self) -> Iterator[list[Proposed]]:
        """Read the rows and yield each chunk's proposals."""
        for standing in self._standing():
            yield [self._unless_twice(proposed) for proposed in self._evaluated(standing)]

    def _first_reading(self) -> Collection[str]:
        """Find the row that stands for each attendance; return those who share a name or a CPF."""
        index = CandidateIndex()
        for chunk in self._reading():
            for position, row in enumerate(chunk, start=self.rows):
                key, found = attendance_id(row), (*rank(row), position)
                self._best[key] = min(found, self._best.get(key, found))
                index.see(key, blocking_keys(row))
            self.rows += len(chunk)
        return index.found

    def _standing(self) -> Iterator[list[ErpRow]]:
        """Yield of each chunk the rows that stand for their attendances."""
        start = 0
        for chunk in self._reading():
            yield [
                row
                for position, row in enumerate(chunk, start=start)
                if self._best[attendance_id(row)][-1] == position
            ]
            start += len(chunk)

    def _surplus(self, alike: Collection[str]) -> set[str]:
        """Return the attendances whose person is asked about another one of the day.

        Who was asked before stays the one: a reading in another order must not ask a second time.
        """
        candidates = []
        for standing in self._standing():
            chosen = [row for row in standing if attendance_id(row) in alike]
            for proposal, _ in self._evaluated(chosen):
                if proposal.line is not None and proposal.area is not None:
                    keys = frozenset(map(hash, person_keys(proposal.line).items()))
                    area = (proposal.area.priority,)
                    candidates.append(PersonCandidate(proposal.attendance_id, area, keys))
        asked = self._known.asked([candidate.id for candidate in candidates])
        return surplus(
            replace(candidate, rank=(candidate.id not in asked, *candidate.rank))
            for candidate in candidates
        )

    def _evaluated(self, rows: Sequence[ErpRow]) -> list[Proposed]:
        """Propose each row's line or exclusion, with the identity of its person."""
        if not rows:
            return []
        columns = {column: [row[column] for row in rows] for column in rows[0]}
        found = [proposal_of(candidate) for candidate in self._evaluator.evaluate(columns)]
        persons = [line_identity(one.line) if one.line is not None else {} for one in found]
        barred = self._known.barred(dict(enumerate(persons)))
        for position, candidate in self._evaluator.evaluate_barred(columns, barred).items():
            found[position] = proposal_of(candidate)
            if found[position].line is None:
                persons[position] = {}
        return list(zip(found, persons, strict=True))

    def _unless_twice(self, proposed: Proposed) -> Proposed:
        proposal, _ = proposed
        if proposal.line is None or proposal.attendance_id not in self._twice:
            return proposed
        return replace(proposal, channel=None, reason=Reason.SAME_PERSON, line=None), {}
