"""Runs of DAGs in this process, which leave in Airflow what live ones would.

Unlike `dag.test()`: a run may be a scheduled one or a person's, what its tasks log stands where the
UI looks for it, and a task that waits for a person ends the work instead of blocking it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow import settings
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import sync_bag_to_db
from airflow.models.dagrun import DagRun
from airflow.sdk.definitions.dag import _run_task
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.log.file_task_handler import FileTaskHandler
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType

from demo.run import dag_bag, printing_to

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance
    from airflow.sdk import DAG
    from airflow.serialization.definitions.dag import SerializedDAG


class InProcess:
    """The project's DAGs, known to Airflow's database as after a DAG processor's round.

    Args:
        logs: Airflow's folder of task logs.
    """

    def __init__(self, logs: Path) -> None:
        DagBundlesManager().sync_bundles_to_db()
        bag = dag_bag()
        sync_bag_to_db(bag, "dags-folder", None)
        self._dags: Mapping[str, DAG] = bag.dags
        self._logs = logs
        self._names = FileTaskHandler(str(logs))

    def scheduled(self, dag_id: str) -> SerializedDAG:
        """Return a DAG as a scheduler has it."""
        return DagSerialization.deserialize_dag(DagSerialization.serialize_dag(self._dags[dag_id]))

    def run_scheduled(self, dag_id: str, *, before: datetime) -> str:
        """Run the last interval that is over `before` a moment as the schedule would have."""
        dag = self.scheduled(dag_id)
        interval = dag.timetable.infer_manual_data_interval(run_after=before)
        return self._run(
            dag,
            DagRunType.SCHEDULED,
            run_after=interval.end,
            logical_date=interval.start,
            data_interval=interval,
            triggered_by=DagRunTriggeredByType.TIMETABLE,
        )

    def run_by_hand(self, dag_id: str, conf: Mapping[str, Any], *, by: str, at: datetime) -> str:
        """Run a DAG as a person triggers it in the UI."""
        return self._run(
            self.scheduled(dag_id),
            DagRunType.MANUAL,
            run_after=at,
            logical_date=None,
            conf=dict(conf),
            triggered_by=DagRunTriggeredByType.UI,
            triggering_user_name=by,
        )

    def _run(
        self, dag: SerializedDAG, kind: DagRunType, *, run_after: datetime, **more: Any
    ) -> str:
        """Create a run and work it off; return its state, `running` where it waits for a person."""
        session = settings.Session()
        run = dag.create_dagrun(
            run_id=DagRun.generate_run_id(
                run_type=kind, logical_date=more["logical_date"], run_after=run_after
            ),
            run_type=kind,
            run_after=run_after,
            state=DagRunState.RUNNING,
            session=session,
            **more,
        )
        session.commit()
        run.dag = dag
        while run.state == DagRunState.RUNNING:
            session.expire_all()
            due, _ = run.update_state(session=session)
            for task in due:
                task.try_number += 1
                task.state = TaskInstanceState.SCHEDULED
            session.commit()
            if not due:
                break
            for task in due:
                with self._log_of(task):
                    _run_task(ti=task, task=self._dags[dag.dag_id].get_task(task.task_id))
        session.expire_all()
        return str(run.state)

    @contextmanager
    def _log_of(self, task: TaskInstance) -> Iterator[None]:
        """Let all that is printed stand in a task's log."""
        path = self._logs / self._names._render_filename(task, task.try_number)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as log, printing_to(log):
            yield
