"""A task's run as Airflow's context tells it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from track_dispatch.business_day import business_day, check_conf
from track_dispatch.config import load_hospital, software_here
from track_dispatch.errors import ConfigError
from track_dispatch.operators.texts import MODES, PARAMS
from track_dispatch.pipeline import Mode, Run
from track_dispatch.pipeline.problems import day_text
from track_dispatch.records import Actor, HospitalDay

log = logging.getLogger(__name__)

#: The Params of a hospital's DAG; any other key in a run's conf is refused.
CONF_KEYS = ("business_day", "include_old", "mode")


def run_from_context(code: str, context: Mapping[str, Any]) -> Run:
    """Read the run from Airflow's context; the task's log begins with its day and wishes.

    Raises:
        ConfigError: the hospital's file is broken, the conf has an unknown key, or the day is
            not one this run may take.
    """
    dag_run = context["dag_run"]
    check_conf(dag_run.conf, CONF_KEYS)
    hospital = load_hospital(code)
    run_type = str(getattr(dag_run.run_type, "value", dag_run.run_type))  # an enum, or its text
    day = business_day(
        timezone=hospital.timezone,
        run_after=dag_run.run_after,
        logical_date=dag_run.logical_date,
        partition_key=getattr(dag_run, "partition_key", None),
        override=context["params"].get("business_day"),
        run_type=run_type,
    )
    include_old = bool(context["params"].get("include_old"))
    mode = mode_of(context)
    wishes = [MODES[mode]] if mode is not Mode.LIVE else []
    wishes += [PARAMS["include_old"][0]] if include_old else []
    words = " · ".join([day_text(HospitalDay(hospital.code, day)), *wishes])
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
    """Return what the run does."""
    return Mode(context["params"].get("mode") or Mode.LIVE)


def is_live(context: Mapping[str, Any]) -> bool:
    """Tell whether the run is about patients."""
    return mode_of(context) is Mode.LIVE


def actor_of(context: Mapping[str, Any]) -> Actor:
    """Return the try of a task as whoever moves lines."""
    ti = context["ti"]
    return Actor(
        name=ti.task_id,
        run_id=context["dag_run"].run_id,
        try_number=ti.try_number,
        software=software_here(),
    )
