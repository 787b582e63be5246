"""`make bench`: how fast the pipeline is and what memory it needs.

tests/e2e/test_memory.py asserts what must hold of it.

python -m tests.bench                          a table
python -m tests.bench --json 10000 100000      the same for a program
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
from rich.table import Table

from demo.world import airflow_settings
from tests.bench.measuring import measurements, parsing

if TYPE_CHECKING:
    from tests.bench.phases import Measured

SIZES = (10_000, 100_000)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, help="rows of the day")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="track-bench-") as folder:
        home = Path(folder)
        os.environ.update(airflow_settings(home))
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
        found = {
            (phase, size): measured for phase, size, measured in measurements(options.sizes, home)
        }
        if options.json:
            rows = [{"phase": p, "size": s} | asdict(m) for (p, s), m in found.items()]
            sys.stdout.write(json.dumps(rows) + "\n")
        else:
            show(found, parsing(home))


def show(found: dict[tuple[str, int], Measured], parsed: tuple[int, float]) -> None:
    """Print the table."""
    table = Table("phase", "rows", "seconds", "rows/s", "peak MiB")
    for column in table.columns[1:]:
        column.justify = "right"
    for (phase, _), measured in found.items():
        table.add_row(
            phase,
            f"{measured.rows:,}",
            f"{measured.seconds:.1f}",
            f"{measured.rows / measured.seconds:,.0f}",
            f"{measured.peak_kib / 1024:.0f}",
        )
    console = Console()
    console.print(table)
    console.print(f"parsing {parsed[0]} DAGs: {parsed[1]:.2f} s beyond importing Airflow")


if __name__ == "__main__":
    main()
