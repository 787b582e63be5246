"""What Airflow's components leave in its database, written in their place: none runs in a test."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any


class AirflowInDatabase:
    """The rows of an Airflow whose parts all run; a test spoils what it wants."""

    COMPONENTS = ("SchedulerJob", "DagProcessorJob", "TriggererJob")
    OPERATIONS = ("track_decide", "track_doctor", "track_housekeeping", "track_morning")

    def at(self, now: datetime, dags: Iterable[str] = ("track_hms",)) -> None:
        """Let everything run at a moment, with these hospitals' DAGs."""
        self.clear()
        for kind in self.COMPONENTS:
            self.heartbeat(kind, now - timedelta(seconds=3))
        for dag_id in (*self.OPERATIONS, *dags):
            self.dag(dag_id)

    def heartbeat(self, kind: str, at: datetime) -> None:
        """Let a component have given its last sign of life then."""
        from airflow.jobs.job import Job  # noqa: PLC0415 - imports Airflow

        job = Job(job_type=kind, state="running")
        job.latest_heartbeat = at
        self._write(job)

    def stop(self, kind: str) -> None:
        """Let a component have been stopped."""
        self._run("update job set state = 'success' where job_type = :kind", kind=kind)

    def freeze(self, kind: str, at: datetime) -> None:
        """Let a component hang since then."""
        self._run("delete from job where job_type = :kind", kind=kind)
        self.heartbeat(kind, at)

    def dag(self, dag_id: str, *, is_paused: bool = False) -> None:
        """Let the DAG processor have found a DAG."""
        from airflow.models.dag import DagModel  # noqa: PLC0415 - imports Airflow

        self._run(
            "insert into dag_bundle (name, active) select 'dags-folder', 1"
            " where not exists (select 1 from dag_bundle where name = 'dags-folder')"
        )
        self._write(
            DagModel(dag_id=dag_id, bundle_name="dags-folder", is_paused=is_paused, is_stale=False)
        )

    def pause(self, dag_id: str) -> None:
        """Let somebody have paused a DAG."""
        self._run("update dag set is_paused = 1 where dag_id = :dag_id", dag_id=dag_id)

    def lose(self, dag_id: str) -> None:
        """Let the DAG processor find a DAG no more."""
        self._run("update dag set is_stale = 1 where dag_id = :dag_id", dag_id=dag_id)

    def import_error(self, file: str) -> None:
        """Let a DAG file have failed."""
        from airflow.models.errors import ParseImportError  # noqa: PLC0415 - imports Airflow

        self._write(
            ParseImportError(filename=file, bundle_name="dags-folder", stacktrace="planted-secret")
        )

    def clear(self) -> None:
        """Take all of it back."""
        self._run("delete from job")
        self._run("delete from import_error")
        self._run("delete from dag where dag_id like 'track%'")

    @staticmethod
    def _write(row: Any) -> None:
        from airflow.utils.session import create_session  # noqa: PLC0415 - imports Airflow

        with create_session() as session:
            session.merge(row)

    @staticmethod
    def _run(statement: str, **values: Any) -> None:
        from airflow.utils.session import create_session  # noqa: PLC0415 - imports Airflow
        from sqlalchemy import text  # noqa: PLC0415 - with it

        with create_session() as session:
            session.execute(text(statement), values)
