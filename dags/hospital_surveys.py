"""The pipeline, once; one DAG for each file in `include/hospitals/`.

extract -> transform -> volume_gate (-> approve_volume) -> dispatch -> report

`report` is the only leaf, so it alone decides the run's colour. Tasks exchange the hospital's code,
labels and counts; patients travel through the ledger.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, time, timedelta
from typing import Any

from airflow.sdk import (
    DAG,
    CronDataIntervalTimetable,
    Param,
    TriggerRule,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowSkipException

from track_dispatch.config import BrokenHospital, Hospital, load_hospitals
from track_dispatch.config.policies import VolumeGate
from track_dispatch.errors import ConfigError, RedDayError
from track_dispatch.hooks.context import open_dispatch
from track_dispatch.hooks.ledger import open_configured
from track_dispatch.hooks.track import track_host
from track_dispatch.operators.approval import VolumeApproval
from track_dispatch.operators.retry_policy import TrackRetryPolicy
from track_dispatch.operators.run_context import run_from_context
from track_dispatch.operators.texts import (
    DAY_HELP,
    DAY_TITLE,
    MODE_HELP,
    MODE_TITLE,
    MODES,
    OLD_HELP,
    OLD_TITLE,
    TASKS,
    UNREAL,
    broken_doc,
    hospital_doc,
)
from track_dispatch.operators.track import TrackOperator
from track_dispatch.pipeline.dry_run import dry_run
from track_dispatch.pipeline.extract import extract as extract_days
from track_dispatch.pipeline.rehearsal import rehearse
from track_dispatch.pipeline.report import report as report_run
from track_dispatch.pipeline.run import Mode
from track_dispatch.pipeline.transform import transform as transform_days
from track_dispatch.pipeline.volume_gate import ask

log = logging.getLogger(__name__)

DEFAULTS = {
    "owner": "track-dispatch",
    "retries": 3,
    "retry_delay": timedelta(minutes=5),
    "retry_policy": TrackRetryPolicy(),
}


def options(task_id: str, *, hours: float) -> dict[str, Any]:
    """Return what every task sets: its id, its name in the UI, the longest it may run."""
    return {
        "task_id": task_id,
        "task_display_name": TASKS[task_id],
        "execution_timeout": timedelta(hours=hours),
    }


def step(task_id: str, *, hours: float, **more: Any) -> Any:
    """Return the decorator of a Python task; what it returns is counts, one value, not logged."""
    return task(
        **options(task_id, hours=hours),
        multiple_outputs=False,
        show_return_value_in_logs=False,
        **more,
    )


@step("extract", hours=2)
def extract(code: str) -> dict[str, int | str]:
    """Stage the rows of the run's day, and of other days that are due."""
    run, now = run_from_context(code, get_current_context()), datetime.now(UTC)
    if run.mode is Mode.REHEARSAL:
        with open_dispatch(run.hospital, run.actor) as context:
            return {**rehearse(run, context=context)}
    with open_configured() as ledger:
        if run.mode is Mode.LIVE:
            return extract_days(run, ledger=ledger, track_host=track_host(), now=now)
        told = dry_run(run, ledger=ledger, now=now)
    for line in told.text():
        log.info("%s", line)
    return {"rows": told.rows}


@step("transform", hours=1)
def transform(code: str) -> dict[str, int]:
    """Make lines or exclusions of the rows; return counts by state and reason."""
    run = run_from_context(code, get_current_context())
    if run.mode is not Mode.LIVE:
        raise AirflowSkipException("nothing is staged in a dry run or a rehearsal")
    with open_configured() as ledger:
        return transform_days(run, ledger=ledger, now=datetime.now(UTC)).counts


@task.branch(
    **options("volume_gate", hours=0.1), show_return_value_in_logs=False, multiple_outputs=False
)
def volume_gate(code: str) -> str:
    """Let the run pass, or ask a person about the days that transform holds."""
    with open_configured() as ledger:
        questions = ask(run_from_context(code, get_current_context()), ledger=ledger)
    return "approve_volume" if questions else "dispatch"


@step("report", hours=0.5, trigger_rule=TriggerRule.ALL_DONE)
def report(code: str) -> dict[str, int]:
    """Write the run's account; red when something is left open."""
    context = get_current_context()
    run = run_from_context(code, context)
    if run.mode is not Mode.LIVE:
        return report_unreal(run.mode, context["ti"].xcom_pull(task_ids="extract"))
    with open_configured() as ledger:
        told = report_run(run, ledger=ledger, now=datetime.now(UTC))
    for line in told.text():
        log.info("%s", line)
    if told.problems:
        raise RedDayError("\n".join(told.last_words()))
    return told.summary()


def report_unreal(mode: Mode, extracted: dict[str, int] | None) -> dict[str, int]:
    """Say that no patient was asked; red when `extract`, which did it all, did not end."""
    log.info("%s", UNREAL[mode])
    if extracted is None:
        raise RedDayError(f"{UNREAL[mode]}; não terminou: veja o log de extract e dispare de novo")
    for name, count in extracted.items():
        log.info("%s: %s", name, count)
    return extracted


@task(task_id="config_error", execution_timeout=timedelta(minutes=5))
def config_error(message: str) -> None:
    """Say what is wrong in the hospital's file."""
    raise ConfigError(message)


def approve_volume(hospital: Hospital) -> VolumeApproval:
    """Ask a person about a day that the gate has held; no answer is a no."""
    policy = hospital.volume_gate or VolumeGate()
    return VolumeApproval(
        task_id="approve_volume",
        task_display_name=TASKS["approve_volume"],
        hospital=hospital.code,
        subject=f"{hospital.name}: volume fora do comum",
        defaults=VolumeApproval.REJECT,
        response_timeout=timedelta(hours=policy.timeout_hours),
    )


def build(hospital: Hospital) -> None:
    """Build the DAG of one hospital."""
    day = Param(None, type=["null", "string"], format="date", title=DAY_TITLE, description=DAY_HELP)
    mode = Param(
        "live", enum=list(MODES), values_display=MODES, title=MODE_TITLE, description=MODE_HELP
    )
    old = Param(False, type="boolean", title=OLD_TITLE, description=OLD_HELP)
    with DAG(
        dag_id=hospital.dag_id,
        dag_display_name=f"Pesquisa · {hospital.name}",
        description=f"Convida os pacientes de ontem de {hospital.name} a responder a pesquisa",
        doc_md=hospital_doc(hospital),
        schedule=CronDataIntervalTimetable(hospital.schedule, timezone=hospital.timezone),
        start_date=datetime.combine(hospital.first_business_day, time.min, hospital.zone),
        catchup=False,
        max_active_runs=1,
        default_args=DEFAULTS,
        params={"business_day": day, "include_old": old, "mode": mode},
        tags=["pesquisa", hospital.erp, hospital.source],
    ):
        code = hospital.code
        extracted = extract.override(pool=hospital.pool)(code)
        gate, approval = volume_gate(code), approve_volume(hospital)
        dispatch = TrackOperator(
            **options("dispatch", hours=3),
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,  # after a skipped approval
            hospital=code,
        )
        extracted >> transform(code) >> gate >> [approval, dispatch]
        approval >> dispatch >> report(code)


def build_broken(broken: BrokenHospital) -> None:
    """Build the DAG that stands for a file with errors: red, and saying why."""
    with DAG(
        dag_id=broken.dag_id,
        dag_display_name=f"Pesquisa · {broken.code} (configuração com erro)",
        doc_md=broken_doc(broken.code, broken.message),
        schedule="@daily",
        start_date=datetime(2024, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        default_args={"owner": "track-dispatch", "retries": 0},
        tags=["pesquisa", "config-error"],
    ):
        config_error(broken.message)


for found in load_hospitals():
    if isinstance(found, BrokenHospital):
        build_broken(found)
    else:
        build(found)
