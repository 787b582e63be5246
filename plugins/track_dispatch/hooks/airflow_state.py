"""Read Airflow's own database, configuration and pools, outside any task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from airflow.configuration import conf
from airflow.executors.executor_loader import ExecutorLoader
from airflow.jobs.job import Job, health_check_threshold
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.errors import ParseImportError
from airflow.models.pool import Pool
from airflow.utils.session import create_session
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

import track_dispatch
from track_dispatch.config import include_dir, working_hospitals
from track_dispatch.connections import ask_airflow
from track_dispatch.errors import ConfigError
from track_dispatch.hooks.ledger import DISTRIBUTED

T = TypeVar("T")

#: Types of the jobs that an Airflow needs running, as its database names them.
COMPONENTS = ("SchedulerJob", "DagProcessorJob", "TriggererJob")


@dataclass(frozen=True, slots=True)
class AirflowState:
    """What Airflow's database says at one moment.

    Attributes:
        heartbeats: of each component, the latest of those that run; aware.
        paused: of each DAG that the DAG processor found, whether it is paused.
        broken_files: names of DAG files that could not be imported.
        default_slots: of Airflow's own pool; None: it is gone.
    """

    heartbeats: Mapping[str, datetime]
    paused: Mapping[str, bool]
    broken_files: tuple[str, ...]
    default_slots: int | None


@dataclass(frozen=True, slots=True)
class AirflowSettings:
    """What Airflow's configuration says; times in seconds.

    Attributes:
        executor: the name of the executor that tasks run on by default.
        is_distributed: whether it runs tasks on other machines.
        executor_error: the kind of error with which it cannot be loaded, if it cannot.
        heartbeat_limits: after which a component counts as dead.
        kill_grace: that a task has to end after it was told to.
        api_timeout: that a worker waits for Airflow's own API.
        redelivery: after which Celery's broker gives a task to a second worker, None without one.
        dags_folder: where Airflow looks for DAG files.
        plugins_folder: where Airflow looks for plugins.
        package: the folder that our own package was imported from.
        include: where the hospitals' files are.
    """

    executor: str
    is_distributed: bool
    executor_error: str | None
    heartbeat_limits: Mapping[str, float]
    kill_grace: int
    api_timeout: float
    redelivery: int | None
    dags_folder: Path
    plugins_folder: Path
    package: Path
    include: Path


def read_state() -> AirflowState:
    """Read Airflow's database.

    Raises:
        ConfigError: it does not answer or is not migrated.
    """
    beats = (
        select(Job.job_type, func.max(Job.latest_heartbeat))
        .where(Job.job_type.in_(COMPONENTS), Job.state == "running")
        .group_by(Job.job_type)
    )
    dags = select(DagModel.dag_id, DagModel.is_paused).where(~DagModel.is_stale)
    slots = select(Pool.slots).where(Pool.pool == Pool.DEFAULT_POOL_NAME)

    def read() -> AirflowState:
        with create_session() as session:
            files = session.scalars(select(ParseImportError.filename))
            return AirflowState(
                heartbeats={str(kind): at for kind, at in session.execute(beats) if at is not None},
                paused={row.dag_id: row.is_paused for row in session.execute(dags)},
                broken_files=tuple(sorted(Path(name or "").name for name in files)),
                default_slots=session.scalar(slots),
            )

    return _ask("its state was read", read)


def active_runs(dag_ids: Collection[str]) -> set[tuple[str, str]]:
    """Return the DAG id and the run id of every run that is queued or running."""
    runs = select(DagRun.dag_id, DagRun.run_id).where(
        DagRun.dag_id.in_(sorted(dag_ids)), DagRun.state.in_(("queued", "running"))
    )
    with create_session() as session:
        return {(dag_id, run_id) for dag_id, run_id in session.execute(runs)}


def read_settings() -> AirflowSettings:
    """Read Airflow's configuration, as this process has it."""
    executor = conf.get_mandatory_value("core", "executor")
    return AirflowSettings(
        executor=executor,
        is_distributed=any(name in executor for name in DISTRIBUTED),
        executor_error=_executor_error(executor),
        heartbeat_limits={kind: health_check_threshold(kind, 5) for kind in COMPONENTS},
        kill_grace=conf.getint("core", "killed_task_cleanup_time"),
        api_timeout=conf.getfloat("workers", "execution_api_timeout"),
        redelivery=_redelivery(executor),
        dags_folder=Path(conf.get_mandatory_value("core", "dags_folder")),
        plugins_folder=Path(conf.get_mandatory_value("core", "plugins_folder")),
        package=Path(track_dispatch.__file__).resolve().parent,
        include=include_dir(),
    )


def _executor_error(executor: str) -> str | None:
    """Import the default executor, the first of the list; return the kind of its error, if any.

    Airflow's own look-up would use the list of an earlier call.
    """
    name = executor.split(",", maxsplit=1)[0].strip().rpartition(":")[2]
    module, _, attribute = ExecutorLoader.executors.get(name, name).rpartition(".")
    try:
        getattr(import_module(module), attribute)
    except Exception as error:  # noqa: BLE001 - an executor is anybody's
        return type(error).__name__
    return None


def _redelivery(executor: str) -> int | None:
    if "Celery" not in executor:
        return None
    return conf.getint("celery_broker_transport_options", "visibility_timeout", fallback=86_400)


def create_pools() -> list[str]:
    """Create the pool of each source, with one slot; return their names.

    A task whose pool is missing waits for ever, and only a warning of the scheduler says so.

    Raises:
        ConfigError: Airflow's database does not answer or is not migrated.
    """
    names = sorted({hospital.pool for hospital in working_hospitals()})

    def create() -> None:
        for name in names:
            Pool.create_or_update_pool(
                name, slots=1, description="one extraction at a time", include_deferred=False
            )

    _ask("the pools were made", create)
    return names


def pool_slots() -> dict[str, int]:
    """Return the slots of every pool there is, by its name.

    Raises:
        ConfigError: Airflow's database does not answer or is not migrated.
    """
    return _ask(
        "the pools were looked up",
        lambda: {str(pool.pool): pool.slots for pool in Pool.get_pools()},
    )


def _ask(what: str, look: Callable[[], T]) -> T:
    """Ask Airflow's database, in words of ours where it fails."""
    try:
        return ask_airflow(look)
    except (SQLAlchemyError, TimeoutError) as error:
        message = (
            f"Airflow's database failed with {type(error).__name__} when {what}:"
            " check that it runs and is migrated (`airflow db migrate`), then try again"
        )
        raise ConfigError(message) from None
