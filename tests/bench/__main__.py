"""`make bench`: how fast the pipeline is and what memory it needs, beside a plain script.

tests/e2e/test_memory.py asserts what must hold of it.

python -m tests.bench                          tables
python -m tests.bench 1000000                  of a larger day; up to a million rows
python -m tests.bench --json 10000 100000      the same for a program
python -m tests.bench --phases extract --databases SQLite --rounds 0 10000
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.console import Console

from demo.world import ROOT, airflow_settings
from tests.bench.databases import KINDS
from tests.bench.measuring import PHASES, parsing, phase_figures, whole_figures
from tests.bench.tables import MEANING, origin, phase_table, whole_table

if TYPE_CHECKING:
    from tests.bench.measuring import Figure

SIZES = (10_000, 100_000)

#: Of the tables where no terminal says another.
WIDTH = 110


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, help="rows of the day")
    parser.add_argument("--phases", nargs="*", default=PHASES, choices=PHASES)
    parser.add_argument("--databases", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--rounds", type=int, default=3, help="of the script and the whole path")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="track-bench-") as folder:
        home = Path(folder)
        os.environ.update(airflow_settings(home))
        os.environ["TRACK_INCLUDE_DIR"] = str(ROOT / "include")  # the policies as they are shipped
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
        kinds = options.databases
        with figures_alone() as output:
            phases = list(phase_figures(options.sizes, kinds, options.phases, home))
            wholes = list(whole_figures(options.sizes, kinds, options.rounds, home))
            if options.json:
                rows = [_row(figure) for figure in [*phases, *wholes]]
                output.write(json.dumps(rows) + "\n")
            else:
                show(phases, wholes, parsing(home), output)


@contextmanager
def figures_alone() -> Iterator[TextIO]:
    """Keep standard output for the figures: what Airflow says, in every process, is an error's."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)
        yield output


def _row(figure: Figure) -> dict[str, object]:
    row = asdict(figure)
    return row | row.pop("measured")


def show(
    phases: Sequence[Figure],
    wholes: Sequence[Figure],
    parsed: tuple[int, float],
    output: TextIO,
) -> None:
    """Print the tables."""
    console = Console(file=output, width=None if output.isatty() else WIDTH)
    console.print(origin())
    console.print(MEANING)
    console.print(phase_table(phases))
    console.print(whole_table(wholes))
    console.print(f"parsing {parsed[0]} DAGs: {parsed[1]:.2f} s beyond importing Airflow")


if __name__ == "__main__":
    main()
