"""The stage on which a scenario is played: Airflow, the stand-ins and the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from track_dispatch.records import Area

if TYPE_CHECKING:
    from demo.world import World
    from tests.live.books import Books
    from tests.live.gate import Gate, Hold
    from tests.live.late_arrivals import LateArrivals
    from tests.live.live_airflow import LiveAirflow, Task
    from track_dispatch.config import Hospital

#: States in which Airflow is doing something with a task.
IN_MOTION = frozenset({"scheduled", "queued", "running", "restarting"})
#: States of a run that is over.
OVER = frozenset({"success", "failed"})


@dataclass
class Stage:
    """Everything a step needs.

    Attributes:
        done_days: days that were done in process before.
        late: who comes late to a hospital.
        struck: the POSTs that were held when something happened, by what happened.
        logs: what Airflow's log says of the task that was struck, by what happened.
    """

    live: LiveAirflow
    world: World
    gate: Gate
    books: Books
    done_days: Sequence[date]
    late: Mapping[str, LateArrivals]
    struck: dict[str, Hold] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    _before: set[tuple[str, str]] = field(default_factory=set)

    @property
    def late_day(self) -> date:
        """The day, of those done, that somebody comes late to at HSMC."""
        return self.done_days[2]

    def begin(self) -> None:
        """Remember the runs that are there before anything begins."""
        for hospital in self.world.hospitals:
            self._before |= {(hospital.code, run) for run in self.live.runs(hospital.dag_id)}

    def hospital(self, code: str) -> Hospital:
        """Return a hospital of the world."""
        return next(one for one in self.world.hospitals if one.code == code)

    def surveys(self, *codes: str) -> set[str]:
        """Return the ids of hospitals' surveys."""
        return {self.survey(code, area) for code in codes for area in Area}

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
