"""`make demo`: one day of some hospitals, from Oracle to Track, with nothing but this project.

`make ui` (demo/live.py) shows the same world in a live Airflow.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from demo.world import ROOT, World, airflow_settings, chosen_hospitals

if TYPE_CHECKING:
    from track_dispatch.config import Hospital

HOME = ROOT / ".airflow" / "demo"
DEFAULT_HOSPITALS = "HMS,OTOA,HSMC"


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return 0 when every run is green and every equation holds."""
    parser = argparse.ArgumentParser(prog="python -m demo.run", description=__doc__)
    parser.add_argument("--hospitals", default=DEFAULT_HOSPITALS, help="codes, or all")
    parser.add_argument("--day", type=day_of, help="YYYY-MM-DD; default: yesterday")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    hospitals = chosen_hospitals(options.hospitals.upper().split(","))
    days = {hospital.code: options.day or yesterday(hospital) for hospital in hospitals}
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    with World(hospitals, days=sorted(set(days.values()))) as world:
        os.environ.update(airflow_settings(HOME) | world.connections())
        with terminal_apart(HOME / "demo.log") as console:
            # not KeyboardInterrupt: Airflow takes it for a task's failure, and goes on
            signal.signal(signal.SIGINT, lambda *_: leave(console))
            return run(world, days, console)


def day_of(text: str) -> date:
    """Read a day.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day: DAY=2026-11-20") from None


def leave(console: Console) -> None:
    """End at once; the next demo begins anew anyway."""
    console.show_cursor()
    console.print("stopped")
    os._exit(130)


def yesterday(hospital: Hospital) -> date:
    """Return the last day that is over at the hospital."""
    return datetime.now(UTC).astimezone(hospital.zone).date() - timedelta(days=1)


def run(world: World, days: dict[str, date], console: Console) -> int:
    """Run each hospital's DAG and print what happened."""
    from demo import summary  # noqa: PLC0415 - imports Airflow, which reads the environment

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        step = progress.add_task("Airflow database, ledger, pools", total=1)
        prepare()
        progress.update(step, completed=1)
        dags = load_dags()
        states = {}
        for hospital in world.hospitals:
            name = f"{hospital.dag_id} · {days[hospital.code]}"
            step = progress.add_task(name, total=1)
            done = run_dag(dags[hospital.dag_id], days[hospital.code])
            states[hospital.code] = done
            progress.update(step, completed=1, description=f"{name} · {done}")
    code = summary.show(world, days, states, console)
    if code:
        log = HOME / "demo.log"
        for reason in reasons(log.read_text(encoding="utf-8")):
            console.print(reason, highlight=False, markup=False, soft_wrap=True)
        console.print(f"the whole log: {log}", highlight=False, soft_wrap=True)
    return code


#: Our own errors in Airflow's log: a red report's lines, and what ends a traceback.
REASONS = re.compile(
    r"^\S+ \[error *\] VERMELHO: (.+?) *\[\S+\] loc=\S*$"
    r"|^track_dispatch\.errors\.\w+: ((?s:.+?))\n(?=\d{4}-\d\d-\d\dT|\Z)",
    re.MULTILINE,
)


def reasons(log: str) -> list[str]:
    """Return what a log says of our own errors, each once: they say what to do."""
    return list(dict.fromkeys(one[1] or one[2] for one in REASONS.finditer(log)))


def prepare() -> None:
    """Migrate Airflow's database, create the ledger and the pools, as `setup` does."""
    from airflow.utils.db import initdb  # noqa: PLC0415 - reads the environment when imported

    from track_dispatch.hooks import ledger  # noqa: PLC0415
    from track_dispatch.hooks.pools import create_pools  # noqa: PLC0415

    initdb()
    ledger.init()
    create_pools()


def dag_bag() -> Any:
    """Parse the project's DAG files as the DAG processor and each task do."""
    from airflow.dag_processing.dagbag import BundleDagBag  # noqa: PLC0415

    folder = ROOT / "dags"
    return BundleDagBag(dag_folder=str(folder), bundle_path=folder, bundle_name="dags-folder")


def load_dags() -> dict[str, Any]:
    """Load the project's DAGs."""
    bag = dag_bag()
    if bag.import_errors:
        raise SystemExit("\n".join(bag.import_errors.values()))
    return dict(bag.dags)


def run_dag(dag: Any, day: date) -> str:
    """Run a DAG for a business day in this process and return the run's state."""
    finished = dag.test(logical_date=None, run_conf={"business_day": day.isoformat()})
    return str(finished.state)


@contextmanager
def terminal_apart(log: Path) -> Iterator[Console]:
    """Send what Airflow prints to a file and give back a console on the terminal."""
    sys.stdout.flush()
    terminal, errors = os.dup(1), os.dup(2)
    with log.open("ab") as file, os.fdopen(os.dup(terminal), "w", encoding="utf-8") as screen:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield Console(file=screen, width=None if screen.isatty() else 110)
        except BaseException:
            print(f"the demo broke off; its log is {log}", file=screen)
            raise
        finally:
            logging.shutdown()
            sys.stdout.flush()
            os.dup2(terminal, 1)
            os.dup2(errors, 2)


if __name__ == "__main__":
    sys.exit(main())
