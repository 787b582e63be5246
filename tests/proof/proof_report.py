"""What a proof counted, for the page of guarantees: one small JSON file for each kind of proof."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

#: Everything in full, instead of a sample with a fixed seed.
IN_FULL = os.environ.get("TRACK_PROOF") == "full"


def note(name: str, **numbers: float) -> None:
    """Add numbers to those in `<name>.json` of the folder TRACK_PROOF_REPORT, if that is set."""
    folder = os.environ.get("TRACK_PROOF_REPORT")
    if not folder:
        return
    path = Path(folder) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # proofs run side by side
        file.seek(0)
        sums = json.loads(file.read() or "{}")
        sums |= {key: sums.get(key, 0) + number for key, number in numbers.items()}
        file.truncate(0)
        file.write(json.dumps(sums, indent=2) + "\n")
