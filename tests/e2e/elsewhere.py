"""Airflow in a process of its own, with a folder for all it leaves; logs at DEBUG by default.

The test's process has the stand-ins and says what to run; `Elsewhere` is its end of the line,
`main` the other.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self, cast

from demo.world import ROOT, airflow_settings, chosen_hospitals

if TYPE_CHECKING:
    from demo.world import World

#: Those who would tell most, if they were told anything.
TALKATIVE = ("sqlalchemy.engine", "urllib3", "requests", "oracledb", "track_dispatch")


@dataclass(frozen=True)
class Result:
    """A run as it stands: its colour, and the types of the errors that its tasks raised."""

    state: str
    errors: dict[str, list[str]]


class Elsewhere:
    """The other process; a context manager.

    Attributes:
        home: Airflow's home, with databases, logs, temporary files and what was printed.

    Args:
        home: the folder that `env` is about, with nothing of an Airflow in it yet.
        stand_ins: where the other process's connections lead.
        env: what else the process finds in its environment: `environment(home)`, and more.
    """

    def __init__(self, home: Path, stand_ins: World, env: Mapping[str, str]) -> None:
        self.home = home
        (home / "tmp").mkdir(parents=True)
        codes = [hospital.code for hospital in stand_ins.hospitals]
        with (home / "printed").open("wb") as printed:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.elsewhere", *codes],
                cwd=ROOT,
                env={**stand_ins.connections(), **env},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=printed,
                text=True,
            )

    def __enter__(self) -> Self:
        self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run_day(self, code: str, day: date) -> Result:
        """Run a hospital's day."""
        return self._ask(code=code, day=day.isoformat())

    def clear_from(self, task_id: str) -> Result:
        """Clear a task of the last run, and what follows it."""
        return self._ask(clear_from=task_id)

    def _ask(self, **order: str) -> Result:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Result(**self._answer())

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the other process broke off; see {self.home / 'printed'}"
        return cast("dict[str, Any]", json.loads(line))


def environment(home: Path, **policies: Any) -> dict[str, str]:
    """Return what an Airflow below `home` finds in its environment, and nothing of ours.

    The policies are those of `demo.world.practice_include`, with these beside or instead.
    """
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return inherited | {
        **airflow_settings(home, **policies),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}",
        "TMPDIR": str(home / "tmp"),
    }


def main() -> None:
    """Run days as told by stdin; print errors as they are, with all that hangs on them."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # whatever is printed goes with stderr
        for result in _results(sys.argv[1:]):
            answers.write(json.dumps(asdict(result)) + "\n")
            answers.flush()


def _results(codes: Sequence[str]) -> Iterator[Result]:
    from demo.run import prepare  # noqa: PLC0415 - imports Airflow, which reads the environment
    from tests.airflow_world import AirflowWorld  # noqa: PLC0415

    world = AirflowWorld(cast("Any", SimpleNamespace(hospitals=chosen_hospitals(codes))))
    prepare()
    _register_dags()
    if os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] == "DEBUG":
        for name in TALKATIVE:
            logging.getLogger(name).setLevel(logging.DEBUG)
        http.client.HTTPConnection.debuglevel = 1
    yield Result("ready", {})
    played: Any = None
    for line in sys.stdin:
        order = json.loads(line)
        if "clear_from" in order:
            played = world.clear_from(played, order["clear_from"])
        else:
            played = world.run_day(order["code"], date.fromisoformat(order["day"]))
        errors = {}
        for task, error in played.errors.items():
            sys.stdout.write("\n".join([task, *told(error), ""]))
            errors[task] = [type(one).__name__ for one in chain(error)]
        yield Result(played.state, errors)


def _register_dags() -> None:
    """Bring the DAGs into Airflow's database, as the DAG processor does."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager  # noqa: PLC0415
    from airflow.dag_processing.dagbag import sync_bag_to_db  # noqa: PLC0415

    from demo.run import dag_bag  # noqa: PLC0415 - with the ones before

    DagBundlesManager().sync_bundles_to_db()
    bag = dag_bag()
    sync_bag_to_db(bag, "dags-folder", None)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its cause, and what it happened in, suppressed or not."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in seen:
            seen.append(one)
            waiting += [one.__cause__, one.__context__]
            yield one


def told(error: BaseException) -> Iterator[str]:
    """Yield all that an error could tell to a logger which looks at everything."""
    for one in chain(error):
        yield f"{one!r} {one} {one.args!r} {vars(one)!r} {getattr(one, '__notes__', ())!r}"


if __name__ == "__main__":
    main()
