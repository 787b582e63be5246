"""What the README says at a glance is true, and as short as a glance."""

from __future__ import annotations

import re

from docs.make_docs import ROOT
from track_dispatch.ledger.transitions import RULES
from track_dispatch.states import LineState

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
#: A number with the unit of something that was measured.
FIGURE = re.compile(r"\b\d[\d.,]* ?(?:×|s|ms|µs|seconds?|minutes?|hours?|[kKMG]i?B|%)(?!\w)")
DATE = re.compile(r"\b20\d\d-\d\d-\d\d\b")


def test_every_arrow_of_its_diagram_is_a_transition() -> None:
    arrows = re.findall(r"^ +(\S+) --> (\w+)", TEXT, re.MULTILINE)
    pairs = {pair for rule in RULES.values() for pair in rule.pairs}

    assert len(arrows) > 10
    assert [
        (left, entered)
        for left, entered in arrows
        if (None if left == "[*]" else LineState(left), LineState(entered)) not in pairs
    ] == []


def test_its_diagram_shows_every_state() -> None:
    assert [state for state in LineState if f"--> {state}" not in TEXT] == []


def test_a_line_with_a_measured_figure_says_when_it_was_measured() -> None:
    undated = [line for line in TEXT.splitlines() if FIGURE.search(line) and not DATE.search(line)]

    assert FIGURE.search("a day in 7 s")
    assert undated == []


def test_it_is_read_in_some_minutes() -> None:
    assert len(TEXT.splitlines()) <= 120
