"""docs/guarantees.md, rendered from what the parts of the proof have counted."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, StrictUndefined

TEMPLATE = Path(__file__).with_suffix(".md.j2")


def write_page(page: Path, report: Path, *, minutes: float) -> None:
    """Write the page from the JSON files in `report`; every proof must have left one."""
    counted = {file.stem: json.loads(file.read_text()) for file in report.glob("*.json")}
    source = TEMPLATE.read_text(encoding="utf-8")
    template = Environment(undefined=StrictUndefined, autoescape=False).from_string(source)
    text = template.render(
        on=f"{datetime.now(UTC):%Y-%m-%d}",
        commit=_commit(),
        minutes=round(minutes),
        told={name: _told(numbers) for name, numbers in counted.items()},
        duplicates=sum(int(numbers.get("duplicates", 0)) for numbers in counted.values()),
        lost=sum(int(numbers.get("lost", 0)) for numbers in counted.values()),
        sabotages=counted["sabotage"]["noticed"],
    )
    page.write_text(text + "\n", encoding="utf-8")


def _told(numbers: dict[str, float]) -> str:
    return ", ".join(f"{round(number):,} {name}" for name, number in numbers.items())


def _commit() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"], check=True, capture_output=True, text=True
    )
    return told.stdout.strip()
