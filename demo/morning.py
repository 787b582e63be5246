"""`make morning`: a day of all hospitals under a live Airflow, and what it costs."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from demo.airflow_api import AirflowApi, RunSeen, free_port, live_settings
from demo.choices import Choices, refuse
from demo.components import Components
from demo.folders import fresh_folder
from demo.live import COMPONENTS, START_LIMIT
from demo.made_up import MODEL, fill_up
from demo.process_costs import cpu_seconds, memory_bytes
from demo.run import prepare, terminal_apart
from demo.world import ROOT, World, airflow_settings
from track_dispatch.config import working_hospitals
from track_dispatch.pipeline.morning import due_day

PARENT = ROOT / ".airflow" / "morning"
#: Those that are shipped.
HOSPITALS = 18
MOST = 1000
#: The tag of hospitals' DAGs.
TAG = "pesquisa"
#: Track's limit is not what is measured.
REQUESTS = 10_000
#: Seconds between two looks at Airflow, which cost it CPU, too.
INTERVAL = 2.0
#: States that a run does not leave by itself.
OVER = frozenset({"success", "failed"})


@dataclass(frozen=True, slots=True)
class MeasuredMorning:
    """What a morning took and cost.

    Attributes:
        hospitals: how many ran.
        healthy_seconds: from the start of Airflow until it was well and knew all DAGs.
        end_seconds: from unpausing the DAGs to the end of the last run.
        runs: by state.
        tasks: task instances, by state.
        cpu_seconds: by component, from its start to the end of the last run.
        memory_mb: the most that all processes held at one look, shared pages counted once (PSS).
        accepted: lines that Track accepted.
        accepted_twice: of them, those that it accepted more than once.
        load_before: of the machine, in processes, before all began.
        cores: of the machine.
    """

    hospitals: int
    healthy_seconds: float
    end_seconds: float
    runs: Mapping[str, int]
    tasks: Mapping[str, int]
    cpu_seconds: Mapping[str, float]
    memory_mb: int
    accepted: int
    accepted_twice: int
    load_before: float
    cores: int

    @property
    def is_good(self) -> bool:
        """Whether every run is green and nobody was asked twice."""
        return self.runs == {"success": self.hospitals} and not self.accepted_twice

    def text(self) -> str:
        """Say it in lines."""
        cpu = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.cpu_seconds.items())
        return "\n".join(
            (
                f"hospitals        {self.hospitals}",
                f"until healthy    {self.healthy_seconds:.1f} s",
                f"to the last end  {self.end_seconds:.1f} s",
                f"runs             {_counts(self.runs)}",
                f"task instances   {sum(self.tasks.values())}: {_counts(self.tasks)}",
                f"CPU, seconds     {sum(self.cpu_seconds.values()):.1f}: {cpu}",
                f"memory (PSS)     {self.memory_mb} MB",
                f"Track accepted   {self.accepted} lines, {self.accepted_twice} of them twice",
                f"machine          {self.cores} cores, load {self.load_before:.1f} before",
            )
        )


def main(arguments: list[str] | None = None) -> int:
    """Run a morning; return 0 when it was good, 1 when not or when a signal ended it."""
    parser = Choices(prog="make morning", usage="make morning [NUMBER=60] [JSON=1]")
    parser.add_argument("--hospitals", type=int, default=HOSPITALS, help="how many")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args(arguments)
    if not 1 <= options.hospitals <= MOST:
        refuse(f"NUMBER={options.hospitals} is not from 1 to {MOST}")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    with fresh_folder(PARENT) as home, terminal_apart(home / "setup.log") as console:
        try:
            found = measure(options.hospitals, home, stopped)
        except BrokenOffError as error:
            console.print(str(error), highlight=False, soft_wrap=True)
            return 1
        show(found, console, as_json=options.json)
    return 0 if found.is_good else 1


def show(found: MeasuredMorning, console: Console, *, as_json: bool) -> None:
    """Print the figures."""
    text = json.dumps(asdict(found), indent=2) if as_json else found.text()
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def measure(number: int, home: Path, stopped: threading.Event) -> MeasuredMorning:
    """Run a morning of so many hospitals below `home`.

    Raises:
        BrokenOffError: a signal came, a component ended, or something took too long.
    """
    load = os.getloadavg()[0]
    api = AirflowApi(free_port(), secrets.token_urlsafe(9))
    settings = airflow_settings(home, requests_per_5_minutes=REQUESTS)
    made_up = fill_up(Path(settings["TRACK_INCLUDE_DIR"]), number)
    hospitals = working_hospitals(Path(settings["TRACK_INCLUDE_DIR"]))
    days = {due_day(hospital, datetime.now(UTC)) for hospital in hospitals}
    like = dict.fromkeys(made_up, MODEL)
    # a day of one patient whom Track refuses would be red
    with World(hospitals, days=sorted(days), refused_domain=None, like=like) as world:
        os.environ.update(settings | world.connections() | live_settings(api, home))
        prepare()
        with Components(COMPONENTS, logs=home) as components:
            watch = Watch(components, stopped, home)
            healthy = watch.wait_for(
                "Airflow to be well",
                lambda: api.is_healthy() and api.count_dags(TAG) == len(hospitals),
                limit=START_LIMIT + len(hospitals),
            )
            unpaused = datetime.now(UTC)
            api.unpause_all(TAG)
            watch.wait_for(
                "the last run to end",
                lambda: _are_over(api.runs(), len(hospitals)),
                limit=300.0 + 30.0 * len(hospitals),
            )
            cpu, runs = cpu_seconds(components), api.runs()
            ended = max(run.ended or unpaused for run in runs)
            return MeasuredMorning(
                hospitals=len(hospitals),
                healthy_seconds=round(healthy, 1),
                end_seconds=round((ended - unpaused).total_seconds(), 1),
                runs=dict(Counter(run.state for run in runs)),
                tasks=dict(api.task_states()),
                cpu_seconds={name: round(seconds, 1) for name, seconds in cpu.items()},
                memory_mb=watch.most_memory // 1_000_000,
                accepted=world.track.accepted_ids().total(),
                accepted_twice=len(world.track.accepted_twice()),
                load_before=round(load, 1),
                cores=os.cpu_count() or 1,
            )


class BrokenOffError(Exception):
    """There is nothing to tell; the message says why."""


class Watch:
    """Waits beside Airflow, and looks at what it holds.

    Attributes:
        most_memory: the most that all processes held at one look, in bytes.

    Args:
        components: Airflow's, running.
        stopped: set by a signal.
        home: where their logs are.
    """

    def __init__(self, components: Components, stopped: threading.Event, home: Path) -> None:
        self.most_memory = 0
        self._components = components
        self._stopped = stopped
        self._home = home

    def wait_for(self, what: str, has_happened: Callable[[], bool], *, limit: float) -> float:
        """Look until something has happened, and return the seconds that it took.

        Raises:
            BrokenOffError: a signal came, a component ended, or it has not happened in time.
        """
        begin = time.monotonic()
        while not has_happened():
            self.most_memory = max(self.most_memory, memory_bytes(self._components))
            if self._stopped.wait(INTERVAL):
                raise BrokenOffError("stopped")
            if ended := self._components.ended():
                message = f"stopped by itself: {', '.join(ended)}; see the logs in {self._home}"
                raise BrokenOffError(message)
            if time.monotonic() - begin > limit:
                message = f"waited {limit:.0f} s for {what}; see the logs in {self._home}"
                raise BrokenOffError(message)
        return time.monotonic() - begin


def _are_over(runs: Sequence[RunSeen], number: int) -> bool:
    return len(runs) >= number and all(run.state in OVER for run in runs)


def _counts(states: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


if __name__ == "__main__":
    sys.exit(main())
