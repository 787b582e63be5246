"""What people and the night do: `track_morning`, `track_decide`, `track_housekeeping`.

One task each. `track_doctor` has one for each queue. What they log is read by an analyst; what they
return is counts.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from airflow.sdk import (
    DAG,
    Context,
    CronDataIntervalTimetable,
    get_current_context,
    get_parsing_context,
)

from track_dispatch.config import all_conflicts, load_hospitals, working_hospitals
from track_dispatch.errors import ConfigError, RedDayError, TrackDispatchError
from track_dispatch.hooks.alert import send_alert
from track_dispatch.hooks.ledger import open_ledger
from track_dispatch.operators import DEFAULTS, param, required, run_by, step
from track_dispatch.operators.texts import (
    DECIDE_DOC,
    HOUSEKEEPING_DOC,
    NOT_DECIDED,
    WHAT,
    WORKERS_DOC,
    done_text,
    log_text,
    morning_doc,
    not_decided_text,
    undelivered_text,
    why_not_decided,
)
from track_dispatch.operators.track import actor_of
from track_dispatch.pipeline import check_conf
from track_dispatch.pipeline.decide import (
    BATCH_PATTERN,
    CODE_PATTERN,
    Done,
    Order,
    carry_out,
    make_decision,
)
from track_dispatch.pipeline.housekeeping import run_housekeeping
from track_dispatch.pipeline.morning import morning
from track_dispatch.pipeline.screening import IMPERSONAL, LONGEST_WHY, SHORTEST_WHY
from track_dispatch.states import BRASILIA, Verb

log = logging.getLogger(__name__)

RETRIED = {**DEFAULTS, "retry_delay": timedelta(minutes=1)}
#: A decision is a person's: where it fails, the person sees why and decides again.
ONCE = {"owner": DEFAULTS["owner"], "retries": 0}


def chosen_day() -> date | None:
    """Return the Param that is a day, if it is filled."""
    text = get_current_context()["params"].get("business_day")
    return date.fromisoformat(str(text)) if text else None


@step("morning", hours=0.5)
def look() -> dict[str, int]:
    """Write the table of all hospitals; red when somebody has to act."""
    context = get_current_context()
    check_conf(context["dag_run"].conf, ("business_day",))
    with open_ledger() as ledger:
        found = morning(
            load_hospitals(),
            ledger=ledger,
            actor=actor_of(context),
            moment=context["dag_run"].run_after,
            business_day=chosen_day(),
        )
    log_text(log, found.text())
    if found.red:
        undelivered = send_alert(["Pesquisas: há o que fazer", *found.red])
        words = [undelivered_text(undelivered)] if undelivered else []
        log_text(log, words)
        raise RedDayError("\n".join([*found.red, *words]))
    return {"hospitals": len(found.rows)}


@step("decide", hours=0.5)
def decide() -> dict[str, int]:
    """Carry out what a person decided; red with the reason as last line, where it cannot be."""
    context = get_current_context()
    try:
        done = decided(context)
    except TrackDispatchError as error:
        context["ti"].xcom_push(key=NOT_DECIDED, value=why_not_decided(error))
        log_text(log, [not_decided_text(error)])
        raise RedDayError(not_decided_text(error)) from None
    log.info("%s", done_text(done))
    return {"lines": done.lines}


def decided(context: Context) -> Done:
    """Carry out what whoever triggered the run has filled in."""
    dag_run, params = context["dag_run"], context["params"]
    check_conf(dag_run.conf, ("what", "batch", "hospital", "business_day", "why", "confirmed"))
    decision = make_decision(
        Verb(params["what"]),
        decided_by=dag_run.triggering_user_name,
        why=str(params["why"]),
        run_id=dag_run.run_id,
    )
    order = Order(
        batch=(params["batch"] or "").strip() or None,
        hospital=(params["hospital"] or "").strip() or None,
        business_day=chosen_day(),
        confirmed=params["confirmed"] or None,
    )
    with open_ledger() as ledger:
        return carry_out(order, decision, ledger=ledger, now=datetime.now(UTC))


@step("housekeeping", hours=0.5)
def tidy() -> dict[str, int]:
    """Take out of the ledger what has had its time."""
    context = get_current_context()
    with open_ledger() as ledger:
        done = run_housekeeping(
            working_hospitals(), ledger=ledger, actor=actor_of(context), now=datetime.now(UTC)
        )
    log.info("ledger tidied %s", " ".join(f"{name}={count}" for name, count in done.items()))
    return done


@step("doctor", hours=0.5)
def examine(queue: str | None) -> dict[str, int]:
    """Tell what the machine that runs this task sees; red where a run would fail here."""
    # imports much of Airflow, which no other task needs
    from track_dispatch.doctor import run_worker_checks  # noqa: PLC0415

    hospitals = [hospital for hospital in working_hospitals() if hospital.queue == queue]
    found: Counter[str] = Counter()
    failed = []
    for check in run_worker_checks(hospitals, now=lambda: datetime.now(UTC)):
        told = f"{COLOURS[check.verdict]}: {check.subject}, {check.name}: {check.detail}"
        found[check.verdict] += 1
        log_text(log, [told])
        if COLOURS[check.verdict] == "VERMELHO":
            failed.append(told)
    if failed:
        raise RedDayError("\n".join(failed))
    return dict(found)


def queues() -> list[str | None]:
    """Return the queues of the hospitals; None is Airflow's own."""
    try:
        named = {hospital.queue for hospital in working_hospitals() if hospital.queue}
    except ConfigError:  # each hospital's own DAG says what is wrong
        named = set()
    return [None, *sorted(named)]


def known_conflicts() -> Mapping[str, Sequence[str]]:
    """Return what hospitals' files contradict each other in; a task judges when it runs."""
    if get_parsing_context().dag_id:
        return {}
    try:
        return all_conflicts()
    except ConfigError as error:  # a person must be able to decide nevertheless
        return {"": [str(error)]}


#: The word of colour that a check's line begins with.
COLOURS = {"ok": "ok", "warn": "ATENÇÃO", "FAIL": "VERMELHO"}
COMMON = {
    "start_date": datetime(2024, 1, 1, tzinfo=UTC),
    "catchup": False,
    "max_active_runs": 1,
    "tags": ["operação"],
}

with DAG(
    dag_id="track_morning",
    dag_display_name="Operação · manhã",
    description="Todos os hospitais em uma tabela: quem está vermelho, atrasado ou sem execução",
    doc_md=morning_doc(known_conflicts()),
    schedule=CronDataIntervalTimetable("15 9 * * *", timezone=BRASILIA.key),
    params={"business_day": param("morning_day", format="date")},
    default_args=RETRIED,
    **COMMON,
):
    look()

with DAG(
    dag_id="track_decide",
    dag_display_name="Operação · decidir",
    description="Decisões de pessoas: dúvidas, envio parado, linhas retidas, recusas",
    doc_md=DECIDE_DOC,
    schedule=None,
    params={
        "what": required(
            "what",
            enum=[str(verb) for verb in WHAT],
            values_display={str(verb): text for verb, text in WHAT.items()},
        ),
        "batch": param("batch", pattern=BATCH_PATTERN),
        "hospital": param("hospital", pattern=CODE_PATTERN),
        "business_day": param("business_day", format="date"),
        "confirmed": param("confirmed", default=False, type="boolean"),
        "why": required(
            "why",
            pattern=IMPERSONAL,
            minLength=SHORTEST_WHY,
            maxLength=LONGEST_WHY,
        ),
    },
    default_args=ONCE,
    **COMMON,
):
    decide()

with DAG(
    dag_id="track_housekeeping",
    dag_display_name="Operação · limpeza",
    description="O que já teve o seu tempo sai do livro-razão",
    doc_md=HOUSEKEEPING_DOC,
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone=BRASILIA.key),
    default_args=RETRIED,
    **COMMON,
):
    tidy()

if get_parsing_context().dag_id in {None, "track_doctor"}:
    with DAG(
        dag_id="track_doctor",
        dag_display_name="Operação · diagnóstico",
        description="O que cada máquina que roda tarefas vê, da rede ao relógio",
        doc_md=WORKERS_DOC,
        schedule=None,
        default_args=ONCE,
        **COMMON,
    ):
        for name in queues():
            examine.override(task_id=f"doctor_{name or 'default'}", **run_by(name))(name)
