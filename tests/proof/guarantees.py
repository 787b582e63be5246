"""docs/guarantees.md, rendered from what the parts of the proof have counted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, StrictUndefined

TEMPLATE = Path(__file__).with_suffix(".md.j2")


def write_page(page: Path, report: Path) -> None:
    """Write the page from the JSON files in `report`; every part must have left one."""
    counted = {file.stem: json.loads(file.read_text()) for file in report.glob("*.json")}
    commits = {file.stem: file.read_text() for file in report.glob("*.commit")}
    source = TEMPLATE.read_text(encoding="utf-8")
    template = Environment(undefined=StrictUndefined, autoescape=False).from_string(source)
    text = template.render(
        on=f"{datetime.now(UTC):%Y-%m-%d}",
        minutes=round(sum(numbers["seconds"] for numbers in counted.values()) / 60),
        told={name: _told(numbers) for name, numbers in counted.items()},
        commits=commits,
        duplicates=_sum(counted, "duplicates"),
        lost=_sum(counted, "lost"),
        sabotages=counted["sabotage"]["noticed"],
    )
    page.write_text(text + "\n", encoding="utf-8")


def _sum(counted: dict[str, dict[str, float]], name: str) -> int:
    return round(sum(numbers.get(name, 0) for numbers in counted.values()))


def _told(numbers: dict[str, float]) -> str:
    """List the numbers; of the rows of the transition table only how many were taken."""
    rows = sum(" -> " in name for name in numbers)
    told = [
        f"{round(number):,} {name.replace('_', ' ')}"
        for name, number in numbers.items()
        if " -> " not in name
    ]
    return ", ".join([*told, f"{rows} rows of the transition table"] if rows else told)
