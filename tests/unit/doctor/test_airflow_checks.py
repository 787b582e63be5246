"""What the doctor finds of Airflow: each wrong state once, in one sentence, with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.models.pool import Pool
from premises import NOW
from sqlalchemy import text

from tests.airflow_rows import AirflowInDatabase
from track_dispatch.config import load_hospital

if TYPE_CHECKING:
    from premises import Premises, Visit

pytestmark = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)

COMPONENTS = [
    ("SchedulerJob", "scheduler", "no task starts"),
    ("DagProcessorJob", "dag processor", "no DAG file is read"),
    ("TriggererJob", "triggerer", "a dispatch that waits for its hours waits for ever"),
]


def only(visit: Visit, name: str, verdict: str, subject: str = "installation") -> str:
    """Return what is told of one check, the only one that is not well."""
    assert visit.not_well() == {(subject, name): verdict}
    return visit[subject, name].detail


@pytest.mark.parametrize(("kind", "name", "without"), COMPONENTS)
def test_a_component_that_does_not_run_is_told(
    premises: Premises, airflow_runs: AirflowInDatabase, kind: str, name: str, without: str
) -> None:
    airflow_runs.stop(kind)

    told = only(premises.visit(), name, "FAIL")
    assert told.startswith(f"no {name} runs, and {without}: start one (`airflow ")


@pytest.mark.parametrize(("kind", "name", "without"), COMPONENTS)
def test_a_component_that_hangs_is_told(
    premises: Premises, airflow_runs: AirflowInDatabase, kind: str, name: str, without: str
) -> None:
    airflow_runs.freeze(kind, NOW - timedelta(seconds=400))

    told = only(premises.visit(), name, "FAIL")
    assert told.startswith(f"the {name}'s last heartbeat is 400 s old, and {without}: see its log")


def test_a_dag_file_that_cannot_be_imported_is_told_without_its_trace(
    premises: Premises, airflow_runs: AirflowInDatabase
) -> None:
    airflow_runs.import_error("hospitals_2.py")

    told = only(premises.visit(), "import errors", "FAIL")
    assert told.startswith("Airflow cannot import hospitals_2.py, and its DAGs do not run")
    assert "planted" not in told


def test_the_files_of_others_are_their_matter(
    premises: Premises, airflow_runs: AirflowInDatabase
) -> None:
    airflow_runs.import_error("other/sales.py")

    assert premises.visit().not_well() == {}


def test_a_paused_dag_of_a_live_hospital_is_told(
    premises: Premises, airflow_runs: AirflowInDatabase
) -> None:
    airflow_runs.pause("track_hms")

    told = only(premises.visit(), "dag", "warn", "HMS")
    assert told == "track_hms is paused: nobody of this hospital is asked until it is not"


def test_a_paused_dag_of_a_hospital_that_is_not_live_is_well(
    premises: Premises, airflow_runs: AirflowInDatabase
) -> None:
    airflow_runs.pause("track_hms")
    later = load_hospital("HMS").model_copy(update={"first_business_day": date(2026, 4, 1)})

    assert premises.visit(later)["HMS", "dag"].detail == "track_hms is paused"


def test_a_dag_that_airflow_does_not_know_is_told(
    premises: Premises, airflow_runs: AirflowInDatabase
) -> None:
    airflow_runs.lose("track_hms")

    told = only(premises.visit(), "dag", "FAIL", "HMS")
    assert told.startswith("Airflow has no track_hms: are dags/*.py and this hospital's file where")


def test_the_operations_that_are_paused_are_told(
    premises: Premises, airflow_runs: AirflowInDatabase
) -> None:
    airflow_runs.pause("track_morning")
    airflow_runs.pause("track_housekeeping")

    told = only(premises.visit(), "operations", "warn")
    assert told.startswith("track_housekeeping, track_morning paused: unpause, else nobody is told")


def test_the_operations_that_airflow_does_not_know_are_told(
    premises: Premises, airflow_runs: AirflowInDatabase
) -> None:
    airflow_runs.lose("track_decide")

    told = only(premises.visit(), "operations", "FAIL")
    assert told == "Airflow has no track_decide: is dags/operations.py in its DAGs folder?"


@pytest.fixture
def no_slots() -> Iterator[None]:
    Pool.create_or_update_pool("default_pool", 0, "", include_deferred=False)
    yield
    Pool.create_or_update_pool("default_pool", 128, "", include_deferred=False)


def test_a_default_pool_without_slots_is_told(premises: Premises, no_slots: None) -> None:
    told = only(premises.visit(), "default pool", "FAIL")
    assert told.startswith("Airflow's default_pool has no slots, and no task but extract ever")


@pytest.fixture
def unmigrated(airflow_db: None) -> Iterator[None]:
    """Take a table of Airflow's away."""
    from airflow.utils.session import create_session  # noqa: PLC0415 - imports Airflow

    with create_session() as session:
        session.execute(text("alter table job rename to job_of_an_older_version"))
    yield
    with create_session() as session:
        session.execute(text("alter table job_of_an_older_version rename to job"))


def test_a_database_that_is_not_migrated_is_told_and_the_rest_not_looked_at(
    premises: Premises, unmigrated: None
) -> None:
    visit = premises.visit()

    assert visit.not_well() == {
        ("installation", "airflow database"): "FAIL",
        **{("installation", name): "warn" for _, name, _ in COMPONENTS},
        **{("installation", name): "warn" for name in ("import errors", "operations")},
        ("installation", "default pool"): "warn",
        ("HMS", "dag"): "warn",
    }
    assert "`airflow db migrate`" in visit["installation", "airflow database"].detail


def test_an_executor_that_cannot_be_loaded_is_told(
    premises: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "no.such.module.Executor")

    found = premises.visit()["installation", "executor"]
    assert found.verdict == "FAIL"
    assert found.detail.startswith("the executor no.such.module.Executor cannot be loaded (")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"CORE__KILLED_TASK_CLEANUP_TIME": "20"},
            "a task that is stopped has 20 s to end, a POST may take 60 s",
        ),
        (
            {
                "CORE__EXECUTOR": "CeleryExecutor",
                "CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "3600",
            },
            "Celery's broker gives a task to a second worker after 3600 s",
        ),
        (
            {"CORE__EXECUTOR": "CeleryExecutor", "WORKERS__EXECUTION_API_TIMEOUT": "5"},
            "a worker waits 5 s for Airflow's API",
        ),
    ],
)
def test_a_time_out_that_is_too_short_is_told(
    premises: Premises, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], told: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"AIRFLOW__{name}", value)

    found = premises.visit()["installation", "time-outs"]
    assert found.detail.startswith(told)
    assert found.verdict != "ok"


def test_a_dags_folder_without_our_files_is_told(
    premises: Premises, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path))

    told = only(premises.visit(), "folders", "warn")
    assert told.startswith(f"the DAGs folder {tmp_path} lacks hospital_surveys.py, hospitals_1.py")


def test_another_package_than_that_of_the_tasks_is_told(
    premises: Premises, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__PLUGINS_FOLDER", str(tmp_path))

    told = only(premises.visit(), "folders", "warn")
    assert told.startswith(f"tasks import track_dispatch from {tmp_path}, this shell from ")


def test_plugins_that_every_component_would_execute_are_told(
    premises: Premises, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import track_dispatch  # noqa: PLC0415 - where it is

    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "track_dispatch").symlink_to(Path(track_dispatch.__file__).parent)
    monkeypatch.setenv("AIRFLOW__CORE__PLUGINS_FOLDER", str(plugins))

    told = only(premises.visit(), "folders", "FAIL")
    assert told.startswith(f"{plugins}/.airflowignore does not say `track_dispatch/`")


def test_a_queue_that_no_executor_heeds_is_told(premises: Premises) -> None:
    hms = load_hospital("HMS").model_copy(update={"queue": "site-es"})

    told = premises.visit(hms)["installation", "executor"]
    assert told.verdict.value == "warn"
    assert told.detail.startswith("HMS: `queue` in the file means nothing to LocalExecutor")
