"""`make proof`: everything in full, and what it showed written to docs/guarantees.md.

The parts run one after the other; the first that is red ends it, and the page stays as it was.
"""

from __future__ import annotations

import os
import shutil
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
    """One part of the proof: what it is called, and the arguments of its Python."""

    name: str
    arguments: tuple[str, ...]


PARTS = (
    Part("crash test", (*PYTEST, "tests/proof/test_crash.py", *SPREAD)),
    Part("fault matrix", (*PYTEST, "tests/proof/test_fault_matrix.py", *SPREAD)),
    Part("halving", (*PYTEST, "tests/proof/test_halving.py", "-n0")),
    Part("model", (*PYTEST, "tests/proof/test_model.py", *SPREAD)),
    Part("concurrency", (*PYTEST, "tests/unit/delivery/test_dispatch_together.py", "-n0")),
    Part("sabotages", ("-m", "tests.proof.sabotage")),
    Part("live scheduler", (*PYTEST, "tests/live", "-n0")),
    Part("privacy", (*PYTEST, "tests/e2e/test_privacy.py", "tests/e2e/test_leaks.py", "-n0")),
)


def main() -> int:
    """Run every part in full; return 0 when all are green and the page is written."""
    shutil.rmtree(REPORT, ignore_errors=True)
    REPORT.mkdir(parents=True)
    environment = os.environ | {"TRACK_PROOF": "full", "TRACK_PROOF_REPORT": str(REPORT)}
    chosen = [part for part in PARTS if not sys.argv[1:] or part.name in sys.argv[1:]]
    began = time.monotonic()
    for part in chosen:
        started = time.monotonic()
        sys.stdout.write(f"== {part.name}\n")
        sys.stdout.flush()
        ended = subprocess.run(
            [sys.executable, *part.arguments], cwd=ROOT, env=environment, check=False
        )
        sys.stdout.write(f"== {part.name}: {time.monotonic() - started:.0f} s\n")
        if ended.returncode:
            sys.stdout.write(f"{part.name} is red: {PAGE.name} stays as it was\n")
            return 1
    if chosen == list(PARTS):
        write_page(PAGE, REPORT, minutes=(time.monotonic() - began) / 60)
        sys.stdout.write(f"written: {PAGE.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
