"""Airflow's components as processes that all end with the one that started them.

Each leads a session of its own: Airflow gives its tasks process groups of their own, and a stopped
scheduler leaves them behind, but a process cannot leave its session unless it starts a new one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil


class Components:
    """Processes under a common name each; a context manager that stops them all.

    Args:
        commands: the arguments of each, by name.
        logs: the folder of `<name>.log`.
        env: their environment; ours if it is not given.
        patience: how long they may take to stop by themselves, in seconds; a scheduler takes
            minutes if it is let.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        *,
        logs: Path,
        env: Mapping[str, str] | None = None,
        patience: float = 5.0,
    ) -> None:
        self._commands = commands
        self._logs = logs
        self._env = env
        self._patience = patience
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        for name in self._commands:
            self.start(name)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str) -> None:
        """Start a component that does not run."""
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                self._commands[name],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self, name: str) -> Path:
        """Return the file with what a component printed."""
        return self._logs / f"{name}.log"

    @property
    def names(self) -> tuple[str, ...]:
        """Those that have been started."""
        return tuple(self._running)

    def is_leader(self, process: psutil.Process) -> bool:
        """Tell whether a process is a component itself, not one that it started."""
        return process.pid in {one.pid for one in self._running.values()}

    def ended(self) -> list[str]:
        """Name the components that have stopped by themselves."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def processes(self, *names: str) -> list[psutil.Process]:
        """Return every living process of the sessions of some components, or of all."""
        sessions = {self._running[name].pid for name in names or self._running}
        return [
            process
            for process in psutil.process_iter()
            if _session(process.pid) in sessions and _alive(process)
        ]

    def stop(self) -> None:
        """Ask all processes to stop, then kill what has not, and what that left behind."""
        _signal(self.processes(), signal.SIGTERM)
        limit = time.monotonic() + self._patience
        while self.processes() and time.monotonic() < limit:
            time.sleep(0.05)
        self.kill(*self._running)

    def kill(self, *names: str) -> None:
        """Kill components with every process of theirs, at once."""
        for name in names:
            while left := self.processes(name):
                _signal(left, signal.SIGKILL)
                time.sleep(0.05)
            self._running.pop(name).wait()


def airflow_component(*arguments: str) -> list[str]:
    """Return the command of one of Airflow's components."""
    return [sys.executable, "-m", "airflow", *arguments]


#: Airflow without deferred tasks: they would need a triggerer, too.
AIRFLOW = {
    "api-server": airflow_component("api-server"),
    # the API server reads the logs from disk: nobody needs to serve them, on every interface
    "scheduler": airflow_component("scheduler", "--skip-serve-logs"),
    "dag-processor": airflow_component("dag-processor"),
}


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _alive(process: psutil.Process) -> bool:
    """Tell whether there is something to kill: a zombie only waits for its parent to notice."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
