"""What the pages promise to hold: every closed set explained, no broken table, no dead link."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from track_dispatch.records import IdentityKind
from track_dispatch.states import SHELL_ONLY, LineState, Reason, Verb

ROOT = Path(__file__).parents[3]
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
#: Where code and queries cite the pages.
CITING = ("plugins", "dags", "include", "stand_ins", "demo", "tests")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made where the pages are shown."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def first_cells(page: Path) -> set[str]:
    """Return what the first column of the page's tables explains."""
    rows = re.findall(r"^\| ([^|]+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {name.strip("` ") for row in rows for name in row.split(",")}


@pytest.mark.parametrize("page", ["operacao.md", "policy.md"])
def test_every_reason_is_explained(page: str) -> None:
    assert set(Reason) <= first_cells(ROOT / "docs" / page)


def test_every_state_is_explained_by_its_name_and_as_the_analyst_reads_it() -> None:
    assert set(LineState) <= first_cells(ROOT / "docs" / "glossary.md")
    assert {state.label for state in LineState} <= first_cells(ROOT / "docs" / "operacao.md")


@pytest.mark.parametrize(
    "page", [README, ROOT / "docs" / "operacao.md"], ids=lambda page: page.name
)
def test_every_decision_is_offered(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert [verb for verb in Verb if verb not in SHELL_ONLY and f"`{verb}`" not in text] == []


def test_every_kind_of_identity_is_explained() -> None:
    assert {kind.label for kind in IdentityKind} <= first_cells(ROOT / "docs" / "policy.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_target_of_make_is_one_that_make_help_lists(page: Path) -> None:
    listed = re.findall(r"^([a-z0-9-]+):.*  ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)

    named = re.findall(r"(?:`|^ {4})make ([a-z0-9-]+)", page.read_text("utf-8"), re.MULTILINE)

    assert {*named} <= {*listed}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_blank_line_breaks_a_table(page: Path) -> None:
    lines = ["", *page.read_text(encoding="utf-8").splitlines(), ""]
    starts = [
        number
        for number, (before, line) in enumerate(pairwise(lines), start=1)
        if line.startswith("|") and not before.startswith("|")
    ]

    assert [lines[start] for start in starts if not lines[start + 1].startswith("| ---")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_finds_it(page: Path) -> None:
    links = re.findall(r"\]\(([^):]*)#([^)]+)\)", page.read_text(encoding="utf-8"))

    assert [
        (link, anchor)
        for link, anchor in links
        if anchor not in anchors(page.parent / link if link else page)
    ] == []


def test_every_fact_is_cited_from_a_page_and_a_heading_that_are_there() -> None:
    cited = {
        found
        for folder in CITING
        for suffix in ("py", "sql", "yaml")
        for file in (ROOT / folder).rglob(f"*.{suffix}")
        for found in re.findall(r"(docs/[\w/-]+\.md)(?:#([\w-]+))?", file.read_text("utf-8"))
    }

    assert {page for page, _ in cited if not (ROOT / page).exists()} == set()
    assert {
        (page, anchor) for page, anchor in cited if anchor and anchor not in anchors(ROOT / page)
    } == set()
