"""The steps of the model: extraction, transform, dispatch, decisions, backups, as people use them.

`model_watch.py` looks after each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from tests.proof.model_erp import (
    CODES,
    DAYS,
    LABELS,
    MONDAY_BEFORE,
    NUMBERS,
    SURPLUS,
    Attendance,
    number_in_source,
)
from tests.proof.model_faults import PEACE
from tests.proof.model_people import DAY, People
from track_dispatch.ledger import schema
from track_dispatch.ledger.approvals import ApprovalAnswer, answer_question, open_questions
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.ledger.stop_switch import stop_service
from track_dispatch.pipeline.housekeeping import run_housekeeping
from track_dispatch.pipeline.report import report
from track_dispatch.records import Actor, HospitalDay
from track_dispatch.states import OPEN, LineState, Verb

if TYPE_CHECKING:
    from tests.proof.model_faults import Death, Trouble

#: What others may do while a POST is on its way: the names of `World._meanwhile`.
MEANWHILE = (
    "lease ends", "sent", "unsent", "abandoned", "read again", "corrected", "moved", "opted out",
    "dispatched twice", "died", "held", "stopped", "unsent, died", "unsent, held", "unsent, read",
    "claimed anew",
)  # fmt: skip


class World(People):
    """Everything of one sequence, step by step."""

    def change_and_read(self, changed: Mapping[str, Attendance | None]) -> None:
        """Change some attendances, and read the days that they are on now."""
        for number, found in changed.items():
            self.change(number, found)
        on = {(code, one.day) for one in changed.values() if one for code in one.codes}
        for code, day in sorted(on):
            self.read(HospitalDay(code, day))

    def transform_staged(self, pick: int, **options: Any) -> None:
        """Let one of the runs that have read something go on."""
        staged = self._staged()
        if staged:
            day, run = staged[pick % len(staged)]
            self.transform(day, run, **options)

    def _staged(self) -> list[tuple[HospitalDay, str]]:
        """The own days of runs that have read something, with the run's name."""
        facts = self.watch.facts
        found = set()
        for row in facts.extractions if facts is not None else ():
            run, _, own = row.run_id.partition("__")
            code, _, day = own.partition(" ")
            if row.id in facts.staged:
                found.add((HospitalDay(code, date.fromisoformat(day)), run))
        return sorted(found)

    # -- the ERP and the pipeline ----------------------------------------------------

    def change(self, number: str, found: Attendance | None) -> None:
        """Let the ERP hold something else of an attendance; None: it holds it no more."""
        for source in (CODES[:1], CODES[2:]):
            self.erp.pop(number_in_source(number, Attendance(source)), None)
        if found is not None:
            self.erp[number_in_source(number, found)] = found

    def extract(
        self,
        day: HospitalDay = DAY,
        run: str = "scheduled",
        *,
        wrong: str | None = None,
        breaks_off: bool = False,
        dies: Death | None = None,
    ) -> None:
        """Stage what the ERP holds of a day, and of those that wait to be read again.

        Args:
            day: the run's.
            run: its name.
            wrong: how the query is wrong (`WRONGS`).
            breaks_off: the ERP fails after the first chunk.
            dies: when the worker is killed.
        """
        if day.business_day < self.today:
            with self._step(dies):
                self._extract(day, run, wrong=wrong, breaks_off=breaks_off)

    def transform(
        self,
        day: HospitalDay = DAY,
        run: str = "scheduled",
        *,
        include_old: bool = False,
        dies: Death | None = None,
    ) -> None:
        """Apply what the run has read."""
        if include_old:
            limit = timedelta(days=self.hospital(day.hospital).max_age_days)
            self.asked_until[day] = self.today + limit
        with self._step(dies):
            self._transform(day, run, include_old=include_old, is_backfill=run == "backfill")

    def read(
        self,
        day: HospitalDay = DAY,
        run: str = "scheduled",
        *,
        wrong: str | None = None,
        include_old: bool = False,
    ) -> None:
        """Extract and transform."""
        self.extract(day, run, wrong=wrong)
        self.transform(day, run, include_old=include_old)

    def answer(self, answer: ApprovalAnswer, code: str = CODES[0]) -> None:
        """Let a person, or nobody, answer all that is asked about a hospital's days."""
        hours = self.hospital(code).extraction_max_age_hours
        decided_by = None if answer is ApprovalAnswer.TIMEOUT else "ana"
        with self._step():
            for run in self._runs_that_ask(code):
                with self.ledger.reading() as connection:
                    questions = open_questions(connection, hospital=code, run_id=run)
                for question in questions:
                    answer_question(
                        self.ledger,
                        question,
                        answer,
                        decided_by=decided_by,
                        max_age_hours=hours,
                        actor=self._actor("approve_volume", run),
                    )

    def dispatch(
        self, code: str = CODES[0], trouble: Trouble = PEACE, run: str = "scheduled"
    ) -> None:
        """Send what is ready of a hospital."""
        meanwhile = self._meanwhile(trouble.meanwhile, code) if trouble.meanwhile else None
        self._arrange(trouble, meanwhile)
        with self._step(trouble.dies):
            self._dispatch(code, trouble, run)

    def morning(
        self, day: HospitalDay = DAY, trouble: Trouble = PEACE, run: str = "scheduled"
    ) -> None:
        """Do what a run does, or a cleared one does again."""
        self.read(day, run)
        self.dispatch(day.hospital, trouble, run)
        self.report(day, run)

    def report(self, day: HospitalDay = DAY, run: str = "scheduled") -> None:
        """Judge a run: it is green only where nothing of its days is open."""
        with self._step():
            judged = report(self._run(day, run, "report"), ledger=self.ledger, now=self.clock.now)
        facts = self.watch.facts
        if not judged.problems and facts is not None:
            days = {found.day for found in judged.facts.days}
            open_ = [
                line
                for line in facts.in_state(*OPEN)
                if facts.day_at(line.address) in days and line.state != LineState.HELD
            ]
            assert not open_, "a run is green, and something of its days is open"

    def tidy(self, *, dies: Death | None = None) -> None:
        """Do the night's work."""
        hospitals = [self.hospital(code) for code in CODES]
        with self._step(dies, housekeeping=True):
            run_housekeeping(
                hospitals,
                ledger=self.ledger,
                actor=self._actor("housekeeping", f"night__{self.today}"),
                now=self.clock.now,
            )

    # -- time and settings -----------------------------------------------------------

    def pass_time(self, **passing: float) -> None:
        """Let time pass; `passing` is of a `timedelta`."""
        self.clock.advance(**passing)

    def restore_hospital(self, code: str = CODES[0]) -> None:
        """Let a hospital's file be what it was at first."""
        self._keep_limits(code)
        self.settings[code] = {}

    def set_hospital(self, code: str = CODES[0], **settings: Any) -> None:
        """Change a hospital's file."""
        self._keep_limits(code)
        self.settings[code] |= settings

    def _keep_limits(self, code: str) -> None:
        """Let what was read keep the last day that it was read under, until it is read again."""
        limit = self.hospital(code).max_age_days
        for day in (HospitalDay(code, one) for one in DAYS):
            until = day.business_day + timedelta(days=limit) if limit else date.max
            self.asked_until[day] = max(until, self.asked_until.get(day, until))

    # -- the end ---------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """Let peace come, unless something was found broken: then nothing may be left open.

        What is ready goes out, and of every doubt a person can say that it is given up.
        """
        if self.watch.broken:
            return
        self.end_leases()
        self.resume_if_stopped()
        for code in CODES:
            self.restore_hospital(code)
        self.pass_time(minutes=6)
        for _ in range(2):  # what comes back for others is read once more
            self._read_what_waits()
            for code in sorted({day.hospital for _, day in self._lines(LineState.READY)}):
                self.dispatch(code)
        self.decide(Verb.ABANDON)
        open_ = [
            line
            for line in self._lines(LineState.READY, LineState.HELD, LineState.SENDING)
            + self._lines(LineState.IN_DOUBT, LineState.REOPENED)
            if self._may_still_be_asked(line)
        ]
        assert not open_, f"lost: a line can neither go out nor be given up: {open_}"

    def _read_what_waits(self) -> None:
        waiting = self._lines(LineState.READY, LineState.HELD, LineState.REOPENED)
        for day in sorted({day for _, day in waiting}):
            self.read(day, "rest")
            if any(day == held for _, held in self._lines(LineState.HELD)):
                self.release(day)

    def _may_still_be_asked(self, line: tuple[LineState, HospitalDay]) -> bool:
        """Tell whether a line may not rest yet: whoever waits for a right reading rests too."""
        state, day = line
        waits = state in {LineState.HELD, LineState.READY, LineState.REOPENED}
        return not waits or (self.may_be_asked(day, self.today) and not self._is_lacking(day))

    def _is_lacking(self, day: HospitalDay) -> bool:
        """Tell whether the newest reading of a day lacks most of it, so that nobody is gone."""
        facts = self.watch.facts
        applied = [row for row in facts.extractions if row.applied_at] if facts else []
        newest = max(
            (row for row in applied if HospitalDay(row.hospital, row.business_day) == day),
            key=lambda row: row.started_at,
        )
        return bool(newest.lacking)

    # -- what others do meanwhile -----------------------------------------------------

    def _meanwhile(self, name: str, code: str) -> Callable[[], None]:
        """Return what others do during a POST of a hospital."""
        deeds: dict[str, tuple[Callable[[], None], ...]] = {
            "lease ends": (self._lease_ends,),
            "sent": (self._lease_ends, lambda: self._decide_all(Verb.SETTLE_SENT)),
            "unsent": (self._lease_ends, lambda: self._decide_all(Verb.SETTLE_UNSENT)),
            "abandoned": (self._lease_ends, lambda: self._decide_all(Verb.ABANDON)),
            "read again": (lambda: self._read_meanwhile(code),),
            "corrected": (self._correct, lambda: self._read_meanwhile(code)),
            "moved": (self._move, lambda: self._read_meanwhile(code)),
            "opted out": (self._opt_out_first, self._opt_out_last),
            "dispatched twice": (lambda: self._dispatch(code, PEACE, "meanwhile"),),
            "died": (self._die, lambda: self._read_meanwhile(code)),
            "held": (self._get_odd, lambda: self._read_meanwhile(code)),
            "stopped": (self._stop,),
        }
        for then in ("died", "held"):
            deeds[f"unsent, {then}"] = (*deeds["unsent"], *deeds[then])
        deeds["unsent, read"] = (*deeds["unsent"], *deeds["read again"])
        deeds["claimed anew"] = (*deeds["unsent, read"], *deeds["dispatched twice"])

        def act() -> None:
            for deed in deeds[name]:
                self._undisturbed(deed)

        return act

    def _lease_ends(self) -> None:
        self._end_leases()
        expire_leases(self.ledger, actor=Actor("report"))

    def _decide_all(self, verb: Verb) -> None:
        for batch, _ in self.doubts():
            self._undisturbed(self._deciding(batch, verb))

    def _read_meanwhile(self, code: str) -> None:
        facts = self.watch.facts
        days = {facts.day_at(line.address) for line in facts.lines.values()} if facts else set()
        for day in sorted(day for day in days if day.hospital == code):
            self._extract(day, "meanwhile")
            self._transform(day, "meanwhile")

    def _correct(self) -> None:
        """Let the ERP hold another address of everybody."""
        for number, found in self.erp.items():
            contact = "b" if found.contact == "a" else "a"
            self.erp[number] = replace(found, contact=contact)

    def _move(self) -> None:
        """Let the ERP move everybody by a day."""
        for number, found in self.erp.items():
            self.erp[number] = replace(found, day=found.day - timedelta(days=1))

    def _die(self) -> None:
        """Let the ERP tell that everybody died."""
        for number, found in self.erp.items():
            self.erp[number] = replace(found, dead=True)

    def _get_odd(self) -> None:
        """Let many come on a day on which nobody came the week before."""
        history = HospitalDay(DAY.hospital, MONDAY_BEFORE)
        self.erp[SURPLUS[-1]] = Attendance(day=MONDAY_BEFORE, label=LABELS[-1])
        self._extract(history, "history")
        self._transform(history, "history")
        self.erp |= dict.fromkeys(SURPLUS[:5], Attendance())

    def _opt_out_first(self) -> None:
        self._opt_out(NUMBERS[0])

    def _opt_out_last(self) -> None:
        self._opt_out(max(self.erp, default=NUMBERS[-1]))

    def _stop(self) -> None:
        stop_service(
            self.ledger, hospital=CODES[-1], why="for a test", status=405, actor=Actor("dispatch")
        )

    # -- how it is done ----------------------------------------------------------------

    def _runs_that_ask(self, code: str) -> list[str]:
        approvals = schema.approvals
        asking = select(approvals.c.run_id).where(
            approvals.c.hospital == code, approvals.c.answer.is_(None)
        )
        return self._scalars(asking.distinct().order_by(approvals.c.run_id))

    def _lines(self, *states: LineState) -> list[tuple[LineState, HospitalDay]]:
        facts = self.watch.facts
        found = facts.in_state(*states) if facts is not None else []
        return [(line.state, facts.day_at(line.address)) for line in found] if facts else []
