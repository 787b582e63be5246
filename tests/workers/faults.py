"""What befalls workers on several machines, and what they share, while a POST is under way."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from tests.live.accounts import in_the_erp, lost
from tests.live.scenario import tidy_up
from tests.live.stage import OVER, Stage
from tests.workers.services import restart_postgres
from track_dispatch.records import Area

if TYPE_CHECKING:
    from demo.world import World
    from tests.live.books import Books, Line
    from tests.live.gate import Gate, Hold
    from tests.live.live_airflow import Task
    from tests.workers.machines import Machines
    from tests.workers.services import Broker
    from track_dispatch.config import Hospital

log = logging.getLogger("workers")

#: Longer than a lease (15 s) and the time after which Airflow takes a task for dead (15 s).
ASLEEP = 40.0


@dataclass
class Faults:
    """Everything a fault needs.

    Attributes:
        struck: the POSTs that were held when something happened, by what happened.
        posts_after_deletion: how many there were when days were run again whose runs were deleted.
    """

    machines: Machines
    world: World
    gate: Gate
    books: Books
    broker: Broker
    postgres: str
    struck: dict[str, Hold] = field(default_factory=dict)
    posts_after_deletion: int | None = None

    @property
    def stage(self) -> Stage:
        """The same, as the live scheduler's proof has it."""
        return Stage(self.machines, self.world, self.gate, self.books, (), {})

    def hospital(self, code: str) -> Hospital:
        """Return a hospital of the world."""
        return next(one for one in self.world.hospitals if one.code == code)

    def held_post(self, code: str, day: date, what: str) -> tuple[str, Task]:
        """Run a hospital's day until a POST of it is held; return its worker and its task."""
        surveys = {str(self.hospital(code).survey(area)) for area in Area}
        hold = self.struck[what] = self.gate.hold(surveys)
        self.machines.trigger(self.hospital(code).dag_id, day)
        self.machines.wait_for(f"a POST to be held: {what}", hold.arrived.is_set, 240)
        flight = self.books.flight(hold.survey)
        assert flight is not None, what
        task = self.machines.dispatch_task(self.hospital(code).dag_id, flight.run_id)
        return self.machines.worker_of(task), task

    def wait_until_settled(self, what: str) -> None:
        """Wait until what came of a POST is written down."""
        survey = self.struck[what].survey
        self.machines.wait_for(
            f"the ledger to know: {what}", lambda: self.books.flight(survey) is None
        )

    def wait_until_over(self, *, seconds: float = 600) -> None:
        """Wait until no run of any hospital is under way."""
        self.machines.wait_for("all runs to be over", self._all_over, seconds)

    def _all_over(self) -> bool:
        return all(
            state in OVER
            for hospital in self.world.hospitals
            for state in self.machines.runs(hospital.dag_id).values()
        )

    def numbers(
        self, lines: Sequence[Line], days: Sequence[date], *, seconds: float
    ) -> dict[str, int | float]:
        """Count what was done and what came of it, for the page of guarantees."""
        accepted = self.world.track.accepted_ids()
        return {
            "hospitals": len(self.world.hospitals),
            "workers": len(self.machines.workers),
            **self.machines.done,
            "posts": len(self.world.track.received),
            "accepted": accepted.total(),
            "in_doubt": sum(line.state == "in_doubt" for line in lines),
            "lost": len(self.lost(lines, days)),
            "duplicates": len(self.world.track.accepted_twice()),
            "seconds": round(seconds),
        }

    def lost(self, lines: Sequence[Line], days: Sequence[date]) -> list[str]:
        """Name what neither Track has nor the ledger accounts for."""
        accepted = self.world.track.accepted_ids()
        return [
            told
            for hospital in self.world.hospitals
            for day in days
            for told in lost(in_the_erp(hospital, day, days=days), lines, accepted)
        ]


def play(faults: Faults, days: Sequence[date], *, in_full: bool) -> None:
    """Play what befalls a worker's own tasks, or everything, once.

    Each POST goes on when what befell it is over.
    """
    first, second = days
    deliver_twice(faults, first)
    kill_a_worker(faults, second)
    if in_full:
        put_a_worker_to_sleep(faults, first)
        kill_the_broker(faults, first)
        crash_postgres(faults, second)
    tidy_up(faults.stage, 600)
    delete_runs(faults)
    run_the_rest(faults, days)
    tidy_up(faults.stage, 600)


def deliver_twice(faults: Faults, day: date) -> None:
    """Let the broker hand a task out once more that a worker is in the middle of.

    That is what it does when a task takes longer than `visibility_timeout`.
    """
    machines = faults.machines
    _, task = faults.held_post("HMS", day, "delivered_twice")
    faults.broker.deliver_again()
    machines.done["redeliveries"] += 1
    machines.wait_for("the task to be handed out again", lambda: machines.begun(task) == 2)
    faults.struck["delivered_twice"].opened.set()
    faults.wait_until_settled("delivered_twice")


def kill_a_worker(faults: Faults, day: date) -> None:
    """Kill a worker with its tasks, in the middle of a POST; another machine goes on."""
    machines = faults.machines
    worker, _ = faults.held_post("HMS", day, "worker_killed")
    machines.workers[worker].kill(worker)
    machines.done["kills"] += 1
    faults.struck["worker_killed"].opened.set()
    machines.workers[worker].start(worker)


def put_a_worker_to_sleep(faults: Faults, day: date) -> None:
    """Stop a worker beyond lease and heartbeat, let the other do its task, and wake it."""
    machines, what = faults.machines, "worker_asleep"
    worker, task = faults.held_post("OTOA", day, what)
    asleep = machines.processes_of(worker)
    for process in asleep:
        process.send_signal(signal.SIGSTOP)
    machines.done["sleeps"] += 1
    begin = time.monotonic()
    machines.wait_for(
        "Airflow to miss the task",
        lambda: machines.state_of(task) in {"failed", "up_for_retry"},
    )
    # a lease is as long as this at most, and nobody may end it before
    time.sleep(max(0.0, ASLEEP - (time.monotonic() - begin)))
    faults.struck[what].opened.set()
    machines.clear(task.dag_id, task.run_id, ["dispatch"])
    machines.wait_for(
        "another worker to end the lease",
        lambda: faults.books.flight(faults.struck[what].survey) is None,
        240,
    )
    for process in asleep:
        process.send_signal(signal.SIGCONT)


def kill_the_broker(faults: Faults, day: date) -> None:
    """Kill Redis in the middle of a POST, and start it again."""
    faults.held_post("HSMC", day, "broker_killed")
    faults.broker.kill()
    faults.machines.done["kills"] += 1
    faults.struck["broker_killed"].opened.set()
    faults.wait_until_settled("broker_killed")
    faults.broker.start()


def crash_postgres(faults: Faults, day: date) -> None:
    """Crash the PostgreSQL of Airflow, results and ledger in the middle of a POST."""
    faults.held_post("HSMC", day, "postgres_crashed")
    restart_postgres(faults.postgres)
    faults.machines.done["kills"] += 1
    faults.struck["postgres_crashed"].opened.set()
    faults.books.close()  # the connections that it had are broken
    faults.machines.wait_until_healthy()


def delete_runs(faults: Faults) -> None:
    """Delete every run there is, and run the same days again: Airflow has forgotten all."""
    machines, days = faults.machines, faults.books.days_of_runs()
    again = []
    for hospital in faults.world.hospitals:
        for run_id in machines.runs(hospital.dag_id):
            machines.delete_run(hospital.dag_id, run_id)
            again.append((hospital.dag_id, days[hospital.code, run_id]))
    posts = len(faults.world.track.received)
    for dag_id, day in again:
        machines.trigger(dag_id, day)
    faults.wait_until_over()
    faults.posts_after_deletion = len(faults.world.track.received) - posts


def run_the_rest(faults: Faults, days: Sequence[date]) -> None:
    """Run each day of each hospital that has had no run yet, and let the doctor look."""
    begun = {(code, day) for (code, _), day in faults.books.days_of_runs().items()}
    for hospital in faults.world.hospitals:
        for day in days:
            if (hospital.code, day) not in begun:
                faults.machines.trigger(hospital.dag_id, day)
    faults.machines.api.unpause(["track_doctor"])
    faults.machines.run_now("track_doctor")
    faults.wait_until_over()
