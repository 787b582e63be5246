"""A task's run, read from Airflow's context, and the operators of a hospital's DAG.

TrackOperator dispatches, VolumeApproval asks a person.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import TaskAwaitingInput, TaskDeferred
from structlog.contextvars import bind_contextvars

from track_dispatch.config import load_hospital, software_here
from track_dispatch.delivery.context import DispatchContext
from track_dispatch.delivery.dispatch import dispatch
from track_dispatch.errors import BudgetSpentError, ConfigError, QuietHoursError
from track_dispatch.hooks.ledger import open_ledger
from track_dispatch.hooks.track import TrackHook, open_dispatch
from track_dispatch.ledger.approvals import ApprovalAnswer, wait_for_answers
from track_dispatch.operators.texts import MODES, PARAMS, read_later_text
from track_dispatch.pipeline import Mode, Run, check_conf, day_of_run, type_of_run
from track_dispatch.pipeline.decide import asked_by, question_text, take_answer
from track_dispatch.pipeline.problems import day_text
from track_dispatch.records import Actor, HospitalDay
from track_dispatch.states import Count

log = logging.getLogger(__name__)

#: The Params of a hospital's DAG; any other key in a run's conf is refused.
CONF_KEYS = ("business_day", "include_old", "mode")

#: The shortest deferral for Track's request budget. A task's new start takes seconds of CPU: there
#: must be room for more than one batch by then.
SHORTEST_WAIT = timedelta(minutes=1)


def run_from_context(code: str, context: Mapping[str, Any]) -> Run:
    """Read the run from Airflow's context; the task's log begins with its day and wishes.

    Raises:
        ConfigError: the hospital's file is broken, the conf has an unknown key, or the day is
            not one this run may take.
    """
    dag_run = context["dag_run"]
    check_conf(dag_run.conf, CONF_KEYS)
    hospital = load_hospital(code)
    run_type = type_of_run(dag_run)
    wish = context["params"].get("business_day")
    day = day_of_run(dag_run, timezone=hospital.timezone, override=wish)
    include_old = bool(context["params"].get("include_old"))
    mode = mode_of(context)
    wishes = [MODES[mode]] if mode is not Mode.LIVE else []
    wishes += [PARAMS["include_old"][0]] if include_old else []
    words = " · ".join([day_text(HospitalDay(hospital.code, day)), *wishes])
    bind_contextvars(hospital=hospital.code, business_day=day.isoformat())  # of the task's log
    log.info("%s · hospital=%s business_day=%s", words, hospital.code, day)
    if run_type != "manual" and (include_old or mode is not Mode.LIVE):
        raise ConfigError(
            f"include_old or mode in a {run_type} run: that is a person's wish for one day;"
            " trigger that day by hand"
        )
    return Run(
        hospital,
        day,
        actor_of(context),
        include_old=include_old,
        mode=mode,
        is_backfill=run_type == "backfill",
    )


def mode_of(context: Mapping[str, Any]) -> Mode:
    """Return the run's mode."""
    return Mode(context["params"].get("mode") or Mode.LIVE)


def is_live(context: Mapping[str, Any]) -> bool:
    """Tell whether the run sends to patients."""
    return mode_of(context) is Mode.LIVE


def actor_of(context: Mapping[str, Any]) -> Actor:
    """Return the actor that the try of a task is in the ledger."""
    ti = context["ti"]
    return Actor(
        name=ti.task_id,
        run_id=context["dag_run"].run_id,
        try_number=ti.try_number,
        software=software_here(),
    )


class TrackOperator(BaseOperator):
    """Claim, POST and settle a hospital's ready lines, up to the run's day.

    Its arguments hold no patient data, as Airflow stores and shows them.

    Args:
        hospital: the hospital's code.
        track_conn_id: the Airflow connection to Track.
    """

    ui_color = "#d8ecf3"

    def __init__(
        self,
        *,
        hospital: str,
        track_conn_id: str = TrackHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.hospital = hospital
        self.track_conn_id = track_conn_id
        self._is_killed = False

    def execute(self, context: Context) -> dict[str, int]:
        """Dispatch the hospital and return counts.

        Raises:
            TaskDeferred: ready lines wait; that takes no worker and no try.
            TrackDispatchError: see `delivery.dispatch.dispatch`.
        """
        run = run_from_context(self.hospital, context)
        with open_dispatch(
            run.hospital,
            run.actor,
            series=series_of(context),
            stopped=lambda: self._is_killed,
            track_conn_id=self.track_conn_id,
        ) as opened:
            try:
                return asdict(dispatch(opened, run.business_day))
            except (QuietHoursError, BudgetSpentError) as error:
                moment = resumes_at(error, opened)
                local = moment.astimezone(run.hospital.zone)
                log.info(
                    "%s: o resto espera, sem ocupar ninguém, até %s; depois continua sozinho (%s)",
                    run.hospital.code, f"{local:%d/%m/%Y %H:%M}", error,
                )  # fmt: skip
        raise TaskDeferred(trigger=DateTimeTrigger(moment=moment), method_name="go_on")

    def go_on(self, context: Context, event: Any = None) -> dict[str, int]:  # noqa: ARG002 - Airflow's
        """Dispatch the ready lines after a deferral."""
        return self.execute(context)

    def on_kill(self) -> None:
        """Start no further batch; Airflow calls this at any point of `execute`."""
        self._is_killed = True


def series_of(context: Mapping[str, Any]) -> str:
    """Return a name for a task's tries up to the next clear, which raises `max_tries`."""
    return f"{context['dag_run'].run_id}#{context['ti'].max_tries}"


def resumes_at(error: QuietHoursError | BudgetSpentError, opened: DispatchContext) -> datetime:
    """Return the moment at which a waiting dispatch goes on."""
    if isinstance(error, QuietHoursError):
        return error.opens_at
    return opened.now() + max(SHORTEST_WAIT, timedelta(seconds=error.retry_after))


class VolumeApproval(ApprovalOperator):
    """Ask a person about the volume of held days; an approval makes the counted lines ready.

    An answer counts for the questions that its form showed, whose ids travel with it: lines of a
    day that was read again meanwhile stay held. A rejection or no answer leaves all held; the
    ledger records which of the two it was, for the report.

    Args:
        hospital: the hospital's code.
        response_timeout: how long an answer is waited for.
    """

    def __init__(self, *, hospital: str, response_timeout: timedelta, **kwargs: Any) -> None:
        super().__init__(response_timeout=response_timeout, **kwargs)
        self.hospital = hospital
        self.response_timeout: timedelta = response_timeout

    def execute(self, context: Context) -> Any:
        """Ask if the run holds a day: it may not, where a person marked the gate a success."""
        run = run_from_context(self.hospital, context)
        with open_ledger() as ledger:
            questions = asked_by(run, ledger=ledger)
            if not questions:
                return None
            self.body = question_text(questions)
            try:
                return super().execute(context)
            except TaskAwaitingInput as waiting:
                shown = [question.id for question in questions]
                waiting.kwargs = {"shown": shown}
                seconds = self.response_timeout.total_seconds()
                wait_for_answers(ledger, shown, seconds=seconds)
                raise

    def execute_complete(
        self, context: Context, event: dict[str, Any], shown: Sequence[int] = ()
    ) -> Any:
        """Record the answer to the questions that the form showed, or that there was none."""
        run = run_from_context(self.hospital, context)
        approved = event.get("chosen_options") == [self.APPROVE]
        answer = ApprovalAnswer.APPROVED if approved else ApprovalAnswer.REJECTED
        if event.get("timedout") or "error" in event:
            answer = ApprovalAnswer.TIMEOUT
        decided_by = (event.get("responded_by_user") or {}).get("name")
        with open_ledger() as ledger:
            lines = take_answer(run, answer, shown=shown, ledger=ledger, decided_by=decided_by)
            later = asked_by(run, ledger=ledger)
        self.log.info("%s: %s", answer.label, f"{Count(lines):linha liberada|linhas liberadas}")
        if later:
            self.log.warning("%s", read_later_text(sum(asked.lines for asked in later)))
        return super().execute_complete(context, event)
