"""What the model's steps are made of: the product's own functions between a fake ERP and Track.

Everything is shipped code over a real database and real HTTP; made up are the ERP's rows, the
clock, and what goes wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import requests

from demo.world import surveys_of
from stand_ins.track_api import ORGANIZATION, TOKEN, TrackStandIn
from tests.proof.model_databases import empty
from tests.proof.model_erp import CODES, HOSPITALS, read_erp, surplus
from tests.proof.model_facts import read_facts
from tests.proof.model_faults import FAULTS, PEACE, KilledError, dying
from tests.proof.model_readings import Reading
from tests.proof.model_watch import Watch
from track_dispatch.config import rules_digest
from track_dispatch.delivery.client import TrackClient
from track_dispatch.delivery.context import DispatchContext
from track_dispatch.delivery.dispatch import dispatch
from track_dispatch.delivery.transport import BearerAuth
from track_dispatch.errors import (
    ConfigError,
    LedgerError,
    SourceUnavailableError,
    TrackDispatchError,
)
from track_dispatch.ledger.backups import require_extractable
from track_dispatch.ledger.creation import open_ledger_at
from track_dispatch.ledger.extractions import stage_extraction, stale_days
from track_dispatch.ledger.in_doubt import in_doubt_batches
from track_dispatch.ledger.request_budget import WINDOW
from track_dispatch.pipeline import Run
from track_dispatch.pipeline.transform import transform
from track_dispatch.records import Actor, HospitalDay

if TYPE_CHECKING:
    from tests.proof.model_coverage import Coverage
    from tests.proof.model_databases import Databases
    from tests.proof.model_erp import Attendance
    from tests.proof.model_faults import Death, Trouble
    from track_dispatch.config import Hospital
    from track_dispatch.config.policies import VolumeGate
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.keys import KeyRing
    from track_dispatch.records import ErpRow

#: Seconds that the stand-in has for ending what a killed worker began.
DEADLINE = 30.0
#: Seconds by which the model's clock moves so that every lease is over.
LEASE = HOSPITALS[CODES[0]].lease_seconds + 1
#: How often a dispatch may wait for something before it is stopped from outside.
PAUSES = 3
#: How a query may be wrong: it brings thousands more, or lacks most of the day.
WRONGS = ("surplus", "lacking")


class Rig:
    """What one sequence works with.

    Args:
        databases: hold the ledger at "live".
        ledger: the one there, open; whoever dies loses its connections. That the next one finds
            the same engine, with the statements it has compiled, only saves time.
        coverage: counts what is done.
    """

    def __init__(self, databases: Databases, ledger: Ledger, coverage: Coverage) -> None:
        self.databases, self.coverage = databases, coverage
        self.clock = databases.clock
        self.clock.restart()
        self.ledger = self._first = ledger
        empty(ledger)
        self.erp: dict[str, Attendance] = {}
        self.settings: dict[str, dict[str, Any]] = {code: {} for code in CODES}
        #: Of days that a person wanted asked although they are old, or that were read under another
        #: limit: until when.
        self.asked_until: dict[HospitalDay, date] = {}
        self.api = TrackStandIn(
            surveys=[survey for one in HOSPITALS.values() for survey in surveys_of(one)],
            clock=self._tell_time,
        ).start()
        self.watch = Watch(self, coverage)
        self._during: Callable[[], None] | None = None
        self._mishap: BaseException | None = None
        self._posts_seen = 0
        self._tries = 0
        self._requested: list[tuple[datetime, int]] = [(self.clock.now, 0)]
        self._budget = PEACE.budget
        coverage.sequences += 1

    def close(self) -> None:
        """End the sequence."""
        self.api.stop()
        self._replace_ledger(self._first)

    @property
    def today(self) -> date:
        """The day at the hospitals: the model's noon is a day for all of them."""
        return self.clock.now.date()

    def hospital(self, code: str) -> Hospital:
        """Return a hospital under its settings of today."""
        return HOSPITALS[code].model_copy(update=self.settings[code])

    def gate(self, code: str) -> VolumeGate | None:
        """Return how a hospital's volumes are judged today."""
        return self.hospital(code).volume_gate

    def may_be_asked(self, day: HospitalDay, today: date) -> bool:
        """Tell whether the patients of a day may still be asked."""
        limit = self.hospital(day.hospital).max_age_days
        age = (today - day.business_day).days
        return not limit or age <= limit or today <= self.asked_until.get(day, day.business_day)

    def doubts(self) -> list[tuple[str, HospitalDay]]:
        """Return the batches in doubt, with their days."""
        with self.ledger.reading() as connection:
            return [(doubt.id, doubt.day) for doubt in in_doubt_batches(connection)]

    # -- how a step is taken ---------------------------------------------------------

    @contextmanager
    def _step(self, dies: Death | None = None, **looked: Any) -> Iterator[None]:
        """Take a step, whatever becomes of it, and look."""
        self.coverage.steps += 1
        try:
            with dying(dies, self._posts):
                yield
        except LedgerError:
            raise  # nothing is wrong with the database
        except TrackDispatchError as error:
            self.coverage.errors[type(error).__name__] += 1
        except KilledError:
            self.coverage.kills += 1
            self.ledger.engine.dispose()
        self._await_track()
        self.watch.look(**looked)

    def _posts(self) -> int:
        return self.api.requests["distributions"]

    def _await_track(self) -> None:
        """Let Track end what it has begun, and forget what it was told."""
        ends_at = time.monotonic() + DEADLINE
        while self._posts() != len(self.api.received):
            assert time.monotonic() < ends_at, "a POST never ended"
            time.sleep(0.001)
        self.api.behave()
        self.api.listen_again()
        self._during = None
        if self._mishap is not None:
            raise self._mishap

    def _tell_time(self) -> datetime:
        """Tell Track the time; it asks when the headers of a POST have arrived, and at its end."""
        now = self.clock.now
        total = sum(self.api.requests.values())
        if total > self._requested[-1][1]:
            self._check_budget(now, total)
            self._requested.append((now, total))
        during = self._during
        if during is not None and self._posts() > self._posts_seen:
            self._during = None
            try:
                during()
            except BaseException as mishap:  # noqa: BLE001 - raised in the step's own thread
                self._mishap = mishap
        return now

    def _check_budget(self, now: datetime, total: int) -> None:
        """Find no more requests of any kind in any five minutes than Track takes."""
        began = now - timedelta(seconds=WINDOW)
        before = max((count for at, count in self._requested if at <= began), default=0)
        if total - before > self._budget:
            self._mishap = AssertionError("more requests in five minutes than Track takes")

    def _arrange(self, trouble: Trouble, meanwhile: Callable[[], None] | None) -> None:
        self.api.script(*(FAULTS[name] for name in trouble.script))
        if trouble.spurned is not None:
            number, how = trouble.spurned
            if how == "inside":
                self.api.refuse_in_acceptance({number})
            else:
                self.api.reject({number}, named=how == "named")
        self._posts_seen = self._posts()
        # what others do meanwhile they do under their own settings
        self._budget = trouble.budget if meanwhile is None else PEACE.budget
        if meanwhile is not None:
            self._during = lambda: self._undisturbed(meanwhile)

    def _undisturbed(self, act: Callable[[], None]) -> None:
        """Do what others do; their errors are theirs."""
        try:
            act()
        except TrackDispatchError as error:
            self.coverage.errors[f"meanwhile {type(error).__name__}"] += 1

    # -- what steps do ----------------------------------------------------------------

    def _actor(self, task: str, run: str) -> Actor:
        self._tries += 1
        return Actor(task, run_id=run, try_number=self._tries)

    def _run(self, day: HospitalDay, run: str, task: str, **options: Any) -> Run:
        hospital = self.hospital(day.hospital)
        return Run(hospital, day.business_day, self._actor(task, f"{run}__{day}"), **options)

    def _extract(
        self, day: HospitalDay, run: str, *, wrong: str | None = None, breaks_off: bool = False
    ) -> None:
        """Do what `extract` does around the ERP: its own day first, then the others."""
        of_run = self._run(day, run, "extract", is_backfill=run == "backfill")
        with self.ledger.reading() as connection:
            require_extractable(connection, day)
            stale = stale_days(connection, hospital=day.hospital, today=self.today)
        self._stage(of_run, day, wrong=wrong, breaks_off=breaks_off)
        for other in of_run.other_days(stale):
            with suppress(ConfigError):  # as the task does: nobody can tell who was asked then
                with self.ledger.reading() as connection:
                    require_extractable(connection, other)
                self._stage(of_run, other)

    def _stage(
        self, run: Run, day: HospitalDay, *, wrong: str | None = None, breaks_off: bool = False
    ) -> None:
        found = {
            number: one
            for number, one in self.erp.items()
            if day.hospital in one.codes and one.day == day.business_day
        }
        if wrong == "lacking":
            found = dict(sorted(found.items())[:1])
        elif wrong == "surplus":
            found |= surplus(day)
        rows = read_erp(found, day)
        key = run.id, run.actor.try_number or 0, day
        self.watch.readings.contents[key] = Reading(day, found, len(rows))

        def chunks() -> Iterator[Mapping[str, list[str]]]:
            for first in range(0, len(rows), 3):
                yield _columns(rows[first : first + 3])
                if breaks_off:
                    raise SourceUnavailableError("the ERP fails")

        source = run.hospital.source
        stage_extraction(self.ledger, chunks(), source=source, day=day, actor=run.actor)

    def _transform(self, day: HospitalDay, run: str, **options: Any) -> None:
        of_run = self._run(day, run, "transform", **options)
        transform(of_run, ledger=self.ledger, now=self.clock.now)
        with self.ledger.reading() as connection:
            facts = read_facts(connection)
        self.watch.readings.note_applied(facts, self.watch.facts, self.gate)

    def _dispatch(self, code: str, trouble: Trouble, run: str) -> None:
        actor = self._actor("dispatch", f"{run}__{self.today}")
        with self._context(code, actor, trouble) as context:
            dispatch(context, self.today)

    @contextmanager
    def _context(self, code: str, actor: Actor, trouble: Trouble) -> Iterator[DispatchContext]:
        """Open a hospital's dispatch, whose worker never really waits."""
        pauses, begun = 0, self._posts()

        def pause(seconds: float) -> None:
            nonlocal pauses
            pauses += 1
            self.clock.advance(seconds=LEASE if trouble.waits else seconds)

        def stopped() -> bool:
            stop = trouble.stops_after
            return pauses > PAUSES or (stop is not None and self._posts() - begun >= stop)

        hospital = self.hospital(code)
        hospital = hospital.model_copy(update={"requests_per_5_minutes": trouble.budget})
        with track_client(self.api.url, hospital, now=lambda: self.clock.now) as client:
            yield DispatchContext(
                hospital=hospital,
                ledger=self.ledger,
                client=client,
                track_host=self.api.url,
                actor=actor,
                series=f"{actor.run_id}#{actor.try_number}",
                rules=rules_digest(hospital),
                now=lambda: self.clock.now,
                clock=lambda: self.clock.seconds,
                pause=pause,
                stopped=stopped,
            )

    def _end_leases(self) -> None:
        self.clock.advance(seconds=LEASE)

    def _replace_ledger(self, ledger: Ledger) -> None:
        if self.ledger is not ledger and self.ledger is not self._first:
            self.ledger.close()
        self.ledger = ledger
        self._first.engine.dispose()

    def _reopen(self, keys: KeyRing, *, restored: bool = False) -> Ledger:
        """Open the ledger anew, under these keys, as a task or `ledger restored` does."""
        self.ledger.engine.dispose()
        opened = open_ledger_at(self.databases.url("live"), keys, restored=restored)
        self._replace_ledger(opened)
        return opened


def track_client(url: str, hospital: Hospital, *, now: Callable[[], datetime]) -> TrackClient:
    """Make a client as TrackHook does."""
    session = requests.Session()
    session.trust_env = False
    session.auth = BearerAuth(TOKEN)
    return TrackClient(
        session,
        base_url=url,
        organization=ORGANIZATION,
        deadline_seconds=hospital.post_deadline_seconds,
        clock=now,
    )


def _columns(rows: list[ErpRow]) -> dict[str, list[str]]:
    return {name: [row[name] for row in rows] for name in rows[0]}
