"""What befalls a dispatch while its POST is held."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import psutil

if TYPE_CHECKING:
    from tests.live.gate import Hold
    from tests.live.live_airflow import LiveAirflow, Task
    from tests.live.stage import Stage

log = logging.getLogger("live")


class Strike(Protocol):
    """Does something to a task while its POST is held."""

    __name__: str

    def __call__(self, live: LiveAirflow, task: Task, process: psutil.Process, hold: Hold) -> None:
        """Strike."""


def strike_at(stage: Stage, strike: Strike, hold: Hold) -> None:
    """Wait until a POST is held, find who sends it, strike."""
    live, what = stage.live, strike.__name__
    live.wait_for(f"a POST to be held: {what}", hold.arrived.is_set, 240)
    flight = stage.books.flight(hold.survey)
    assert flight is not None, what
    dag_id = stage.hospital(flight.hospital).dag_id
    task = live.dispatch_task(dag_id, flight.run_id)
    log.info("%s: %s, %s", what, flight, task)
    process = live.wait_for(f"its process: {what}", lambda: live.process_of(task), 5)
    assert not hold.opened.is_set()
    stage.struck[what] = hold
    strike(live, task, process, hold)
    hold.opened.set()
    live.wait_for(f"its end: {what}", lambda: not is_alive(process))
    live.wait_for(f"Airflow to notice: {what}", lambda: live.state_of(task) != "running")
    stage.logs[what] = live.log_of(task)


def task_killed(live: LiveAirflow, task: Task, process: psutil.Process, hold: Hold) -> None:
    """Kill the task's process."""
    live.kill(process)


def supervisor_killed(live: LiveAirflow, task: Task, process: psutil.Process, hold: Hold) -> None:
    """Kill the task's supervisor; the task itself goes on."""
    supervisor = process.parent()
    assert supervisor is not None
    live.kill(supervisor)
    live.wait_for("the supervisor's end", lambda: not is_alive(supervisor))


def marked_failed(live: LiveAirflow, task: Task, process: psutil.Process, hold: Hold) -> None:
    """Mark the task failed and let Airflow stop it: SIGTERM, after five seconds SIGKILL."""
    live.mark(task, "failed")
    live.wait_for("the stopped task's end", lambda: not is_alive(process))


def marked_success(live: LiveAirflow, task: Task, process: psutil.Process, hold: Hold) -> None:
    """Mark the task success; the answer comes before Airflow's SIGKILL."""
    live.mark(task, "success")


def cleared(live: LiveAirflow, task: Task, process: psutil.Process, hold: Hold) -> None:
    """Clear the task while it runs."""
    live.clear(task.dag_id, task.run_id, [task.task_id])
    live.wait_for("the cleared task's end", lambda: not is_alive(process))


def execution_timeout(live: LiveAirflow, task: Task, process: psutil.Process, hold: Hold) -> None:
    """Wait until the task has run for too long."""
    live.wait_for("the execution timeout", lambda: not is_alive(process))


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process does anything any more."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


#: What befalls the first POSTs of a hospital, in turn: each has one dispatch. A task that lost its
#: supervisor goes on to the last batch, so that nothing is left to strike at.
STRIKES: dict[str, tuple[Strike, ...]] = {
    "HMS": (task_killed, marked_failed, cleared),
    "OTOA": (marked_success, supervisor_killed),
}
