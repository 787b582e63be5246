"""The command line as a person meets it: a process of its own, an Airflow of its own."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.world import ROOT, airflow_settings


@dataclass(frozen=True)
class Shell:
    """A shell on an installation.

    Attributes:
        home: its AIRFLOW_HOME.
        before: what each command begins with, as `setpriv`.
        code: the folder with `plugins`.
    """

    home: Path
    before: tuple[str, ...] = ()
    code: Path = ROOT

    def python(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run Python; `more` is added to the environment."""
        return subprocess.run(
            [*self.before, sys.executable, *arguments],
            env=self._environment(**more),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def track_dispatch(self, *verb: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a verb."""
        return self.python("-m", "track_dispatch", *verb, **more)

    def start(self, *verb: str) -> subprocess.Popen[str]:
        """Start a verb that Ctrl-C ends, though a shell in the background started us without."""
        return subprocess.Popen(
            ["env", "--default-signal=INT", sys.executable, "-m", "track_dispatch", *verb],
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _environment(self, **more: str) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")
        }
        return (
            inherited
            | airflow_settings(self.home)
            | {"PYTHONPATH": f"{self.code / 'plugins'}:{ROOT}"}
            | more
        )


def query(database: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Run one statement on an SQLite database and return its rows."""
    with closing(sqlite3.connect(database)) as connection, connection:
        return connection.execute(sql, values).fetchall()
