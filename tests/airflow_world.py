"""A hospital's days under Airflow in this process: real DAG, driver, sockets and database.

`AirflowWorld` does what a scheduler and a worker do, one task after the other: it creates runs of
any kind, works them off, clears tasks and works them off again. A retry's delay is not waited for.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airflow import settings
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import clear_task_instances
from airflow.models.trigger import handle_event_submit
from airflow.sdk.definitions.context import _AIRFLOW_PARSING_CONTEXT_DAG_ID
from airflow.sdk.definitions.dag import _run_task
from airflow.serialization.serialized_objects import DagSerialization
from airflow.triggers.base import TriggerEvent
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select, text

from demo.run import dag_bag
from track_dispatch.hooks.ledger import open_ledger
from track_dispatch.ledger.views import day_counts
from track_dispatch.records import HospitalDay

if TYPE_CHECKING:
    from airflow.sdk import DAG
    from airflow.serialization.definitions.dag import SerializedDAG

    from demo.world import World
    from stand_ins.oracle import OracleStandIn
    from stand_ins.track_api import TrackStandIn
    from track_dispatch.ledger.keys import KeyRing

_numbers = count(1)


@dataclass(frozen=True)
class Played:
    """A run as it stands after its tasks were worked off.

    Attributes:
        state: its colour, `success` or `failed`; `running` while a task waits for its next try.
        tasks: states by task; None: not begun.
        errors: what tasks raised this time, by task.
    """

    dag_id: str
    run_id: str
    state: str
    tasks: dict[str, str | None]
    errors: dict[str, BaseException] = field(default_factory=dict, compare=False)

    def said(self, task_id: str) -> str:
        """Return the message of a task's error; "" where there was none."""
        return str(self.errors.get(task_id, ""))


@dataclass
class AirflowWorld:
    """The stand-ins and the Airflow that runs over them, with a fresh ledger.

    Attributes:
        stand_ins: ERPs and Track, which the environment's Airflow connections lead to.
        errors: what tasks raised, in all runs.
    """

    stand_ins: World
    errors: list[BaseException] = field(default_factory=list)

    @property
    def track(self) -> TrackStandIn:
        """Track, to be scripted and asked what it received."""
        return self.stand_ins.track

    def erp(self, source: str = "hms") -> OracleStandIn:
        """Return the ERP of a source."""
        return self.stand_ins.erps[source]

    def run_day(
        self,
        code: str,
        day: date,
        *,
        kind: str = "manual",
        retries: int | None = 0,
        conf: dict[str, Any] | None = None,
        run_after: datetime | None = None,
        marked: Mapping[str, str] | None = None,
        before: str | None = None,
    ) -> Played:
        """Create a run of a hospital's day and work it off.

        Args:
            code: the hospital's.
            day: the business day.
            kind: `manual` (the day is the Param's), `scheduled` or `backfill` (the day is the
                logical date's).
            retries: those of each task; None leaves the DAG's, and a task that waits for its next
                try stays `up_for_retry`.
            conf: instead of the Param `business_day`.
            run_after: when the run may start; by default 9:00 of the next day.
            marked: states by task id, which the tasks get instead of being run.
            before: a task; it is not begun, and the run stays there until `go_on`.
        """
        hospital = next(one for one in self.stand_ins.hospitals if one.code == code)
        local = datetime.combine(day, datetime.min.time(), hospital.zone).replace(hour=9)
        if kind == "manual" and conf is None:
            conf = {"business_day": day.isoformat()}
        logical_date = None if kind == "manual" else local.astimezone(UTC)
        return self.run(
            hospital.dag_id,
            kind=kind,
            retries=retries,
            conf=conf,
            run_after=run_after or (local + timedelta(days=1)).astimezone(UTC),
            logical_date=logical_date,
            marked=marked,
            before=before,
        )

    def run(
        self,
        dag_id: str,
        *,
        kind: str = "manual",
        retries: int | None = 0,
        conf: dict[str, Any] | None = None,
        run_after: datetime,
        logical_date: datetime | None = None,
        marked: Mapping[str, str] | None = None,
        before: str | None = None,
        by: str | None = None,
    ) -> Played:
        """Create a run of a DAG and work it off.

        The arguments are those of `run_day`; `by` is the user who triggers it.
        """
        interval = (logical_date, run_after) if logical_date else None
        created = scheduled_dag(parsed_dag(dag_id)).create_dagrun(
            run_id=f"{kind}__{run_after.isoformat()}_{next(_numbers)}",
            logical_date=logical_date,
            data_interval=interval,
            run_after=run_after,
            conf=conf,
            run_type=DagRunType(kind),
            triggered_by=DagRunTriggeredByType.TEST,
            triggering_user_name=by,
            state=DagRunState.RUNNING,
            start_date=run_after,
            session=settings.Session(),
        )
        settings.Session().commit()
        return self._work_off(created, retries=retries, marked=marked or {}, before=before)

    def go_on(self, run: Played) -> Played:
        """Work off what a run that stopped `before` a task has left."""
        return self._work_off(self._dag_run(run))

    def clear(self, run: Played, *task_ids: str, retries: int | None = 0) -> Played:
        """Clear tasks of a run (all, if none is named) and work it off again.

        Like the UI's dialog it clears what is named and no more: name the downstream tasks too.
        """
        session = settings.Session()
        found = self._dag_run(run)
        cleared = [
            ti
            for ti in found.get_task_instances(session=session)
            if not task_ids or ti.task_id in task_ids
        ]
        clear_task_instances(cleared, session, dag_run_state=DagRunState.RUNNING)
        session.commit()
        return self._work_off(found, retries=retries)

    def clear_from(self, run: Played, task_id: str) -> Played:
        """Clear a task with everything downstream, as the UI offers first, and work it off."""
        downstream = parsed_dag(run.dag_id).get_task(task_id).get_flat_relative_ids(upstream=False)
        return self.clear(run, task_id, *downstream)

    def answer(self, run: Played, option: str, *, by: str | None) -> Played:
        """Answer what a run asks, as a person in the UI or (`by` nobody) the scheduler's sweep."""
        session = settings.Session()
        found = self._dag_run(run)
        for ti in found.get_task_instances(session=session):
            if ti.state == TaskInstanceState.AWAITING_INPUT:
                detail = session.get_one(HITLDetail, ti.id)
                detail.chosen_options = [option]
                detail.responded_at = datetime.now(UTC)
                detail.responded_by = {"id": by, "name": by} if by else None
                event = TriggerEvent(detail.as_resume_event_payload(timedout=by is None))
                handle_event_submit(event, task_instance=ti, session=session)
        session.commit()
        return self._work_off(found)

    def end_wait(self, run: Played, *, after: timedelta) -> Played:
        """Go on with tasks that wait for a moment, as if they had waited so long; no limit spared.

        The scheduler's own sweep sees the moments of the wait first, then the trigger fires.
        """
        session = settings.Session()
        found = self._dag_run(run)
        for ti in found.get_task_instances(session=session):
            if ti.state == TaskInstanceState.DEFERRED:
                ti.start_date -= after
                ti.trigger_timeout = ti.trigger_timeout and ti.trigger_timeout - after
        session.commit()
        SchedulerJobRunner(job=Job()).check_trigger_timeouts(session=session)
        session.expire_all()
        for ti in found.get_task_instances(session=session):
            if ti.state == TaskInstanceState.DEFERRED:
                handle_event_submit(TriggerEvent(None), task_instance=ti, session=session)
        session.commit()
        return self._work_off(found)

    def retry(self, run: Played) -> Played:
        """Work off the next tries of tasks that are waiting for them, without the wait."""
        session = settings.Session()
        found = self._dag_run(run)
        for ti in found.get_task_instances(session=session):
            if ti.state == TaskInstanceState.UP_FOR_RETRY:
                ti.end_date -= timedelta(days=1)
        session.commit()
        return self._work_off(found, retries=None)

    def report(self, run: Played) -> dict[str, int]:
        """Return what the run's `report` returned; empty if it failed."""
        session = settings.Session()
        ti = self._dag_run(run).get_task_instance("report", session=session)
        return dict(ti.xcom_pull(task_ids="report", session=session) or {})

    def tries(self, run: Played) -> dict[str, int]:
        """Return how often each task of a run was begun, of those that were."""
        found = self._dag_run(run).get_task_instances(session=settings.Session())
        return {ti.task_id: ti.try_number for ti in found if ti.try_number}

    def lines(self, code: str, day: date) -> dict[str, int]:
        """Count a day's lines in the ledger: `accepted`, `excluded(no_contact)`, ..."""
        wanted = HospitalDay(code, day)
        with open_ledger() as ledger, ledger.reading() as connection:
            counts = day_counts(connection, [wanted])
        found: Counter[str] = Counter()
        for one in counts[wanted]:
            found[f"{one.state}({one.reason})" if one.reason else str(one.state)] += one.lines
        return dict(found)

    def alter_ledger(self, statement: str) -> None:
        """Change the ledger by SQL behind the product's back."""
        with open_ledger() as ledger, ledger.writing() as connection:
            connection.execute(text(statement))

    def _dag_run(self, run: Played) -> DagRun:
        session = settings.Session()
        session.expire_all()
        return session.scalars(
            select(DagRun).where(DagRun.dag_id == run.dag_id, DagRun.run_id == run.run_id)
        ).one()

    def _work_off(
        self,
        run: DagRun,
        *,
        retries: int | None = 0,
        marked: Mapping[str, str] = MappingProxyType({}),
        before: str | None = None,
    ) -> Played:
        """Schedule and run tasks until nothing can start: what `dag.test()` does, without waits."""
        session = settings.Session()
        dag = parsed_dag(run.dag_id)
        run.dag = scheduled_dag(dag)
        errors: dict[str, BaseException] = {}
        seen = None
        while run.state == DagRunState.RUNNING and seen != (seen := self._seen(run)):
            session.expire_all()
            due, _ = run.update_state(session=session)
            for ti in due:
                ti.try_number += 1
                ti.state = TaskInstanceState.SCHEDULED
                if retries is not None:
                    ti.max_tries = ti.try_number - 1 + retries
            session.commit()
            for ti in run.get_task_instances(session=session):
                if ti.state != TaskInstanceState.SCHEDULED or ti.task_id == before:
                    continue
                if ti.task_id in marked:
                    ti.set_state(TaskInstanceState(marked[ti.task_id]), session=session)
                    continue
                done = _run_task(ti=ti, task=dag.get_task(ti.task_id))
                if done is None or done.error is not None:
                    errors[ti.task_id] = (done and done.error) or RuntimeError("Airflow broke off")
        session.expire_all()
        self.errors += errors.values()
        return replace(self._seen(run), errors=errors)

    def _seen(self, run: DagRun) -> Played:
        found = run.get_task_instances(session=settings.Session())
        tasks = {ti.task_id: None if ti.state is None else str(ti.state) for ti in found}
        return Played(run.dag_id, run.run_id, str(run.state), tasks)


def parsed_dag(dag_id: str) -> DAG:
    """Parse the DAG anew, as each worker does: the Params of a run stay in the object it ran on."""
    with parsing_for(dag_id):
        return dag_bag().dags[dag_id]


@contextmanager
def parsing_for(dag_id: str) -> Iterator[None]:
    """Let DAG files be parsed for a task of one DAG; Airflow's own way does not end."""
    os.environ[_AIRFLOW_PARSING_CONTEXT_DAG_ID] = dag_id
    try:
        yield
    finally:
        del os.environ[_AIRFLOW_PARSING_CONTEXT_DAG_ID]


def scheduled_dag(dag: DAG) -> SerializedDAG:
    """Return a DAG as a scheduler has it."""
    return DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))


def ledger_connection(path: Path, keys: KeyRing) -> str:
    """Return the Airflow connection to an SQLite ledger at `path`."""
    return json.dumps(
        {"conn_type": "sqlite", "host": str(path), "extra": keys.model_dump(mode="json")}
    )
