"""What is measured of a piece of work, from inside the process that does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time


@dataclass(frozen=True, slots=True)
class Measured:
    """What a piece of work took.

    Attributes:
        rows: that it worked through.
        seconds: from its first to its last statement, by the clock.
        cpu_seconds: of this process alone, user and system.
        level_kib: the memory that the process held before, all imports done.
        peak_kib: the most memory that the process ever held.
    """

    rows: int
    seconds: float
    cpu_seconds: float
    level_kib: int
    peak_kib: int


def measured(work: Callable[[], int]) -> Measured:
    """Do a piece of work that returns its rows, in a process that does nothing else."""
    level = _status_kib("VmRSS")
    began, cpu = perf_counter(), process_time()
    rows = work()
    return Measured(
        rows=rows,
        seconds=perf_counter() - began,
        cpu_seconds=process_time() - cpu,
        level_kib=level,
        peak_kib=_status_kib("VmHWM"),
    )


def _status_kib(name: str) -> int:
    """Read a figure of this process, KiB.

    Source: proc_pid_status(5). Of a forked process VmHWM starts with what it was given.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name))
