"""The pipeline, once; `hospitals_1.py` and its neighbours build a DAG for each hospital's file.

extract -> transform -> volume_gate (-> approve_volume) -> dispatch -> report
extract, skipped -> rehearse, in a dry run or a rehearsal

`report` decides the colour of a live run, `rehearse` that of the others. Tasks exchange the
hospital's code, labels and counts; patients travel through the ledger.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, time

from airflow.sdk import (
    DAG,
    CronDataIntervalTimetable,
    TriggerRule,
    get_current_context,
    get_parsing_context,
    task,
)

from track_dispatch.config import BrokenHospital, Hospital, load_shard
from track_dispatch.errors import RedDayError
from track_dispatch.hooks.ledger import open_ledger
from track_dispatch.hooks.track import open_dispatch, track_host
from track_dispatch.operators import (
    DEFAULTS,
    approve_volume,
    branch,
    build_broken,
    count_reading,
    count_report,
    day_asset,
    options,
    run_by,
    run_params,
    step,
)
from track_dispatch.operators.texts import REHEARSED, hospital_doc, log_text
from track_dispatch.operators.track import TrackOperator, is_live, run_from_context
from track_dispatch.pipeline import Mode
from track_dispatch.pipeline.decide import ask
from track_dispatch.pipeline.extract import extract as extract_days
from track_dispatch.pipeline.rehearse import dry_run, rehearsal
from track_dispatch.pipeline.report import report as report_run
from track_dispatch.pipeline.transform import transform as transform_days

log = logging.getLogger(__name__)


@task.run_if(is_live, skip_message="nothing is staged in a dry run or a rehearsal")
@step("extract", hours=2)
def extract(code: str) -> dict[str, int | str]:
    """Stage the rows of the run's day, and of other days that are due."""
    run = run_from_context(code, get_current_context())
    with open_ledger() as ledger:
        read = extract_days(run, ledger=ledger, track_host=track_host(), now=datetime.now(UTC))
    count_reading(read, code)
    return read


@step("transform", hours=1)
def transform(code: str) -> dict[str, int]:
    """Make lines or exclusions of the rows; return counts by state and reason."""
    run = run_from_context(code, get_current_context())
    with open_ledger() as ledger:
        return transform_days(run, ledger=ledger, now=datetime.now(UTC)).counts


@branch("volume_gate", hours=0.1)
def volume_gate(code: str) -> str:
    """Let the run pass, or ask a person about the days that transform holds."""
    run = run_from_context(code, get_current_context())
    with open_ledger() as ledger:
        return "approve_volume" if ask(run, ledger=ledger) else "dispatch"


@task.run_if(is_live, skip_message="a dry run or a rehearsal leaves nothing to account for")
@step("report", hours=0.5, trigger_rule=TriggerRule.ALL_DONE)
def report(code: str) -> dict[str, int]:
    """Write the run's account; red when something is left open, else the day's event."""
    context = get_current_context()
    run = run_from_context(code, context)
    with open_ledger() as ledger:
        told = report_run(run, ledger=ledger, now=datetime.now(UTC))
    log_text(log, told.text())
    count_report(told, code)
    if told.problems:
        raise RedDayError("\n".join(told.last_words()))
    summary = told.summary()
    event = context["outlet_events"][day_asset(code)]
    event.extra = {"business_day": run.business_day.isoformat(), **summary}
    return summary


@task.skip_if(is_live, skip_message="this run is neither a dry run nor a rehearsal")
@step("rehearse", hours=2)
def rehearse(code: str) -> dict[str, int]:
    """Say what the day would send, or send invented patients to our own people."""
    run = run_from_context(code, get_current_context())
    log.info("%s", REHEARSED[run.mode])
    if run.mode is Mode.REHEARSAL:
        with open_dispatch(run.hospital, run.actor) as context:
            told = rehearsal(run, context=context)
    else:
        with open_ledger() as ledger:
            told = dry_run(run, ledger=ledger, now=datetime.now(UTC))
    log_text(log, told.text())
    return told.summary()


def build(hospital: Hospital) -> None:
    """Build the DAG of one hospital; one that is not live yet runs only by hand."""
    first = hospital.first_business_day
    timetable = CronDataIntervalTimetable(hospital.schedule, timezone=hospital.timezone)
    with DAG(
        dag_id=hospital.dag_id,
        dag_display_name=f"{hospital.code} · {hospital.name}",
        description=f"Convida os pacientes de ontem de {hospital.name} a responder a pesquisa",
        doc_md=hospital_doc(hospital),
        schedule=timetable if first else None,
        start_date=datetime.combine(first, time.min, hospital.zone) if first else None,
        catchup=False,
        max_active_runs=1,
        default_args={**DEFAULTS, **run_by(hospital.queue)},
        tags=["pesquisa", hospital.erp, hospital.source],
    ) as dag:
        code = hospital.code
        extracted = extract.override(pool=hospital.pool)(code)
        gate, approval = volume_gate(code), approve_volume(hospital)
        dispatch = TrackOperator(
            **options("dispatch", hours=3),
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,  # after a skipped approval
            hospital=code,
        )
        extracted >> transform(code) >> gate >> [approval, dispatch]
        approval >> dispatch >> report.override(outlets=[day_asset(code)])(code)
        # a live run skips it by its rule alone: no process is begun to say that it is not for it
        rule = TriggerRule.ALL_SKIPPED
        extracted >> rehearse.override(pool=hospital.pool, trigger_rule=rule)(code)
    dag.params = run_params()  # now, not before: each task would carry, check and store a copy


def build_shard(number: int, *, of: int) -> None:
    """Build the DAGs of one shard of the hospitals; in a task, its own DAG and no other."""
    for found in load_shard(number, of=of, dag_id=get_parsing_context().dag_id):
        build_broken(found) if isinstance(found, BrokenHospital) else build(found)
