"""What befalls a live Airflow: tasks and components killed, marked, cleared, run beside each other.

Every step waits until a POST stands at the gate and strikes then. Hospitals are struck at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from tests.live.stage import OVER
from tests.live.strikes import STRIKES, execution_timeout, strike_at
from track_dispatch.records import Area

if TYPE_CHECKING:
    from tests.live.gate import Hold
    from tests.live.live_airflow import Task
    from tests.live.stage import Stage

log = logging.getLogger("live")

HOSPITALS = ("HMS", "OTOA", "HSMC")
#: States from which only a person gets a task in time: its next try comes in five minutes.
FAILED = frozenset({"failed", "upstream_failed", "up_for_retry"})


def play(stage: Stage, *, outage_seconds: float) -> None:
    """Play everything once."""
    strike_the_scheduled_runs(stage)
    backfill_beside_a_manual_run(stage)
    kill_the_scheduler(stage)
    take_the_api_server_away(stage, outage_seconds)
    tidy_up(stage)
    run_everybody(stage)
    tidy_up(stage)


def strike_the_scheduled_runs(stage: Stage) -> None:
    """Unpause, let Track refuse some POSTs, and strike at others."""
    gate, live = stage.gate, stage.live
    gate.throttled = {stage.survey("OTOA", Area.AMBULATORIO)}
    gate.broken = {stage.survey("HMS", Area.INTERNACAO)}
    dags = [stage.hospital(code).dag_id for code in HOSPITALS]
    first = {
        code: gate.hold(stage.surveys(code) - gate.throttled - gate.broken) for code in STRIKES
    }
    live.wait_for("the DAGs", lambda: live.api.unpause(dags))
    with ThreadPoolExecutor() as pool:
        waiting: list[Future[object]]
        waiting = [pool.submit(strike_in_turn, stage, code, first[code]) for code in STRIKES]
        waiting.append(pool.submit(stage.wait_until_still, "HSMC"))
        with live.giving_up_on_errors():
            for one in as_completed(waiting):
                one.result()
    gate.throttled, gate.broken = set(), set()


def strike_in_turn(stage: Stage, code: str, hold: Hold) -> None:
    """Strike at a hospital's dispatch each time that a POST is held, until Track has failed, too.

    Each POST goes to another survey: one that is let through is not held again. HMS meets a survey
    that is broken, OTOA one that is throttled.
    """
    failing, surveys = {"HMS": 500, "OTOA": 429}[code], stage.surveys(code)
    *others, last = STRIKES[code]
    for strike in others:
        keep_dispatching(stage, code, f"a POST for {strike.__name__}", hold.arrived.is_set)
        after = stage.gate.hold(hold.surveys)  # what the task posts before it ends waits, too
        strike_at(stage, strike, hold)
        if after.arrived.is_set():
            after.opened.set()
            after = stage.gate.hold(hold.surveys)
        hold = after
    keep_dispatching(stage, code, f"a POST for {last.__name__}", hold.arrived.is_set)
    strike_at(stage, last, hold)
    keep_dispatching(
        stage,
        code,
        f"a {failing} for {code}",
        lambda: any(
            post.status == failing and post.survey_uuid in surveys
            for post in stage.world.track.received
        ),
    )
    stage.wait_until_still(code)


def keep_dispatching(stage: Stage, code: str, what: str, happened: Callable[[], bool]) -> None:
    """Clear a hospital's dispatch whenever nothing is in motion, until something has happened."""

    def look() -> bool:
        if happened():
            return True
        if stage.runs(code) and stage.is_still(code, run_id := stage.first_run(code)):
            stage.live.clear(stage.hospital(code).dag_id, run_id, ["dispatch"])
        return False

    stage.live.wait_for(what, look, 240)


def backfill_beside_a_manual_run(stage: Stage) -> None:
    """Repeat five days that are done, and one of them twice at once: somebody came late to it.

    HSMC's dispatches may run for a few seconds only; the one that is held runs longer.
    """
    live, hsmc, late = stage.live, stage.hospital("HSMC"), stage.late["HSMC"]
    late.arrive()
    hold = stage.gate.hold(stage.surveys("HSMC"), late.attendances)
    first, last = stage.done_days[0], stage.done_days[-1]
    live.backfill(hsmc.dag_id, first, last, offset="-04:00", runs=len(stage.done_days))
    live.trigger(hsmc.dag_id, stage.late_day)
    strike_at(stage, execution_timeout, hold)


def kill_the_scheduler(stage: Stage) -> None:
    """Clear a whole run and kill the scheduler, with all tasks, in the middle of it."""
    live = stage.live
    stage.late["OTOA"].arrive()
    hold = stage.gate.hold(stage.surveys("OTOA"))
    live.clear_run(stage.hospital("OTOA").dag_id, stage.first_run("OTOA"))
    live.wait_for("a POST of the cleared run", hold.arrived.is_set)
    with live.without("scheduler"):
        stage.struck["scheduler_killed"] = hold
        hold.opened.set()


def take_the_api_server_away(stage: Stage, seconds: float) -> None:
    """Clear a task with all that follows, and let a dispatch end while nobody takes its report."""
    live = stage.live
    run_id = stage.wait_until_still("HMS")
    stage.late["HMS"].arrive()
    hold = stage.gate.hold(stage.surveys("HMS"))
    live.clear(stage.hospital("HMS").dag_id, run_id, ["extract"])
    live.wait_for("a POST of the cleared tasks", hold.arrived.is_set)
    flight = stage.books.flight(hold.survey)
    assert flight is not None
    with live.without("api-server"):
        stage.struck["api_server_down"] = hold
        hold.opened.set()
        live.wait_for(
            "the answer to be written down",
            lambda: stage.books.batch_state(flight.batch_id) != "sending",
        )
        time.sleep(seconds)  # an outage of this length is what is tried


def run_everybody(stage: Stage) -> None:
    """Run the latest day of each hospital that has had no run yet."""
    hospitals = stage.world.hospitals
    stage.live.api.unpause([hospital.dag_id for hospital in hospitals])
    stage.live.wait_for(
        "every hospital's run to be over",
        lambda: all(OVER & set(stage.runs(hospital.code).values()) for hospital in hospitals),
        900,
    )


def tidy_up(stage: Stage, seconds: float = 240.0) -> None:
    """Clear what failed, and dispatch where the report says that lines wait, until nothing is."""
    stage.gate.let_all_through()

    def is_tidy() -> bool:
        unfinished = list(_unfinished(stage))
        leased, days = stage.books.leased_days(), stage.books.days_of_runs()
        for code, run_id in unfinished:
            is_leased = (code, days.get((code, run_id))) in leased
            if not is_leased and stage.is_still(code, run_id):
                log.info("cleared: %s %s", code, run_id)
                clear_failed(stage, code, run_id)
        return not unfinished

    stage.live.wait_for("all to be tidy", is_tidy, seconds)


def clear_failed(stage: Stage, code: str, run_id: str) -> None:
    """Clear the tasks of a run that failed, or else its dispatch, with what follows."""
    failed = [task.task_id for task in stage.tasks(code, run_id) if has_failed(task)]
    stage.live.clear(stage.hospital(code).dag_id, run_id, failed or ["dispatch"])


def has_failed(task: Task) -> bool:
    """Tell whether a task must be done again; the report's colour is no failure."""
    return task.task_id != "report" and task.state in FAILED


def _unfinished(stage: Stage) -> Iterator[tuple[str, str]]:
    """Yield the runs with something in motion or failed, and those of days with open lines."""
    open_days, days = stage.books.open_days(), stage.books.days_of_runs()
    for hospital in stage.world.hospitals:
        code = hospital.code
        for run_id, state in stage.runs(code).items():
            if (
                state not in OVER
                or (code, days.get((code, run_id))) in open_days
                or any(map(has_failed, stage.tasks(code, run_id)))
            ):
                yield code, run_id
