"""What the pages promise to hold: fresh tables, no broken table, no dead link."""

from __future__ import annotations

import re
from enum import Enum
from itertools import pairwise
from pathlib import Path

import pytest

from docs.make_cli import verbs
from docs.make_closed_sets import member_docs
from docs.make_docs import BLOCKS, PAGES, ROOT, blocks_of, render
from track_dispatch.pipeline.problems import ProblemKind
from track_dispatch.states import SHELL_ONLY, Reason, Verb
from track_dispatch.transformation.rules import RULES

VERBS = verbs()
FIRST = "|".join({verb.split()[0] for verb in VERBS})
#: A verb as it is typed, and in backquotes also without the program: `doubt list`.
CALLED = re.compile(rf"python -m track_dispatch ([^`\n|&>#]+)|`((?:{FIRST}) [^`\n|]+)`")
#: Where code and queries cite the pages.
CITING = ("plugins", "dags", "include", "stand_ins", "demo", "tests")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made where the pages are shown."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_takes_from_the_code_is_what_the_code_says_today(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == render(page), "run `make docs`"


def test_every_table_of_the_code_stands_on_one_page_once() -> None:
    assert sorted(name for page in PAGES for name in blocks_of(page)) == sorted(BLOCKS)


def test_a_member_that_nothing_explains_stops_the_pages() -> None:
    class Mute(Enum):
        SAID = "said"
        """What it means."""
        SILENT = "silent"

    with pytest.raises(LookupError, match="SILENT"):
        member_docs(Mute)


def test_the_rules_stand_in_the_order_in_which_the_pages_list_their_reasons() -> None:
    order = [reason for reason, _ in RULES]

    assert order == sorted(order, key=list(Reason).index)


def test_every_problem_is_explained_on_the_analysts_page() -> None:
    assert [kind for kind in ProblemKind if not kind.explanation] == []


def test_every_decision_is_offered_on_the_analysts_page() -> None:
    text = (ROOT / "docs" / "operacao.md").read_text(encoding="utf-8")

    assert [verb for verb in Verb if verb not in SHELL_ONLY and f"`{verb}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_target_of_make_is_one_that_make_help_lists(page: Path) -> None:
    listed = re.findall(r"^([a-z0-9-]+):.*  ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)

    named = re.findall(r"(?:`|^ {4})make ([a-z0-9-]+)", page.read_text("utf-8"), re.MULTILINE)

    assert {*named} <= {*listed}


def stranger(call: str) -> str | None:
    """Return what of a call the command line does not know."""
    verb = next((verb for verb in VERBS if f"{call} ".startswith(f"{verb} ")), None)
    if verb is None:
        return call
    known = {name for one in VERBS[verb].params for name in (*one.opts, *one.secondary_opts)}
    return ", ".join({*re.findall(r"--[a-z-]+", call)} - known - {"--help"}) or None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_verb_that_a_page_types_is_there_with_its_options(page: Path) -> None:
    calls = [one or other for one, other in CALLED.findall(page.read_text(encoding="utf-8"))]

    assert [(call, stranger(call)) for call in calls if stranger(call)] == []


def test_a_verb_or_an_option_that_is_not_there_is_told() -> None:
    [(_, call)] = CALLED.findall("say `doubt settle BATCH --unsent`")

    assert stranger(call) is None
    assert stranger("doubt forget") == "doubt forget"
    assert stranger("doubt settle BATCH --undone") == "--undone"


#: A secret beside a command is read by whoever lists the processes, or the shell's history.
TYPED_SECRET = re.compile(r"(?i)(?:password|token|secret)=\S|--\w*password\b")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_puts_a_secret_on_a_command_line(page: Path) -> None:
    blocks = re.findall(
        r"^```(?:bash|console)\n(.*?)^```",
        page.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )

    assert [block for block in blocks if TYPED_SECRET.search(block)] == []
    assert TYPED_SECRET.search("# sudo -u postgres env LEDGER_DB_PASSWORD=... bash create.sh")


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
def test_a_line_can_be_read_in_a_diff(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()

    # a row of a table cannot be broken
    assert [line for line in lines if len(line) > 140 and not line.startswith("|")] == []


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
