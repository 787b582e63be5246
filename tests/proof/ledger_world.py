"""The steps of the model: shipped ledger, transform, dispatch and decisions, as people use them.

`ledger_watch.py` looks after each.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from tests.proof.ledger_erp import HOSPITALS, Attendance, Where, read
from tests.proof.ledger_trouble import PEACE, Death, Trouble
from tests.proof.ledger_workshop import Workshop
from track_dispatch.delivery.dispatch import dispatch
from track_dispatch.ledger import schema
from track_dispatch.ledger.approvals import Answer, hold_day
from track_dispatch.ledger.optouts import add_optout
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.settling import expire_leases
from track_dispatch.pipeline.deciding import Order
from track_dispatch.pipeline.gating import take_answer
from track_dispatch.pipeline.housekeeping import keep_house
from track_dispatch.pipeline.reporting import report
from track_dispatch.pipeline.transforming import transform
from track_dispatch.records import Actor, Area, Channel, LineState, Unit, Verb
from track_dispatch.transformation.identities import identity


class World(Workshop):
    """Everything of one sequence, step by step."""

    # -- the pipeline --------------------------------------------------------------

    def change(self, number: str, found: Attendance | None) -> None:
        """Let the ERP hold something else of an attendance; None: it holds it no more."""
        self.erp[number] = found

    def extract(
        self,
        where: Where,
        run: str = "scheduled",
        *,
        breaks_off: bool = False,
        dies: Death | None = None,
    ) -> None:
        """Stage what the ERP holds of a day; `breaks_off`: the ERP fails after the first chunk."""
        if where.day >= self.now.date():
            return
        rows = read(sorted(self.erp.items()), where)
        with self._step(dies):
            self._stage(where, run, rows, breaks_off=breaks_off)

    def transform(self, where: Where, run: str = "scheduled", *, dies: Death | None = None) -> None:
        """Apply the run's newest complete extraction."""
        with self._step(dies):
            transform(self._run(where, run), ledger=self.ledger, now=self.now)

    def read(self, where: Where, run: str = "scheduled") -> None:
        """Extract and transform."""
        self.extract(where, run)
        self.transform(where, run)

    def dispatch(self, unit: Unit, trouble: Trouble = PEACE, run: str = "scheduled") -> None:
        """Send what is ready of a unit."""
        self._arrange(trouble, unit)
        with self._step(trouble.dies):
            actor = self._actor("dispatch", run, unit.business_day)
            with self._desk(unit.hospital, actor, trouble) as desk:
                dispatch(desk, unit)

    def morning(self, where: Where, trouble: Trouble = PEACE, run: str = "scheduled") -> None:
        """Do what a run does, or a cleared one does again."""
        self.read(where, run)
        for unit in self.units(LineState.READY):
            if Where(unit.hospital, unit.business_day) == where:
                self.dispatch(unit, trouble, run)
        self.report(where, run)

    def report(self, where: Where, run: str = "scheduled") -> None:
        """Judge the day, which puts in doubt what has run out of its lease."""
        with self._step():
            found = report(self._run(where, run), ledger=self.ledger)
            assert found.balance is None or found.balance.holds

    def hold(self, where: Where, run: str = "scheduled") -> None:
        """Let the gate hold a day, before it asks."""
        day = {"hospital": where.code, "business_day": where.day}
        actor = self._actor("volume_gate", run, where.day)
        with self._step():
            hold_day(self.ledger, **day, lines=9, usual=1, actor=actor)

    def answer(self, where: Where, answer: Answer, run: str = "scheduled") -> None:
        """Let a person, or nobody, answer what the gate asked."""
        with self._step():
            take_answer(self._run(where, run), answer, ledger=self.ledger, person="ana")

    # -- time ----------------------------------------------------------------------

    def end_leases(self) -> None:
        """Let every lease be over, by the database's clock."""
        with self._step():
            self._end_leases()

    def pass_days(self, days: int) -> None:
        """Let days pass for everything but the database."""
        self.now += timedelta(days=days)

    def keep_house(self, *, dies: Death | None = None) -> None:
        """Do the night's work."""
        hospitals = [self.hospital(code) for code in HOSPITALS]
        actor = Actor("housekeeping", run_id=f"night__{self.now:%Y%m%d}", try_number=1)
        with self._step(dies, housekeeping=True):
            keep_house(hospitals, ledger=self.ledger, actor=actor, now=self.now)

    def set_hospital(self, code: str, **settings: Any) -> None:
        """Change a hospital's file."""
        self.settings[code] = self.settings.get(code, {}) | settings

    # -- people --------------------------------------------------------------------

    def decide_batch(
        self, batch_id: str, verb: Verb, trouble: Trouble = PEACE, *, unit: Unit | None = None
    ) -> None:
        """Let a person decide about a doubt."""
        if unit is not None:
            self._arrange(trouble, unit)
        again = batch_id if verb is Verb.SEND_AGAIN else None
        with self._step(trouble.dies, again=again):
            self._decide(verb, Order(batch_id=batch_id), trouble)

    def decide_day(self, where: Where, verb: Verb) -> None:
        """Let a person decide about a day."""
        with self._step():
            self._decide(verb, Order(hospital=where.code, business_day=where.day))
            if verb is Verb.ALLOW_DAY:
                self.watch.allowed.add(where)

    def opt_out(self, number: str) -> None:
        """Let the patient of an attendance ask not to be asked."""
        found = self.erp.get(number)
        rows = found.rows(number) if found is not None else []
        with self._step():
            for row in rows:
                add_optout(self.ledger, identity(row), channel=None, source="balcão")

    def resume(self) -> None:
        """Open the switch."""
        with self._step():
            self._decide(Verb.RESUME, Order())

    def back_up(self) -> None:
        """Copy the whole database."""
        with self.ledger.reading() as connection:
            self.backup = connection.execute(select(moment_in())).scalar_one()
        self.ledger.close()
        self.places.copy("live", "backup")
        self.may_go_back = True
        self.watch.remember()

    def put_back(self) -> None:
        """Put the copy back and say so, as the operator must."""
        assert self.backup is not None
        self.ledger.close()
        self.places.copy("backup", "live")
        self.may_go_back, self.has_gone_back = False, True
        self.tally.restored += 1
        self.watch.go_back()
        with self._step():
            self._decide(Verb.RESTORED, Order(as_of=self.backup))

    def come_to_rest(self) -> None:
        """Let peace come, unless something was found broken: then nothing may be left open.

        What is ready goes out, and of every doubt a person can say that it is given up.
        """
        if self.watch.broken:
            return
        self.end_leases()
        self.resume()
        for code, hospital in HOSPITALS.items():
            self.set_hospital(code, surveys=hospital.surveys, batch_size=2)
        with self._step():
            expire_leases(self.ledger, actor=Actor("morning"))
        for unit in self.units(LineState.HELD):
            self.decide_day(Where(unit.hospital, unit.business_day), Verb.RELEASE)
        for unit in self.units(LineState.READY):
            self.dispatch(unit)
        for batch_id, _ in self.doubts():
            self.decide_batch(batch_id, Verb.ABANDON)
        waiting = (LineState.READY, LineState.HELD, LineState.SENDING, LineState.IN_DOUBT)
        open_ = self.units(*waiting)
        assert not open_, "lost: a line can neither go out nor be given up"

    # -- what stands in the ledger ---------------------------------------------------

    def units(self, *states: LineState) -> list[Unit]:
        """Return the units that hold lines in these states."""
        lines = schema.lines
        of = (lines.c.hospital, lines.c.business_day, lines.c.area, lines.c.channel)
        with self.ledger.reading() as connection:
            rows = connection.execute(
                select(*of).where(lines.c.state.in_(states)).distinct().order_by(*of)
            )
            return [Unit(code, day, Area(area), Channel(ch)) for code, day, area, ch in rows]
