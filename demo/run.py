"""`make demo`: one day of some hospitals, from Oracle to Track, with nothing but this project.

`make ui` (demo/live.py) shows the same world in a live Airflow.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console

from demo.choices import Choices, day_of, days_of, hospitals_in
from demo.folders import fresh_folder
from demo.world import ROOT, World, airflow_settings

#: Each run makes a folder of its own below it.
HOME = ROOT / ".airflow" / "demo"
DEFAULT_HOSPITALS = "HMS,OTOA,HSMC"
#: Exit code of whoever is stopped from the keyboard, as shells give it.
STOPPED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return 0 when every run is green and every equation holds."""
    parser = Choices(prog="make demo", usage="make demo [HOSPITALS=HMS,OTOA] [DAY=2026-11-20]")
    parser.add_argument("--hospitals", default=DEFAULT_HOSPITALS, help="codes, or all")
    parser.add_argument("--day", help="YYYY-MM-DD; default: yesterday")
    options = parser.parse_args(arguments)
    hospitals = hospitals_in(options.hospitals)
    chosen = day_of(options.day) if options.day else None
    days = days_of(hospitals, chosen, moment=datetime.now(UTC))
    with fresh_folder(HOME) as home, World(hospitals, days=sorted({*days.values()})) as world:
        os.environ.update(airflow_settings(home) | world.connections())
        log = home / "demo.log"
        with terminal_apart(log) as console:
            stop_on_ctrl_c(console)
            code = run(world, days, console)
            if code:
                tell_why(log, console)
    return code


def stop_on_ctrl_c(console: Console) -> None:
    """Let Ctrl-C end the process at once; the next demo begins anew anyway.

    Not by KeyboardInterrupt: Airflow takes it for a task's failure, and goes on.
    """
    signal.signal(signal.SIGINT, partial(_leave, console))


def _leave(console: Console, *_: object) -> None:
    """Say so past the console's buffer, which may be at work, and end."""
    show_cursor = "\x1b[?25h" if console.is_terminal else ""
    os.write(console.file.fileno(), f"{show_cursor}stopped\n".encode())
    os._exit(STOPPED)


def run(world: World, days: dict[str, date], console: Console) -> int:
    """Run each hospital's DAG and print what happened."""
    with step("Airflow database, ledger, pools", console):
        from demo import summary  # noqa: PLC0415 - imports Airflow, which reads the environment

        prepare()
        dags = load_dags()
    states = {}
    for hospital in world.hospitals:
        day = days[hospital.code]
        with step(f"{hospital.dag_id} · {day}", console):
            states[hospital.code] = run_dag(dags[hospital.dag_id], day)
    return summary.show(world, days, states, console)


@contextmanager
def step(name: str, console: Console) -> Iterator[None]:
    """Show what is going on: with a spinner on a terminal, else by a line at its beginning."""
    begun = time.monotonic()
    if console.is_terminal:
        with console.status(name):
            yield
    else:
        console.print(f"{name} ...", highlight=False)
        yield
    console.print(f"{name}: {time.monotonic() - begun:.0f} s", highlight=False)


def tell_why(log: Path, console: Console) -> None:
    """Print what ended the tasks that failed, and where the rest stands."""
    for reason in reasons(log.read_text(encoding="utf-8")):
        console.print(reason, highlight=False, markup=False, soft_wrap=True)
    console.print(f"the whole log: {log}", highlight=False, soft_wrap=True)


#: Our own errors in Airflow's log: a red report's lines, and what ends a traceback.
REASONS = re.compile(
    r"^\S+ \[error *\] VERMELHO: (.+?) *\[\S+\](?: \w+=\S+)*$"
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
    from track_dispatch.hooks.airflow_state import create_pools  # noqa: PLC0415

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
    with (
        log.open("ab") as file,
        os.fdopen(os.dup(1), "w", encoding="utf-8") as screen,
        printing_to(file),
    ):
        try:
            yield Console(file=screen, width=None if screen.isatty() else 110)
        except BaseException:
            print(f"the demo broke off; its log is {log}", file=screen)
            raise
        finally:
            logging.shutdown()


@contextmanager
def printing_to(file: BinaryIO) -> Iterator[None]:
    """Send to a file what this process prints, by whatever way."""
    sys.stdout.flush()
    printed, errors = os.dup(1), os.dup(2)
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        for kept, number in ((printed, 1), (errors, 2)):
            os.dup2(kept, number)
            os.close(kept)


if __name__ == "__main__":
    stop_on_ctrl_c(Console())
    sys.exit(main())
