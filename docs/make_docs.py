"""Write anew what the pages take from the code, and the hospitals' JSON schema: `make docs`.

A block of a page begins with `<!-- make docs: NAME -->` and ends with `<!-- end -->`. What stands
between them is what the function of that name returns; all else is written by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from docs.make_cli import commands, exit_codes
from docs.make_closed_sets import (
    CLOSED_SETS,
    answers,
    assumptions,
    closed_set,
    problems,
    reasons,
    terms,
)
from docs.make_dba import readings, rights
from docs.make_metrics import metrics
from docs.make_settings import hospital_settings, policies, templates
from docs.make_state_machine import diagram_inside, diagram_leaving, transitions
from track_dispatch.config import json_schema

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCKS: Mapping[str, Callable[[], str]] = {
    "answers": answers,
    "assumptions": assumptions,
    "commands": commands,
    "diagram before a line leaves": diagram_inside,
    "diagram on its way": diagram_leaving,
    "exit codes": exit_codes,
    "estados": lambda: closed_set("LineState", portuguese=True),
    "motivos": lambda: closed_set("Reason", portuguese=True),
    "metrics of tasks": lambda: metrics(scraped=False),
    "metrics of the ledger": lambda: metrics(scraped=True),
    "policies": policies,
    "problemas": problems,
    "readings": readings,
    "reasons": reasons,
    "rights": rights,
    "settings of a hospital": hospital_settings,
    "templates": templates,
    "terms": terms,
    "transitions": transitions,
    **{f"enum {name}": partial(closed_set, name) for name in CLOSED_SETS if name != "Reason"},
}
SCHEMA = ROOT / "include" / "hospitals.schema.json"
_BLOCK = re.compile(r"(<!-- make docs: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def blocks_of(page: Path) -> list[str]:
    """Return the names of the page's blocks."""
    return [found[1] for found in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def schema_text() -> str:
    """Return the JSON schema of the hospitals' files as it is committed."""
    return f"{json.dumps(json_schema(), indent=2, ensure_ascii=False, sort_keys=True)}\n"


def render(page: Path) -> str:
    """Return the page with what its blocks hold today.

    Raises:
        KeyError: no function writes a block of this name.
    """
    text = page.read_text(encoding="utf-8")
    return _BLOCK.sub(lambda block: f"{block[1]}{BLOCKS[block[2]]()}{block[3]}", text)


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    for path in PAGES:
        path.write_text(render(path), encoding="utf-8")
