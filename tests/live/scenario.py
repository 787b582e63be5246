"""What befalls a live Airflow: tasks and components killed, marked, cleared, run beside each other.

Every step waits until a POST stands at the gate and strikes then. Hospitals are struck at once.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import psutil

from track_dispatch.records import Area

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future
    from datetime import date

    from demo.oracle import OracleStandIn
    from demo.world import World
    from tests.live.books import Books
    from tests.live.gate import Gate, Hold
    from tests.live.live_airflow import LiveAirflow, Task
    from track_dispatch.config import Hospital

log = logging.getLogger("live")

HOSPITALS = ("HMS", "OTOA", "HSMC")
#: States in which Airflow is doing something with a task.
IN_MOTION = frozenset({"scheduled", "queued", "running", "restarting"})
#: States of a run that is over.
OVER = frozenset({"success", "failed"})
#: States from which only a person gets a task in time: its next try comes in five minutes.
FAILED = frozenset({"failed", "upstream_failed", "up_for_retry"})


class Strike(Protocol):
    """Does something to a task while its POST is held."""

    __name__: str

    def __call__(self, live: LiveAirflow, task: Task, process: psutil.Process, hold: Hold) -> None:
        """Strike."""


@dataclass
class Stage:
    """Everything a step needs.

    Attributes:
        done_days: days that were done in process before.
        struck: the POSTs that were held when something happened, by what happened.
        logs: what Airflow's log says of the task that was struck, by what happened.
    """

    live: LiveAirflow
    world: World
    gate: Gate
    books: Books
    done_days: Sequence[date]
    struck: dict[str, Hold] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    _before: set[tuple[str, str]] = field(default_factory=set)

    def begin(self) -> None:
        """Remember the runs that are there before anything begins."""
        for hospital in self.world.hospitals:
            self._before |= {(hospital.code, run) for run in self.live.runs(hospital.dag_id)}

    def hospital(self, code: str) -> Hospital:
        """Return a hospital of the world."""
        return next(one for one in self.world.hospitals if one.code == code)

    def hold(self, code: str, area: Area) -> Hold:
        """Hold the next POST to a hospital's survey."""
        return self.gate.hold(self.survey(code, area))

    def survey(self, code: str, area: Area) -> str:
        """Return the id of a hospital's survey."""
        return str(self.hospital(code).survey(area))

    def runs(self, code: str) -> dict[str, str]:
        """Return the states of a hospital's runs since the beginning."""
        found = self.live.runs(self.hospital(code).dag_id)
        return {run: state for run, state in found.items() if (code, run) not in self._before}

    def tasks(self, code: str, run_id: str) -> list[Task]:
        """Return the tasks of a run."""
        return self.live.tasks(self.hospital(code).dag_id, run_id)

    def first_run(self, code: str) -> str:
        """Return the run that began when the hospital's DAG was unpaused."""
        return min(self.runs(code))

    def is_still(self, code: str, run_id: str) -> bool:
        """Tell whether a run is over, or goes on only after a long wait.

        The run's own state first: Airflow forgets to go on with a run that is cleared while it is
        being ended.
        """
        is_over = self.runs(code)[run_id] in OVER
        states = {task.state for task in self.tasks(code, run_id)}
        return not states & IN_MOTION and (is_over or "up_for_retry" in states)

    def wait_until_still(self, code: str) -> str:
        """Wait until nothing of the hospital's first run is in motion, and return the run's id."""
        self.live.wait_for(
            f"{code} to stand still",
            lambda: self.runs(code) and self.is_still(code, self.first_run(code)),
            240,
        )
        return self.first_run(code)


def play(stage: Stage, late: LateArrivals, *, outage_seconds: float) -> None:
    """Play everything once."""
    gate = stage.gate
    gate.throttled |= {stage.survey("HMS", Area.ONCOLOGIA), stage.survey("OTOA", Area.EXAMES)}
    gate.broken |= {stage.survey("OTOA", Area.INTERNACAO)}
    strikes = [(strike, stage.hold("HMS", area)) for area, strike in STRIKES.items()]
    dags = [stage.hospital(code).dag_id for code in HOSPITALS]
    stage.live.wait_for("the DAGs", lambda: stage.live.api.unpause(dags))
    with ThreadPoolExecutor() as pool:
        waiting: list[Future[object]]
        waiting = [pool.submit(strike_at, stage, strike, hold) for strike, hold in strikes]
        waiting += [pool.submit(stage.wait_until_still, code) for code in ("OTOA", "HSMC")]
        for one in waiting:
            one.result()
    gate.broken.clear()
    gate.throttled -= {stage.survey("OTOA", Area.EXAMES)}
    backfill_beside_a_manual_run(stage, late)
    kill_the_scheduler(stage)
    gate.throttled.clear()
    take_the_api_server_away(stage, outage_seconds)
    tidy_up(stage)
    run_everybody(stage)
    tidy_up(stage)


# -- steps ---------------------------------------------------------------------------


def backfill_beside_a_manual_run(stage: Stage, late: LateArrivals) -> None:
    """Repeat five days that are done, and one of them twice at once: somebody came late to it.

    HSMC's dispatches may run for a few seconds only; the one that is held runs longer.
    """
    live, hsmc = stage.live, stage.hospital("HSMC")
    late.arrive()
    hold = stage.gate.hold(stage.survey("HSMC", late.area), late.attendances)
    first, last = stage.done_days[0], stage.done_days[-1]
    live.backfill(hsmc.dag_id, first, last, offset="-04:00", runs=len(stage.done_days))
    live.trigger(hsmc.dag_id, late.day)
    strike_at(stage, execution_timeout, hold)


def kill_the_scheduler(stage: Stage) -> None:
    """Clear a whole run and kill the scheduler, with all tasks, in the middle of it."""
    live = stage.live
    hold = stage.hold("OTOA", Area.EXAMES)
    live.clear_run(stage.hospital("OTOA").dag_id, stage.first_run("OTOA"))
    live.wait_for("a POST of the cleared run", hold.arrived.is_set)
    with live.without("scheduler"):
        stage.struck["scheduler_killed"] = hold
        hold.opened.set()


def take_the_api_server_away(stage: Stage, seconds: float) -> None:
    """Clear what failed, and let a dispatch end while nobody takes its report."""
    live = stage.live
    hold = stage.hold("HMS", Area.ONCOLOGIA)
    run_id = stage.wait_until_still("HMS")
    clear_failed(stage, "HMS", run_id)
    live.wait_for("a POST of a cleared task", hold.arrived.is_set)
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
    log.info("tidying up")
    limit = time.monotonic() + seconds
    while unfinished := list(_unfinished(stage)):
        assert time.monotonic() < limit, f"unfinished: {unfinished}; logs in {stage.live.home}"
        leased, days = stage.books.leased_days(), stage.books.days_of_runs()
        for code, run_id in unfinished:
            is_leased = (code, days.get((code, run_id))) in leased
            if not is_leased and stage.is_still(code, run_id):
                clear_failed(stage, code, run_id)
        time.sleep(0.5)


def clear_failed(stage: Stage, code: str, run_id: str) -> None:
    """Clear the tasks of a run that failed, or else its dispatches, with what follows."""
    failed: list[str | tuple[str, int]] = [
        (task.task_id, task.map_index) if task.map_index >= 0 else task.task_id
        for task in stage.tasks(code, run_id)
        if has_failed(task)
    ]
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


# -- strikes -------------------------------------------------------------------------


def strike_at(stage: Stage, strike: Strike, hold: Hold) -> None:
    """Wait until a POST is held, find who sends it, strike."""
    live, what = stage.live, strike.__name__
    live.wait_for(f"a POST to be held: {what}", hold.arrived.is_set, 240)
    flight = stage.books.flight(hold.survey)
    assert flight is not None, what
    dag_id = stage.hospital(flight.hospital).dag_id
    task = live.dispatch_task(dag_id, flight.run_id, flight.area, flight.channel)
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
    live.clear(task.dag_id, task.run_id, [(task.task_id, task.map_index)])
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


#: What befalls the first POST to each of HMS's surveys.
STRIKES: dict[Area, Strike] = {
    Area.PRONTO_SOCORRO: task_killed,
    Area.INTERNACAO: supervisor_killed,
    Area.MATERNIDADE: marked_failed,
    Area.AMBULATORIO: marked_success,
    Area.EXAMES: cleared,
}


# -- the ERP -------------------------------------------------------------------------


class LateArrivals:
    """Half of HSMC's attendances of a day, which are not in the ERP until they `arrive`."""

    area = Area.INTERNACAO

    def __init__(self, erp: OracleStandIn, day: date) -> None:
        self.day = day
        self._erp = erp
        erp.execute(
            "create table aside as select * from tasy.atendimento_paciente"
            " where cast(dt_alta as date) = ? and nr_atendimento % 2 = 0",
            [day],
        )
        erp.execute(
            "delete from tasy.atendimento_paciente"
            " where nr_atendimento in (select nr_atendimento from aside)"
        )
        self.attendances = {
            str(number) for (number,) in erp.execute("select nr_atendimento from aside")
        }

    def arrive(self) -> None:
        """Put them into the ERP."""
        self._erp.execute("insert into tasy.atendimento_paciente select * from aside")
