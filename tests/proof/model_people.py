"""The steps of the model that people take: decisions, opt-outs, keys, backups."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from tests.proof.model_erp import CODES, MONDAY
from tests.proof.model_rig import Rig
from track_dispatch.errors import ConfigError, LinesInFlightError, TrackDispatchError
from track_dispatch.ledger import schema
from track_dispatch.ledger.approvals import release_day
from track_dispatch.ledger.backups import restore
from track_dispatch.ledger.decisions import Decision, decide_batch, retry_refused
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.ledger.keys import KeyRing, new_keys
from track_dispatch.ledger.privacy import add_optouts, erase_person
from track_dispatch.ledger.sql import moment_in
from track_dispatch.ledger.stop_switch import resume_service
from track_dispatch.records import Actor, HospitalDay
from track_dispatch.states import BatchState, Verb

if TYPE_CHECKING:
    from tests.proof.model_coverage import Coverage
    from tests.proof.model_databases import Databases
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.records import Channel

#: The day that most of the sequences are about, and the hospital.
DAY = HospitalDay(CODES[0], MONDAY)


class People(Rig):
    """Who runs the installation, and who asks not to be asked."""

    def __init__(self, databases: Databases, ledger: Ledger, coverage: Coverage) -> None:
        super().__init__(databases, ledger, coverage)
        self.backup: datetime | None = None
        self._keys_of_backup: KeyRing = ledger.keys
        self.may_go_back = False

    def end_leases(self, code: str | None = None) -> None:
        """Let every lease be over, and somebody look."""
        self._end_leases()
        with self._step():
            expire_leases(self.ledger, hospital=code, actor=Actor("report"))

    # -- people ----------------------------------------------------------------------

    def decide_batch(self, batch: str, day: HospitalDay, *verbs: Verb) -> None:
        """Let a person decide about a batch; with several verbs, several at once."""
        with self._step():
            self._decide_at_once([self._deciding(batch, verb) for verb in verbs])

    def decide_about_a_doubt(self, pick: int, verbs: tuple[Verb, ...]) -> None:
        """Let a person, or several at once, decide about one of the batches in doubt."""
        self.end_leases()
        found = self.doubts()
        if found:
            batch, day = found[pick % len(found)]
            self.decide_batch(batch, day, *verbs)

    def decide(self, verb: Verb) -> None:
        """Let a person decide alike about everything in doubt."""
        for batch, day in self.doubts():
            self.decide_batch(batch, day, verb)

    def reopen_accepted(self) -> None:
        """Let a person say of the last batch accepted that Track never processed it."""
        settled = self._settled_batches()
        if settled:
            with self._step():
                self._deciding(settled[-1], Verb.REOPEN_ACCEPTED)()

    def retry_refused(self, day: HospitalDay = DAY) -> None:
        """Let a person say that what Track refused was mended."""
        with self._step():
            retry_refused(self.ledger, day, self._decision(Verb.RETRY_REFUSED), today=self.today)

    def release(self, day: HospitalDay = DAY) -> None:
        """Let a person release what is held of a day."""
        hours = self.hospital(day.hospital).extraction_max_age_hours
        decision = self._decision(Verb.RELEASE)
        with self._step():
            release_day(self.ledger, day, decision, max_age_hours=hours, today=self.today)

    def resume_if_stopped(self) -> None:
        """Open the switch where it is closed."""
        if self.watch.stopped:
            self.resume()

    def resume(self) -> None:
        """Open the switch."""
        with self._step():
            resume_service(self.ledger, self._decision(Verb.RESUME))

    def opt_out(self, number: str, channel: Channel | None = None) -> None:
        """Let the patient of an attendance ask not to be asked; None: by no channel."""
        with self._step():
            self._opt_out(number, channel)

    def erase(self, number: str) -> None:
        """Let the patient of an attendance ask for erasure."""
        found = self.erp.get(number)
        if found is None or not (values := found.patient(number).values):
            return
        with self._step():
            decision = self._decision(Verb.ERASE)
            erase_person(self.ledger, values, decision, today=self.today)
            self._note_opt_out(values, None)

    # -- keys ------------------------------------------------------------------------

    def add_key(self) -> None:
        """Put new keys before the ones in use."""
        keys, new = self.ledger.keys, new_keys()
        with self._step():
            self._reopen(
                KeyRing(
                    ledger_id=keys.ledger_id,
                    payload_secrets=(*new.payload_secrets, *keys.payload_secrets),
                    identity_secrets=(*new.identity_secrets, *keys.identity_secrets),
                )
            )

    def drop_key(self) -> bool:
        """Leave the oldest identity key out; return whether the ledger opens without it."""
        keys = self.ledger.keys
        if len(keys.identity_secrets) == 1:
            return False
        with self._step():
            try:
                self._reopen(
                    KeyRing(
                        ledger_id=keys.ledger_id,
                        payload_secrets=keys.payload_secrets,
                        identity_secrets=keys.identity_secrets[:-1],
                    )
                )
            except ConfigError:
                return False
            self.coverage.rotated += 1
        return True

    # -- backups ---------------------------------------------------------------------

    def back_up(self) -> None:
        """Copy the whole database."""
        with self.ledger.reading() as connection:
            self.backup = connection.execute(select(moment_in())).scalar_one()
        self.ledger.engine.dispose()
        self.databases.copy("live", "backup")
        self._keys_of_backup = self.ledger.keys
        self.may_go_back = True
        self.watch.remember()

    def put_back_if_backed_up(self, *, fails_over: bool) -> None:
        """Put the last copy back, once."""
        if self.may_go_back:
            self.put_back(fails_over=fails_over)

    def put_back(self, *, fails_over: bool = False) -> None:
        """Put the copy back and say so, as the operator must.

        Args:
            fails_over: it is a standby that took over; nobody opens it before it is declared.
        """
        assert self.backup is not None
        self.clock.advance(minutes=10)
        self.ledger.engine.dispose()
        self.databases.copy("backup", "live")
        self.clock.advance()
        self.may_go_back = False
        self.coverage.restored += 1
        self.watch.go_back()
        if fails_over and self.ledger.on_postgresql:
            self._be_another_server()
        self._reopen(self.ledger.keys, restored=True)
        with self._step():
            restore(self.ledger, as_of=self.backup, decision=self._decision(Verb.RESTORED))
        self._reopen(self.ledger.keys)

    def _be_another_server(self) -> None:
        """Let the ledger remember another timeline than its server has."""
        ledger = schema.ledger
        with self.ledger.writing() as connection:
            connection.execute(update(ledger).values(timeline=ledger.c.timeline + 1))
        try:
            self._reopen(self.ledger.keys)
        except ConfigError:
            return
        raise AssertionError("a ledger on another server was opened")

    # -- how it is done ----------------------------------------------------------------

    def _decision(self, verb: Verb) -> Decision:
        self._tries += 1
        self.coverage.decisions[verb] += 1
        return Decision(verb, "ana", "visto no Track", run_id=f"manual__{self._tries}")

    def _deciding(self, batch: str, verb: Verb) -> Callable[[], None]:
        decision = self._decision(verb)
        return lambda: self._carry_out(batch, decision)

    def _carry_out(self, batch: str, decision: Decision) -> None:
        decide_batch(self.ledger, batch, decision, today=self.today)

    def _decide_at_once(self, deciding: list[Callable[[], None]]) -> None:
        """Let one of several people win; the others are told."""
        if len(deciding) == 1:
            deciding[0]()
            return
        start = Barrier(len(deciding))

        def decide(act: Callable[[], None]) -> TrackDispatchError | None:
            start.wait(30)
            try:
                act()
            except (ConfigError, LinesInFlightError) as error:
                return error
            return None

        with ThreadPoolExecutor(len(deciding)) as pool:
            told = [error for error in pool.map(decide, deciding) if error is not None]
        early = all(isinstance(error, LinesInFlightError) for error in told)
        assert len(told) == len(deciding) - 1 or early, "two people decided about one batch"

    def _opt_out(self, number: str, channel: Channel | None = None) -> None:
        found = self.erp.get(number)
        values = found.patient(number).values if found is not None else frozenset()
        if values:
            decision = self._decision(Verb.OPT_OUT)
            add_optouts(self.ledger, [(values, channel)], source="balcão", decision=decision)
            self._note_opt_out(values, channel)

    def _note_opt_out(self, values: frozenset[str], channel: Channel | None) -> None:
        with self.ledger.reading() as connection:
            last_event = connection.scalar(select(func.max(schema.events.c.id))) or 0
        self.watch.readings.note_opt_out(last_event, values, channel)

    def _settled_batches(self) -> list[str]:
        batches = schema.batches
        settled = select(batches.c.id).where(batches.c.state == BatchState.SETTLED)
        return self._scalars(settled.order_by(batches.c.changed_at))

    def _scalars(self, query: Any) -> list[Any]:
        with self.ledger.reading() as connection:
            return list(connection.scalars(query))
