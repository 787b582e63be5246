"""What Airflow does with the plugins folder: it executes each file there, unless told not to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airflow._shared.plugins_manager import _load_plugins_from_plugin_directory

from demo.world import ROOT

if TYPE_CHECKING:
    import pytest

#: The parts of the package that decide, and are tested in milliseconds.
DECIDING = (
    "errors",
    "records",
    "states",
    "process",
    "config",
    "transformation",
    "extraction",
    "ledger",
    "delivery",
    "pipeline",
)

IMPORT_THEM = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    module = importlib.import_module(f"track_dispatch.{name}")
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), f"{module.__name__}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
print("airflow" in sys.modules)
"""


def plugins_with_a_probe(tmp_path: Path) -> Path:
    """Make a plugins folder whose package leaves a trace when it is executed."""
    package = tmp_path / "plugins" / "track_dispatch"
    package.mkdir(parents=True)
    (package / "probe_of_the_scan.py").write_text("import os; os.environ['PROBE'] = 'executed'")
    return package.parent


def scan(folder: Path) -> None:
    """Load plugins from a folder as every component of Airflow does at its start."""
    _load_plugins_from_plugin_directory(str(folder))


def test_airflow_does_not_execute_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBE", "untouched")
    folder = plugins_with_a_probe(tmp_path)
    shutil.copy(ROOT / "plugins" / ".airflowignore", folder)

    scan(folder)

    assert os.environ["PROBE"] == "untouched"


def test_without_the_airflowignore_it_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROBE", "untouched")

    scan(plugins_with_a_probe(tmp_path))

    assert os.environ["PROBE"] == "executed"


def test_what_decides_knows_no_airflow() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_THEM, *DECIDING],
        env=os.environ | {"PYTHONPATH": str(ROOT / "plugins")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout.strip(), done.stderr) == ("False", "")
