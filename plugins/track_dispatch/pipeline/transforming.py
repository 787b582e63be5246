"""The task `transform`: one line or exclusion per attendance, in one transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from track_dispatch.errors import ConfigError
from track_dispatch.ledger.applying import applying
from track_dispatch.ledger.staging import newest_extraction, staged_chunks
from track_dispatch.ledger.views import day_counts
from track_dispatch.records import LineState, Reason
from track_dispatch.transformation.attendances import attendance_id, rank
from track_dispatch.transformation.eligibility import evaluate
from track_dispatch.transformation.identities import line_identity
from track_dispatch.transformation.persons import (
    Candidate,
    Namesakes,
    person_keys,
    raw_keys,
    surplus,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from track_dispatch.ledger.applying import Application
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.pipeline.run import Run
    from track_dispatch.records import Channel, ErpRow, Proposal

    #: Each attendance's best rank, and the position of the row that stands for it.
    Best = dict[str, tuple[int, ...]]
    #: A proposal with the normalised identity of its person.
    Proposed = tuple[Proposal, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Transformed:
    """What the task gives to the next ones: units, and counts by state and reason."""

    units: list[dict[str, str | int]]
    counts: dict[str, int]


def transform(run: Run, *, ledger: Ledger, now: datetime) -> Transformed:
    """Apply the run's newest complete extraction and return what the ledger then holds.

    Raises:
        ConfigError: the run has no complete extraction, or a setting is wrong.
        LedgerError: the ledger failed; it is as it was.
    """
    hospital, day = run.hospital, run.business_day
    with ledger.reading() as connection:
        extraction = newest_extraction(
            connection, hospital=hospital.code, business_day=day, run_id=run.id
        )
    if extraction is None:
        message = f"{hospital.code} {day}: this run holds no complete extraction; clear `extract`"
        raise ConfigError(message)
    with applying(ledger, extraction, run.actor, zone=hospital.zone) as application:
        if application is not None:
            _apply(run, application, evaluated_on=now.astimezone(hospital.zone).date())
    with ledger.reading() as connection:
        counts = day_counts(connection, hospital=hospital.code, business_day=day)
    units: dict[tuple[str, str], int] = {}
    totals: Counter[str] = Counter()
    for count in counts:
        kind = f"{count.state}({count.reason})" if count.reason else str(count.state)
        totals[kind] += count.lines
        if count.area and count.channel and count.state is not LineState.EXCLUDED:
            ready = count.lines if count.state is LineState.READY else 0
            key = (count.area, count.channel)
            units[key] = units.get(key, 0) + ready
    return Transformed(
        units=[
            {"area": area, "channel": channel, "lines": ready}
            for (area, channel), ready in units.items()
        ],
        counts=dict(totals),
    )


def _apply(run: Run, application: Application, *, evaluated_on: date) -> None:
    """Evaluate the row that stands for each attendance, reading the staged rows twice.

    The first reading keeps a few numbers for each attendance, so that memory does not hold the day.
    A third one between them, over those who share a name or a CPF, finds who is asked about another
    attendance of the day.
    """
    namesakes = Namesakes()
    best = _best_rows(chain.from_iterable(_chunks(application)), namesakes)
    judge = Evaluation(run, application, evaluated_on)
    twice = _surplus(judge, best, namesakes.found)
    rows = 0
    for chunk in _chunks(application):
        proposals = judge.proposals(_standing(chunk, best, start=rows))
        application.propose([_unless_twice(proposal, twice) for proposal in proposals])
        rows += len(chunk)
    application.finish(rows_merged=rows - len(best))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Evaluates rows for one application, with what the ledger knows of opt-outs."""

    run: Run
    application: Application
    evaluated_on: date

    def proposals(self, rows: Sequence[ErpRow]) -> list[Proposed]:
        """Propose each row's line or exclusion, with the identity of its person."""
        found = [self._proposal(row) for row in rows]
        persons = [line_identity(one.line) if one.line is not None else {} for one in found]
        barred = self.application.barred(dict(enumerate(persons)))
        for position, channels in barred.items():
            found[position] = self._proposal(rows[position], barred=channels)
            if found[position].line is None:
                persons[position] = {}
        return list(zip(found, persons, strict=True))

    def _proposal(self, row: ErpRow, barred: frozenset[Channel] = frozenset()) -> Proposal:
        return evaluate(
            row,
            self.run.hospital,
            self.run.business_day,
            evaluated_on=self.evaluated_on,
            include_old=self.run.include_old,
            barred=barred,
        )


def _surplus(judge: Evaluation, best: Best, namesakes: Collection[str]) -> set[str]:
    """Return the attendances whose person is asked about another one of the day.

    Who was asked before stays the one: a reading in another order must not ask a second time.
    """
    if not namesakes:
        return set()
    candidates, rows = [], 0
    for chunk in _chunks(judge.application):
        standing = _standing(chunk, best, start=rows)
        chosen = [row for row in standing if attendance_id(row) in namesakes]
        for proposal, _ in judge.proposals(chosen):
            if proposal.line is not None and proposal.area is not None:
                keys = frozenset(map(hash, person_keys(proposal.line).items()))
                rank = (proposal.area.priority,)
                candidates.append(Candidate(proposal.attendance_id, rank, keys))
        rows += len(chunk)
    asked = judge.application.asked([candidate.id for candidate in candidates])
    return surplus(
        replace(candidate, rank=(candidate.id not in asked, *candidate.rank))
        for candidate in candidates
    )


def _unless_twice(proposed: Proposed, twice: Container[str]) -> Proposed:
    proposal, _ = proposed
    if proposal.line is None or proposal.attendance_id not in twice:
        return proposed
    return replace(proposal, channel=None, reason=Reason.SAME_PERSON, line=None), {}


def _best_rows(rows: Iterable[ErpRow], namesakes: Namesakes) -> Best:
    """Return each attendance's best rank and, last, the position of the first row that has it."""
    best: Best = {}
    for position, row in enumerate(rows):
        key, found = attendance_id(row), (*rank(row), position)
        best[key] = min(found, best.get(key, found))
        namesakes.see(key, raw_keys(row))
    return best


def _standing(chunk: Sequence[ErpRow], best: Best, *, start: int) -> list[ErpRow]:
    """Return the rows of a chunk that stand for their attendances; its first is row `start`."""
    return [
        row
        for position, row in enumerate(chunk, start=start)
        if best[attendance_id(row)][-1] == position
    ]


def _chunks(application: Application) -> Iterator[list[ErpRow]]:
    return staged_chunks(application.ledger, application.connection, application.extraction.id)
