"""Check Airflow: its components, broken DAG files, paused DAGs and timeouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial

from track_dispatch.config import Hospital
from track_dispatch.doctor.check import INSTALLATION, Check, DoubtError, check, obtain, required
from track_dispatch.errors import ConfigError
from track_dispatch.hooks.airflow_state import AirflowState, read_settings, read_state

#: DAGs of the installation, which people and the nightly housekeeping need.
OPERATIONS = ("track_decide", "track_doctor", "track_housekeeping", "track_morning")
#: Our DAG files, and the module beside them that they import.
DAG_FILES = (
    "hospital_surveys.py",
    *(f"hospitals_{number}.py" for number in range(1, 5)),
    "operations.py",
)
#: Seconds that our longest task may take: `dispatch`.
LONGEST_TASK = 3 * 3600
#: Seconds that a worker should wait for Airflow's API: with less a busy machine fails tasks.
LEAST_API_TIMEOUT = 30

#: By the component's command: the type of its job in Airflow's database, what stops without it.
_COMPONENTS = {
    "scheduler": ("SchedulerJob", "no task starts"),
    "dag processor": ("DagProcessorJob", "no DAG file is read"),
    "triggerer": ("TriggererJob", "a dispatch that waits for its hours waits for ever"),
}


def read_airflow() -> tuple[AirflowState | None, Check]:
    """Read the state in Airflow's database that later checks need."""

    def read() -> tuple[AirflowState, str]:
        state = read_state()
        return state, f"it answers, and knows {len(state.paused)} DAGs"

    return obtain(INSTALLATION, "airflow database", read)


def check_airflow(
    state: AirflowState | None, hospitals: Sequence[Hospital], now: Callable[[], datetime]
) -> Iterator[Check]:
    """Check what all hospitals need of Airflow."""
    looks: dict[str, Callable[[], str]] = {
        **{name: partial(_beats, name, state, now) for name in _COMPONENTS},
        "import errors": partial(_imports, state),
        "operations": partial(_operations, state),
        "default pool": partial(_default_pool, state),
        "executor": partial(_executor, hospitals),
        "time-outs": partial(_time_outs, hospitals),
        "folders": _folders,
    }
    for name, look in looks.items():
        yield check(INSTALLATION, name, look)


def check_dag(hospital: Hospital, state: AirflowState | None, *, is_live: bool) -> Check:
    """Check a hospital's DAG."""
    return check(hospital.code, "dag", lambda: _dag(hospital.dag_id, state, is_live=is_live))


def _known(state: AirflowState | None) -> AirflowState:
    return required(state, "Airflow's database could not be read")


def _beats(name: str, state: AirflowState | None, now: Callable[[], datetime]) -> str:
    kind, without = _COMPONENTS[name]
    command = f"airflow {name.replace(' ', '-')}"
    last = _known(state).heartbeats.get(kind)
    if last is None:
        raise ConfigError(f"no {name} runs, and {without}: start one (`{command}`)")
    seconds = round((now() - last).total_seconds())
    if seconds > read_settings().heartbeat_limits[kind]:
        raise ConfigError(
            f"the {name}'s last heartbeat is {seconds} s old, and {without}: see its log, then"
            f" start it again (`{command}`)"
        )
    return f"it gave a sign of life {seconds} s ago"


def _imports(state: AirflowState | None) -> str:
    broken = [name for name in _known(state).broken_files if name in DAG_FILES]
    if broken:
        raise ConfigError(
            f"Airflow cannot import {', '.join(broken)}, and its DAGs do not run: see `airflow dags"
            " list-import-errors`"
        )
    return "Airflow reads our DAG files"


def _operations(state: AirflowState | None) -> str:
    paused = _known(state).paused
    if missing := [name for name in OPERATIONS if name not in paused]:
        raise ConfigError(
            f"Airflow has no {', '.join(missing)}: is dags/operations.py in its DAGs folder?"
        )
    if idle := [name for name in OPERATIONS if paused[name]]:
        raise DoubtError(
            f"{', '.join(idle)} paused: unpause, else nobody is told of a red day, can decide, or"
            " erases what is old"
        )
    return f"{', '.join(OPERATIONS)} run"


def _dag(dag_id: str, state: AirflowState | None, *, is_live: bool) -> str:
    paused = _known(state).paused.get(dag_id)
    if paused is None:
        raise ConfigError(
            f"Airflow has no {dag_id}: are dags/*.py and this hospital's file where the DAG"
            " processor looks (`folders`)?"
        )
    if paused and is_live:
        raise DoubtError(f"{dag_id} is paused: nobody of this hospital is asked until it is not")
    return f"{dag_id} {'is paused' if paused else 'runs'}"


def _default_pool(state: AirflowState | None) -> str:
    slots = _known(state).default_slots
    if not slots:  # -1: as many as there are
        raise ConfigError(
            "Airflow's default_pool has no slots, and no task but extract ever starts: give it"
            " some (`airflow pools set default_pool 128 default`)"
        )
    return "as many slots as there are" if slots < 0 else f"{slots} slots"


def _executor(hospitals: Sequence[Hospital]) -> str:
    settings = read_settings()
    if settings.executor_error:
        raise ConfigError(
            f"the executor {settings.executor} cannot be loaded ({settings.executor_error}):"
            " install its provider, or correct `core.executor`"
        )
    queued = [hospital.code for hospital in hospitals if hospital.queue]
    if queued and "Celery" not in settings.executor:
        raise DoubtError(
            f"{', '.join(queued)}: `queue` in the file means nothing to {settings.executor}, which"
            " runs their tasks like all others: take it out, or run Celery's workers"
        )
    where = "on several machines" if settings.is_distributed else "on this machine"
    return f"{settings.executor} runs tasks {where}"


def _time_outs(hospitals: Sequence[Hospital]) -> str:
    settings = read_settings()
    longest = max((hospital.post_deadline_seconds for hospital in hospitals), default=0)
    redelivery = settings.redelivery
    if redelivery is not None and redelivery <= LONGEST_TASK:
        raise ConfigError(
            f"Celery's broker gives a task to a second worker after {redelivery} s, dispatch may"
            f" take {LONGEST_TASK} s: raise `celery_broker_transport_options.visibility_timeout`"
        )
    if settings.kill_grace < longest:
        raise DoubtError(
            f"a task that is stopped has {settings.kill_grace} s to end, a POST may take"
            f" {longest} s, and what is not written down is in doubt: raise"
            " `core.killed_task_cleanup_time`"
        )
    if settings.is_distributed and settings.api_timeout < LEAST_API_TIMEOUT:
        raise DoubtError(
            f"a worker waits {settings.api_timeout:g} s for Airflow's API, and fails its tasks when"
            " that is busy: set `workers.execution_api_timeout` to 60"
        )
    return f"a task that is stopped has {settings.kill_grace} s to write down a POST of {longest} s"


def _folders() -> str:
    settings = read_settings()
    lacking = [name for name in DAG_FILES if not (settings.dags_folder / name).is_file()]
    if lacking:
        raise DoubtError(
            f"the DAGs folder {settings.dags_folder} lacks {', '.join(lacking)}: unless a bundle"
            " brings them, copy dags/*.py there"
        )
    theirs = settings.plugins_folder / settings.package.name
    if theirs.resolve() != settings.package:
        raise DoubtError(
            f"tasks import track_dispatch from {settings.plugins_folder}, this shell from"
            f" {settings.package.parent}: set PYTHONPATH to the plugins folder"
        )
    ignored = settings.plugins_folder / ".airflowignore"
    names = ignored.read_text(encoding="utf-8").split() if ignored.is_file() else []
    if "track_dispatch/" not in names:
        raise ConfigError(
            f"{ignored} does not say `track_dispatch/`, and each component executes every module"
            " of ours at its start: copy plugins/.airflowignore there"
        )
    return f"DAGs, plugins and {settings.include} are where Airflow looks"
