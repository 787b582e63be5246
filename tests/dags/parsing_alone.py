"""Parses a DAG file in an interpreter of its own and prints what it reached for besides.

    python -m tests.dags.parsing_alone FILE

Prints JSON: `touched`, the forbidden things, and `seconds` of the first
parsing, imports included, and of the second.
"""

from __future__ import annotations

import json
import runpy
import sys
import time
import zoneinfo
from pathlib import Path

import airflow.models.dagbag  # noqa: F401 - Airflow's own imports are not the file's doing

from demo.world import ROOT
from tests.dags.watched_secrets import READ
from track_dispatch.config import include_dir

#: Audit events of a network or a database.
FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "sqlite3.connect")
#: What imports may do, but not a file whose imports are done: croniter asks for the machine's kind.
AFTER_IMPORTS = ("subprocess.Popen", "os.system")
#: Where a file may read once its imports are done: its own house, and the time zones.
READABLE = (include_dir(), ROOT / "dags", ROOT / "plugins", *map(Path, zoneinfo.TZPATH))

touched: list[str] = []
imported = False


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Note what a DAG file must not do."""
    if event == READ:
        touched.append(str(arguments[0]))
    if event in FORBIDDEN or (imported and event in AFTER_IMPORTS):
        touched.append(event)
    if event == "open" and imported and isinstance(arguments[0], (str, bytes)):
        path = Path(str(arguments[0])).resolve()
        if not any(path.is_relative_to(folder) for folder in READABLE):
            touched.append(f"open {path}")


if __name__ == "__main__":
    sys.path.append(str(ROOT / "dags"))  # as each bundle's folder is
    sys.addaudithook(watch)
    started = time.monotonic()
    runpy.run_path(sys.argv[1])
    first = time.monotonic() - started
    imported = True
    runpy.run_path(sys.argv[1])
    imported = False
    again = time.monotonic() - started - first
    found = {"touched": touched, "seconds": [round(first, 2), round(again, 2)]}
    print(json.dumps(found))  # noqa: T201 - to the test that started it
