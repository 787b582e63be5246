"""`make site`: it shows what the repository shows, and loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from docs.make_docs import PAGES, ROOT
from docs.make_site import DIAGRAM, ROOT_PAGES, arrows, for_the_site

#: Where a page of the repository stands on the site.
ON_SITE = {
    page: ROOT_PAGES.get(page.name) if page.parent == ROOT else str(page.relative_to(ROOT / "docs"))
    for page in PAGES
}
#: Attributes whose address a browser fetches by itself; a link waits for a click.
FETCHED = {
    "link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src",
    "video": "src", "audio": "src", "embed": "src", "object": "data", "form": "action",
}  # fmt: skip
OUTSIDE = re.compile(r"\s*(?:[a-z]+:)?//", re.IGNORECASE)
CSS_ADDRESS = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s]+)""")
#: What makes a block a block.
SHOWN = ("h1", "h2", "h3", "p", "ol", "ul", "li", "tr", "pre", "em", "strong", "img")


class Tags(HTMLParser):
    """The tags of a page: each with its attributes, and what stands in styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.styles: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.styles += [value for name, value in attrs if name == "style" and value]

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "style":
            self.styles.append(data)

    def fetched(self) -> list[str]:
        """Return the addresses that a browser fetches."""
        return [
            address
            for tag, attributes in self.found
            if (address := attributes.get(FETCHED.get(tag, "")))
        ] + [address for style in self.styles for address in CSS_ADDRESS.findall(style)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make site` does; it is strict, so a dead link ends it."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (built.returncode, built.stdout + built.stderr) == (0, "")
    return folder


def test_each_page_is_on_the_site_and_in_its_navigation_once() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r": (\S+\.md)$", text.split("\nnav:\n")[1], re.MULTILINE)

    assert sorted(listed) == sorted(str(name) for name in ON_SITE.values())


def test_no_browser_fetches_anything_from_elsewhere(site: Path) -> None:
    pages = {page: Tags(page.read_text(encoding="utf-8")) for page in site.rglob("*.html")}
    sheets = {sheet: sheet.read_text(encoding="utf-8") for sheet in site.rglob("*.css")}
    fetched = [(page.name, address) for page, tags in pages.items() for address in tags.fetched()]
    fetched += [
        (s.name, address) for s, text in sheets.items() for address in CSS_ADDRESS.findall(text)
    ]

    assert len(fetched) > len(pages)
    assert [(name, address) for name, address in fetched if OUTSIDE.match(address)] == []


def test_no_page_holds_a_diagram_that_the_theme_would_fetch_a_program_for(site: Path) -> None:
    drawn = [
        page.name
        for page in site.rglob("*.html")
        for _, attributes in Tags(page.read_text(encoding="utf-8")).found
        if "mermaid" in (attributes.get("class") or "")
    ]

    assert drawn == []


def test_the_site_holds_pages_and_pictures_but_no_program(site: Path) -> None:
    assert [file.name for file in site.rglob("*.py")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_site_shows_the_lists_and_tables_that_the_repository_shows(
    site: Path, page: Path
) -> None:
    on_site = str(ON_SITE[page])
    built = (site / on_site).with_suffix(".html").read_text(encoding="utf-8")
    article = built.split("<article", 1)[1].split("</article>", 1)[0]
    text = for_the_site(page.read_text(encoding="utf-8"), on_site)
    as_github = MarkdownIt("commonmark").enable("table").render(text)

    shown, meant = (Counter(tag for tag, _ in Tags(html).found) for html in (article, as_github))

    assert {tag: shown[tag] for tag in SHOWN} == {tag: meant[tag] for tag in SHOWN}


def test_a_diagram_is_a_table_of_its_arrows() -> None:
    diagram = (
        "```mermaid\nflowchart LR\n    ERP[(ERP<br>Oracle)] -- rows --> extract\n"
        "    a --> b\n    [*] --> ready: found<br>moved\n```\n"
    )

    assert for_the_site(diagram, "index.md").splitlines() == [
        "| from | to | by |",
        "| --- | --- | --- |",
        "| ERP, Oracle | `extract` | rows |",
        "| `a` | `b` | – |",
        "| (new) | `ready` | found, moved |",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_arrow_of_a_diagram_is_in_its_table(page: Path) -> None:
    for diagram in DIAGRAM.findall(page.read_text(encoding="utf-8")):
        assert arrows(diagram).count("\n") == 2 + diagram.count("-->")


@pytest.mark.parametrize(
    ("on_site", "link", "there"),
    [
        ("index.md", "docs/going-live.md#the-whole-way", "going-live.md#the-whole-way"),
        ("index.md", "CONTRIBUTING.md", "CONTRIBUTING.md"),
        ("CONTRIBUTING.md", "README.md", "index.md"),
        ("dba.md", "../README.md", "index.md"),
        ("how-to/add-a-reason.md", "../rules.md", "../rules.md"),
        ("how-to/add-a-reason.md", "../../CONTRIBUTING.md#tests", "../CONTRIBUTING.md#tests"),
        ("dba.md", "#rights", "#rights"),
        ("dba.md", "https://example.test/x.md", "https://example.test/x.md"),
    ],
)
def test_a_link_of_the_repository_leads_to_the_same_page_of_the_site(
    on_site: str, link: str, there: str
) -> None:
    assert for_the_site(f"[x]({link})", on_site) == f"[x]({there})"
