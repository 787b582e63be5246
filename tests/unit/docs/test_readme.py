"""What the README says is true, short and dated; every page is found from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.make_docs import PAGES, ROOT
from track_dispatch.ledger.transitions import RULES
from track_dispatch.states import LineState

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
#: A number with the unit of something that was measured.
FIGURE = re.compile(r"\b\d[\d.,]* ?(?:×|s|ms|µs|seconds?|minutes?|hours?|[kKMG]i?B|%)(?!\w)")
#: The units that no page uses but for what was measured.
MEASURED = re.compile(r"\b\d[\d.,]* ?(?:×|µs|MB|GB|s of CPU)(?!\w)")
#: The five readers' own pages, and the analyst's.
FIRST_PAGES = {
    "docs/going-live.md", "docs/dba.md", "docs/policy.md", "CONTRIBUTING.md", "docs/operacao.md",
}  # fmt: skip
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_section_with_a_measured_figure_says_when_it_was_measured(page: Path) -> None:
    sections = re.split(r"^(?=#+ )", page.read_text(encoding="utf-8"), flags=re.MULTILINE)

    undated = [one for one in sections if MEASURED.search(one) and not DATE.search(one)]

    assert [section.splitlines()[0] for section in undated] == []


def links(page: Path) -> set[Path]:
    """Return the pages that a page links."""
    found = re.findall(r"\]\(([^):#]+\.md)", page.read_text(encoding="utf-8"))
    return {(page.parent / link).resolve() for link in found}


def test_each_reader_finds_his_page_by_one_click() -> None:
    own = re.findall(r"\| \*\*\[[^\]]+\]\(([^)]+)\)\*\*", TEXT)

    assert set(own) == FIRST_PAGES


def test_every_page_is_linked_by_the_readme_or_by_a_page_that_it_links() -> None:
    first = links(ROOT / "README.md")
    near = first.union(*map(links, first)) | {ROOT / "README.md"}

    assert {page.name for page in PAGES if page.resolve() not in near} == set()


def test_it_is_read_in_some_minutes() -> None:
    assert len(TEXT.splitlines()) <= 120


def test_the_whole_way_to_a_first_day_is_read_in_one_go() -> None:
    assert len((ROOT / "docs/going-live.md").read_text(encoding="utf-8").splitlines()) < 300
