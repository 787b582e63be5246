"""`make bench`: how fast the pipeline is and what memory it needs, beside a plain script.

tests/e2e/test_memory.py asserts what must hold of it.

python -m tests.bench2                          tables
python -m tests.bench2 --json 10000 100000      the same for a program
python -m tests.bench2 --phases extract --databases SQLite --rounds 0 10000
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from demo.world import airflow_settings
from tests.bench2.databases import KINDS
from tests.bench2.measuring import PHASES, parsing, phase_figures, whole_figures
from tests.bench2.tables import MEANING, origin, phase_table, whole_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench2.measuring import Figure

SIZES = (10_000, 100_000)

#: Of the tables where no terminal says another.
WIDTH = 110


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench2", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, help="rows of the day")
    parser.add_argument("--phases", nargs="*", default=PHASES, choices=PHASES)
    parser.add_argument("--databases", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--rounds", type=int, default=3, help="of the script and the whole path")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="track-bench-") as folder:
        home = Path(folder)
        os.environ.update(airflow_settings(home))
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
        kinds = options.databases
        phases = list(phase_figures(options.sizes, kinds, options.phases, home))
        wholes = list(whole_figures(options.sizes, kinds, options.rounds, home))
        if options.json:
            sys.stdout.write(json.dumps([_row(figure) for figure in [*phases, *wholes]]) + "\n")
        else:
            show(phases, wholes, parsing(home))


def _row(figure: Figure) -> dict[str, object]:
    row = asdict(figure)
    return row | row.pop("measured")


def show(phases: Sequence[Figure], wholes: Sequence[Figure], parsed: tuple[int, float]) -> None:
    """Print the tables."""
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    console.print(origin())
    console.print(MEANING)
    console.print(phase_table(phases))
    console.print(whole_table(wholes))
    console.print(f"parsing {parsed[0]} DAGs: {parsed[1]:.2f} s beyond importing Airflow")


if __name__ == "__main__":
    main()
