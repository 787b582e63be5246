"""The figures as tables that a person can read."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table

from demo.world import ROOT

if TYPE_CHECKING:
    from tests.bench.figures import Measured
    from tests.bench.measuring import Figure

MEANING = (
    "Seconds are by the clock; CPU is what the measured process itself burnt, user and system, and"
    " µs/row that by the row; stand-ins are the CPU of ERP and Track meanwhile; MiB is the peak of"
    " memory above the level after the imports. Of several rounds the least and the median are"
    " shown, and the medians' ratio to the script's. On a busy machine trust CPU more than seconds."
)


def origin() -> str:
    """Tell where the figures come from: machine, Python, commit."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    ).stdout.strip()
    python = platform.python_version()
    machine = f"{os.cpu_count()} × {_processor()}, {platform.system()} {platform.machine()}"
    return f"{machine}, Python {python}, commit {commit or 'unknown'}"


def phase_table(figures: Sequence[Figure]) -> Table:
    """Show each phase, by database and size."""
    table = _table(
        "phase", "ledger on", "rows", "seconds", "rows/s", "CPU", "µs/row", "stand-ins", "MiB"
    )
    for _, group in groupby(figures, key=lambda figure: (figure.database, figure.size)):
        for figure in group:
            took = figure.measured
            table.add_row(
                figure.work,
                figure.database,
                f"{took.rows:,}",
                f"{took.seconds:.1f}",
                f"{took.rows / took.seconds:,.0f}",
                f"{took.cpu_seconds:.1f}",
                f"{took.cpu_seconds / took.rows * 1e6:.0f}",
                f"{figure.stand_in_seconds:.1f}",
                _above(took),
            )
        table.add_section()
    return table


def whole_table(figures: Sequence[Figure]) -> Table:
    """Show the whole path beside the script: the least and the median of the rounds, the ratio."""
    table = _table("path", "rows", "seconds", "× script", "CPU", "× script", "stand-ins", "MiB")
    for size in dict.fromkeys(figure.size for figure in figures):
        of_size = [figure for figure in figures if figure.size == size]
        script = [figure for figure in of_size if figure.work == "script"]
        for kind in dict.fromkeys(figure.database for figure in of_size):
            runs = [figure for figure in of_size if figure.database == kind]
            table.add_row(
                f"whole, {kind}" if kind else "plain script",
                f"{runs[0].measured.rows:,}",
                *_compared(_seconds(runs), _seconds(script)),
                *_compared(_cpu(runs), _cpu(script)),
                f"{median(run.stand_in_seconds for run in runs):.1f}",
                max((_above(run.measured) for run in runs), key=int),
            )
        table.add_section()
    return table


def _table(first: str, *others: str) -> Table:
    table = Table()
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="left" if name == "ledger on" else "right", no_wrap=True)
    return table


def _compared(ours: Sequence[float], script: Sequence[float]) -> Iterable[str]:
    yield f"{min(ours):.1f} / {median(ours):.1f}"
    yield f"{median(ours) / median(script):.2f}"


def _seconds(figures: Sequence[Figure]) -> list[float]:
    return [figure.measured.seconds for figure in figures]


def _cpu(figures: Sequence[Figure]) -> list[float]:
    return [figure.measured.cpu_seconds for figure in figures]


def _above(took: Measured) -> str:
    return f"{(took.peak_kib - took.level_kib) / 1024:.0f}"


def _processor() -> str:
    """Name the processor as Linux does. Source: proc_cpuinfo(5)."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown processor")
