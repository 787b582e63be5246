"""How the model takes a step: the shipped code, a desk, Track's troubles, a death, then a look."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from demo.track_api import TrackStandIn
from demo.world import surveys_of
from tests.proof.ledger_erp import BEGINNING, HOSPITALS, SOURCE, Attendance, Where, read
from tests.proof.ledger_trouble import FAULTS, PEACE, Death, KilledError, Trouble, dying
from tests.proof.ledger_watch import Watch
from tests.unit.delivery.bench import track_client
from track_dispatch.delivery.desk import Desk
from track_dispatch.delivery.dispatch import dispatch
from track_dispatch.errors import LedgerError, SourceUnavailableError, TrackDispatchError
from track_dispatch.ledger import schema
from track_dispatch.ledger.doubts import doubts
from track_dispatch.ledger.restoring import require_extractable
from track_dispatch.ledger.schema import moment_in
from track_dispatch.ledger.settling import expire_leases
from track_dispatch.ledger.staging import stage_extraction
from track_dispatch.pipeline.deciding import Order, carry_out, decision
from track_dispatch.pipeline.run import Run
from track_dispatch.pipeline.transforming import transform
from track_dispatch.records import Actor, Unit, Verb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from tests.proof.ledger_places import Places
    from tests.proof.ledger_tally import Tally
    from track_dispatch.config import Hospital
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import ErpRow

#: Seconds that the stand-in has for ending what a killed worker began.
DEADLINE = 30.0


@dataclass
class Workshop:
    """What one sequence works with; `places` holds an "empty" ledger to start from.

    `ledger` is the one that lies at "live". Whoever dies loses its connections; that the next one
    finds the same engine, with the statements it has compiled, only saves time.
    """

    places: Places
    ledger: Ledger
    tally: Tally
    now: datetime = BEGINNING
    erp: dict[str, Attendance | None] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger.close()
        self.places.copy("empty", "live")
        self.api = TrackStandIn(
            surveys=[survey for one in HOSPITALS.values() for survey in surveys_of(one)],
            clock=self._clock,
        ).start()
        self.watch = Watch(self, self.tally)
        self.backup: datetime | None = None
        self.may_go_back = self.has_gone_back = False
        self._during: Callable[[], None] | None = None
        self._mishap: BaseException | None = None
        self._posts_seen = 0
        self._tries = 0
        self.tally.sequences += 1

    def close(self) -> None:
        self.api.stop()
        self.ledger.close()

    def hospital(self, code: str) -> Hospital:
        """Return a hospital under its settings of today."""
        settings = {"batch_size": 2} | self.settings.get(code, {})
        return HOSPITALS[code].model_copy(update=settings)

    def doubts(self) -> list[tuple[str, Unit]]:
        """Return the batches in doubt."""
        with self.ledger.reading() as connection:
            return [(doubt.id, doubt.unit) for doubt in doubts(connection)]

    # -- how a step is taken ---------------------------------------------------------

    @contextmanager
    def _step(self, dies: Death | None = None, **looked: Any) -> Iterator[None]:
        """Take a step, whatever becomes of it, and look."""
        self.tally.steps += 1
        try:
            with dying(self.ledger.engine, dies, lambda: self.api.requests["distributions"]):
                yield
        except LedgerError:
            raise  # nothing is wrong with the database
        except TrackDispatchError as error:
            self.tally.errors[type(error).__name__] += 1
        except KilledError:
            self.tally.kills += 1
            self.ledger.close()
        self._await_track()
        self.watch.look(**looked)

    def _await_track(self) -> None:
        """Let Track end what it has begun, and forget what it was told."""
        ends_at = time.monotonic() + DEADLINE
        while self.api.requests["distributions"] != len(self.api.received):
            assert time.monotonic() < ends_at, "a POST never ended"
            time.sleep(0.001)
        self.api.behave()
        self.api.listen_again()
        self._during = None
        if self._mishap is not None:
            raise self._mishap

    def _clock(self) -> datetime:
        """Tell Track the time; it asks when the headers of a POST have arrived."""
        during, posts = self._during, self.api.requests["distributions"]
        if during is not None and posts > self._posts_seen:
            self._during = None
            try:
                during()
            except BaseException as mishap:  # noqa: BLE001 - raised in the step's own thread
                self._mishap = mishap
        return self.now

    def _arrange(self, trouble: Trouble, unit: Unit) -> None:
        self.api.script(*(FAULTS[name] for name in trouble.script))
        if trouble.spurned is not None:
            number, how = trouble.spurned
            if how == "inside":
                self.api.refuse_in_acceptance({number})
            else:
                self.api.reject({number}, named=how == "named")
        self._posts_seen = self.api.requests["distributions"]
        if (what := trouble.meanwhile) is not None:
            self._during = lambda: self._meanwhile(what, unit)

    def _meanwhile(self, what: str, unit: Unit) -> None:
        where, run = Where(unit.hospital, unit.business_day), "meanwhile"
        try:
            if what == "read again":
                self._stage(where, run, read(sorted(self.erp.items()), where))
                transform(self._run(where, run), ledger=self.ledger, now=self.now)
            elif what == "dispatched twice":
                actor = self._actor("dispatch", run, unit.business_day)
                with self._desk(unit.hospital, actor, PEACE) as desk:
                    dispatch(desk, unit)
            else:
                self._end_leases()
                expire_leases(self.ledger, hospital=unit.hospital, actor=Actor("report"))
                for batch_id, _ in self.doubts() if what in set(Verb) else ():
                    self._decide(Verb(what), Order(batch_id=batch_id))
        except TrackDispatchError as error:
            self.tally.errors[f"meanwhile {type(error).__name__}"] += 1

    def _stage(
        self, where: Where, run: str, rows: list[ErpRow], *, breaks_off: bool = False
    ) -> None:
        """Do what `extract` does around the ERP."""
        with self.ledger.reading() as connection:
            require_extractable(
                connection,
                hospital=where.code,
                business_day=where.day,
                zone=self.hospital(where.code).zone,
            )

        def chunks() -> Iterator[list[ErpRow]]:
            for first in range(0, len(rows), 2):
                yield rows[first : first + 2]
                if breaks_off:
                    raise SourceUnavailableError("the ERP fails")

        actor = self._actor("extract", run, where.day)
        try:
            stage_extraction(
                self.ledger,
                chunks(),
                source=SOURCE,
                hospital=where.code,
                business_day=where.day,
                actor=actor,
            )
        finally:
            self.watch.contents[str(actor.run_id), actor.try_number or 0] = rows

    def _actor(self, task: str, run: str, day: Any) -> Actor:
        self._tries += 1
        return Actor(task, run_id=f"{run}__{day}", try_number=self._tries)

    def _run(self, where: Where, run: str) -> Run:
        hospital = self.hospital(where.code)
        return Run(hospital, where.day, self._actor("transform", run, where.day))

    @contextmanager
    def _desk(self, code: str, actor: Actor, trouble: Trouble) -> Iterator[Desk]:
        """Open a hospital's desk, whose worker never really waits."""
        naps, begun = 0, len(self.api.received)

        def pause(_: float) -> None:
            nonlocal naps
            naps += 1
            if trouble.waits:
                self._end_leases()

        def stopped() -> bool:
            stop = trouble.stops_after
            return naps > 3 or (stop is not None and len(self.api.received) - begun >= stop)

        hospital = self.hospital(code)
        with track_client(self.api.url, deadline=hospital.post_deadline_seconds) as client:
            yield Desk(
                hospital=hospital,
                ledger=self.ledger,
                client=client,
                track_host=self.api.url,
                actor=actor,
                now=lambda: self.now,
                pause=pause,
                stopped=stopped,
                rate_limit=trouble.room,
            )

    def _decide(self, verb: Verb, order: Order, trouble: Trouble = PEACE) -> None:
        self._tries += 1
        self.tally.decisions[verb] += 1
        carry_out(
            order,
            decision(verb, person="ana", why="visto no Track", run_id=f"manual__{self._tries}"),
            ledger=self.ledger,
            open_desk=lambda hospital, actor: self._desk(hospital.code, actor, trouble),
        )

    def _end_leases(self) -> None:
        self.watch.leases_ended = True
        with self.ledger.writing() as connection:
            for table in (schema.lines, schema.batches):
                ended = update(table).where(table.c.lease_until.is_not(None))
                connection.execute(ended.values(lease_until=moment_in(-1)))
