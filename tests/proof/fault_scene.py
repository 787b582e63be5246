"""A hospital's day between its ERP and Track, worked off task by task, with a fault in the middle.

The functions are those that the tasks call, over Airflow's own connections, the real driver and
real sockets; what Airflow would do about an error is asked of the tasks' own retry policy.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import RetryAction
from sqlalchemy import select

from demo.world import erp_server, oracle_connection, track_connection
from stand_ins.erp_data import erp_sql
from stand_ins.oracle import OracleStandIn
from tests.proof.fault_outcomes import NOW
from tests.proof.fault_terms import Day
from tests.proof.faulty_network import HOST, Names
from tests.unit.ledger.steps import Steps
from track_dispatch.config import load_hospital, rules_digest
from track_dispatch.delivery.client import TrackClient
from track_dispatch.delivery.context import DispatchContext
from track_dispatch.delivery.dispatch import dispatch
from track_dispatch.errors import TrackDispatchError
from track_dispatch.hooks.track import TrackHook, track_host
from track_dispatch.ledger import schema
from track_dispatch.ledger.envelopes import envelope_of
from track_dispatch.ledger.in_doubt import expire_leases
from track_dispatch.operators import TrackRetryPolicy
from track_dispatch.pipeline import Run
from track_dispatch.pipeline.decide import Order, carry_out, make_decision
from track_dispatch.pipeline.extract import extract
from track_dispatch.pipeline.report import report
from track_dispatch.pipeline.transform import transform
from track_dispatch.records import Actor
from track_dispatch.states import WAITING, Verb

if TYPE_CHECKING:
    import pytest
    from sqlalchemy import Row

    from stand_ins.track_api import TrackStandIn
    from track_dispatch.config import Hospital
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.pipeline.report import Report

HOSPITAL = load_hospital("HMS")
DAYS = {day: date(2026, 3, 4) + timedelta(days=number) for number, day in enumerate(Day)}
PATIENTS = {Day.ONE: 1, Day.NINE: 9, Day.HUNDRED: 100, Day.LONG: 2100, Day.TWO_UNITS: 9}
TASKS = ("extract", "transform", "dispatch", "report")

#: How many of them have an e-mail address; the others have a telephone.
BY_EMAIL = {**PATIENTS, Day.TWO_UNITS: 6}
#: Patients of the emergency room; the first is number `first`.
_FILL = """
insert into dbamv.paciente (cd_paciente, nm_paciente, email, nr_ddd_celular, nr_celular)
select
  n, 'PLANTADA' || n || ' DA SILVA',
  case when n < {first} + {by_email} then 'plantada' || n || '@example.com' end,
  case when n >= {first} + {by_email} then '27' end,
  case when n >= {first} + {by_email} then cast(999000000 + n as varchar) end
from range({first}, {first} + {patients}) as r(n);
insert into dbamv.atendime (
  cd_atendimento, cd_paciente, cd_multi_empresa, tp_atendimento,
  dt_atendimento, hr_atendimento, dt_alta, hr_alta
)
select
  72000000000 + n, n, 1, 'U',
  timestamp '{day}', timestamp '{day} 09:00:00', timestamp '{day}', timestamp '{day} 11:00:00'
from range({first}, {first} + {patients}) as r(n);
"""


def erp() -> OracleStandIn:
    """Return the hospital's ERP with the patients of all days."""
    filled = "".join(
        _FILL.format(
            first=10_000 * (number + 1),
            patients=PATIENTS[day],
            by_email=BY_EMAIL[day],
            day=DAYS[day],
        )
        for number, day in enumerate(Day)
    )
    return erp_server(erp_sql("hms", days=[]) + filled)


@dataclass(frozen=True)
class Seen:
    """What a run of some tasks shows: the error that stopped it, and the report."""

    error: TrackDispatchError | None
    report: Report

    @property
    def airflow(self) -> str | None:
        """What Airflow does about the error: `retry`, `retry in 90 s`, `fail`."""
        if self.error is None:
            return None
        decision = TrackRetryPolicy().evaluate(self.error, 1, 3)
        if decision.action is not RetryAction.RETRY:
            return str(decision.action.value)
        delay = decision.retry_delay
        return "retry" if delay is None else f"retry in {delay.total_seconds():g} s"


@dataclass
class Scene:
    """One hospital's day.

    Attributes:
        deadline: for one whole request to Track, in seconds.
        call_timeout: for one round trip to the ERP, in seconds.
        tries: how often tasks were worked off.
        told: what errors and reports said.
    """

    ledger: Ledger
    erp: OracleStandIn
    api: TrackStandIn
    patch: pytest.MonkeyPatch
    folder: Path
    day: Day
    batch_size: int
    deadline: int
    call_timeout: float = 30.0
    tries: int = 0
    told: list[str] = field(default_factory=list)
    names: Names = field(init=False)

    def __post_init__(self) -> None:
        self.names = Names((self.api.host, self.api.port))
        self.patch.setattr("socket.getaddrinfo", self.names)
        self.connect_erp()
        self.connect_track()

    # -- Airflow's side ------------------------------------------------------------

    @property
    def hospital(self) -> Hospital:
        """The hospital, with the scene's policies."""
        changes = {
            "batch_size": self.batch_size,
            "post_deadline_seconds": self.deadline,
            "look_back_days": 0,  # a fault meets one day
        }
        return HOSPITAL.model_copy(update=changes)

    def connect_erp(self, **changes: Any) -> None:
        """Set the Airflow connection to the ERP."""
        connection = json.loads(oracle_connection(self.erp.port)) | changes
        self.patch.setenv("AIRFLOW_CONN_ORACLE_HMS", json.dumps(connection))

    def connect_track(self, **changes: Any) -> None:
        """Set the Airflow connection to Track."""
        url = f"http://{HOST}:{self.api.port}"
        connection = json.loads(track_connection(url)) | changes
        self.patch.setenv("AIRFLOW_CONN_TRACK_API", json.dumps(connection))

    def work_off(self, *tasks: str) -> Seen:
        """Run tasks in order; after one that fails only `report` is run, as Airflow does."""
        self.tries += 1
        error: TrackDispatchError | None = None
        for task in tasks:
            try:
                if error is None and task != "report":
                    self._run(task)
            except TrackDispatchError as raised:
                error = raised
        seen = Seen(error, report(self._as("report"), ledger=self.ledger, now=NOW))
        self.told += [str(error), *seen.report.text()]
        return seen

    def clear(self, task: str) -> Seen:
        """Clear a task with everything downstream, and let it be worked off."""
        return self.work_off(*TASKS[TASKS.index(task) :])

    def _as(self, task: str) -> Run:
        actor = Actor(task, run_id="manual__matrix", try_number=self.tries)
        return Run(self.hospital, DAYS[self.day], actor)

    def _run(self, task: str) -> None:
        run = self._as(task)
        if task == "extract":
            extract(
                run,
                ledger=self.ledger,
                track_host=track_host(),
                now=NOW,
                call_timeout_seconds=self.call_timeout,
            )
        elif task == "transform":
            transform(run, ledger=self.ledger, now=NOW)
        else:
            self._dispatch(run)

    def _dispatch(self, run: Run) -> None:
        """Dispatch as the operator does, at the moment NOW."""
        hook = TrackHook()
        with TrackClient(
            hook.get_conn(),
            base_url=hook.base_url,
            organization=hook.get_connection("track_api").login or "",
            deadline_seconds=run.hospital.post_deadline_seconds,
            clock=lambda: NOW,
        ) as client:
            context = DispatchContext(
                hospital=run.hospital,
                ledger=self.ledger,
                client=client,
                track_host=hook.base_url,
                actor=run.actor,
                series=f"{run.id}#{self.tries}",  # each is a clear
                rules=rules_digest(run.hospital),
                now=lambda: NOW,
                pause=lambda _: None,
            )
            dispatch(context, run.business_day)

    def decide_as_it_was(self) -> None:
        """Look at Track, as a person does, and decide each batch in doubt by what is there."""
        Steps(self.ledger).end_leases()
        expire_leases(self.ledger, actor=Actor("report"))
        accepted = self.api.accepted_ids()
        for batch in self.rows("batches"):
            if batch.state != "in_doubt":
                continue
            lines = [row for row in self.rows("lines") if row.batch == batch.id]
            is_there = {row.attendance_id in accepted for row in lines}
            assert len(is_there) == 1, "Track accepted a part of a batch"
            verb = Verb.SETTLE_SENT if is_there.pop() else Verb.SETTLE_UNSENT
            decision = make_decision(verb, decided_by="ana", why="conferido no painel do Track")
            carry_out(Order(batch=batch.id), decision, ledger=self.ledger, now=NOW)

    # -- what is there afterwards ---------------------------------------------------

    def rows(self, table: str) -> list[Row[Any]]:
        """Return the rows of a table of the ledger."""
        with self.ledger.reading() as connection:
            return list(connection.execute(select(getattr(schema, table))))

    def lines(self) -> dict[str, str]:
        """Return the state of each attendance, or the kind of its refusal; in the day's order."""
        found = sorted(self.rows("lines"), key=lambda row: row.id)
        return {row.attendance_id: row.reason or row.state for row in found}

    def batches(self) -> Counter[str]:
        """Count batches by state."""
        return Counter(row.state for row in self.rows("batches"))

    def kept_payloads(self) -> list[bool]:
        """Tell of each envelope with patients' data whether somebody of it waits."""
        waiting = {envelope_of(row.address) for row in self.rows("lines") if row.state in WAITING}
        return [row.id in waiting for row in self.rows("envelopes") if row.payload is not None]

    def patients(self) -> list[str]:
        """Return the attendances of the day as the ERP has them."""
        found = self.erp.execute(
            "select cast(cd_atendimento as varchar) from dbamv.atendime where dt_alta = ?",
            [DAYS[self.day]],
        )
        return [id_ for (id_,) in found]
