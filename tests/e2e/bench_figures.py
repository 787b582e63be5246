"""What `python -m tests.bench` measures, for tests; each piece of work in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from demo.world import ROOT


def bench_figures(*sizes: int, rounds: int, phases: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Measure days of these sizes on SQLite; return a figure for each piece of work."""
    output = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench", *map(str, sizes), "--json"),
            *("--databases", "SQLite", "--rounds", str(rounds), "--phases", *phases),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    figures: list[dict[str, Any]] = json.loads(output)
    return figures
