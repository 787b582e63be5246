"""`make proof`: everything in full, and what it showed written to docs/guarantees.md.

The parts run one after the other; the first that is red ends it, and the page stays as it was. With
names of parts only those run; the page is written once every part has been green, and says at which
commit each was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.proof.guarantees import write_page

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / ".airflow" / "proof"
PAGE = ROOT / "docs" / "guarantees.md"
PYTEST = ("-m", "pytest", "-q")
#: Both cores, test by test: the crash test's are alike, and there are thousands.
SPREAD = ("-n", "auto", "--dist", "load")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the proof: the name of its numbers, and the arguments of its Python."""

    name: str
    arguments: tuple[str, ...]


PARTS = (
    Part("crash", (*PYTEST, "tests/proof/test_crash.py", *SPREAD)),
    Part("faults", (*PYTEST, "tests/proof/test_fault_matrix.py", *SPREAD)),
    Part("model", (*PYTEST, "tests/proof/test_ledger_model.py", *SPREAD)),
    Part(
        "together",
        (
            *PYTEST,
            "tests/proof/test_hospitals_at_once.py",
            "tests/unit/delivery/test_workers_at_once.py",
            "-n0",
        ),
    ),
    Part("sabotage", ("-m", "tests.proof.sabotage")),
    Part("live", (*PYTEST, "tests/live", "-n0")),
    Part("privacy", (*PYTEST, "tests/e2e/test_privacy.py", "tests/e2e/test_leaks.py", "-n0")),
)


def main() -> int:
    """Run the parts in full; return 0 when they are green."""
    REPORT.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        if sys.argv[1:] and part.name not in sys.argv[1:]:
            continue
        for left_over in REPORT.glob(f"{part.name}.*"):
            left_over.unlink()
        began = time.monotonic()
        say(f"== {part.name}")
        if subprocess.run(
            [sys.executable, *part.arguments],
            cwd=ROOT,
            env=os.environ | {"TRACK_PROOF": "full", "TRACK_PROOF_REPORT": str(REPORT)},
            check=False,
        ).returncode:
            say(f"{part.name} is red: {PAGE.name} stays as it was")
            return 1
        note(part.name, seconds=time.monotonic() - began)
        (REPORT / f"{part.name}.commit").write_text(commit(), encoding="utf-8")
    if all((REPORT / f"{part.name}.commit").exists() for part in PARTS):
        write_page(PAGE, REPORT)
        say(f"written: {PAGE.relative_to(ROOT)}")
    return 0


def note(name: str, *, seconds: float) -> None:
    """Add how long a part took to its numbers."""
    path = REPORT / f"{name}.json"
    numbers = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    numbers["seconds"] = round(seconds)
    path.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")


def commit() -> str:
    """Return the commit that the tree stands at, marked where something is not committed."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return told.stdout.strip()


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
