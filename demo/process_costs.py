"""What processes have cost, as the kernel counts it: CPU by component, and memory."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import psutil

from demo.components import Components

#: What a component's further processes do, where that is not its own work.
_CHILDREN = {"scheduler": "tasks", "dag-processor": "parsing"}


def cpu_seconds(components: Components) -> dict[str, float]:
    """Return the CPU that components have used since their start, in seconds.

    Processes that have ended count as soon as their parents have noticed. A scheduler's children
    are `tasks`, a DAG processor's `parsing`.
    """
    used: Counter[str] = Counter()
    for name in components.names:
        children = _CHILDREN.get(name, name)
        used.update({name: 0.0, children: 0.0})
        for process in components.processes(name):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                own = name if components.is_leader(process) else children
                used[own] += times.user + times.system
                used[children] += times.children_user + times.children_system
    return dict(used)


def memory_bytes(components: Components) -> int:
    """Return the memory of all processes of components; what they share is counted once."""
    return sum(_proportional(process.pid) for process in components.processes())


def _proportional(pid: int) -> int:
    """Return a process's memory, of a shared page its part (PSS); 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    [pss] = [line.split()[1] for line in text.splitlines() if line.startswith("Pss:")] or ["0"]
    return int(pss) * 1024
