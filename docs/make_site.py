"""What `make site` does to the pages on their way into the site, as a hook of MkDocs.

The pages are written to be read in the repository. On the site the README is the first page, the
pages of the repository's root stand beside those of docs/, and a diagram is a table: the program
that draws Mermaid's text would have to come from somebody else's server.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from docs.make_tables import code, table

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
#: Pages of the repository's root, and where they stand on the site.
ROOT_PAGES: Mapping[str, str] = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
}
_LINK = re.compile(r"(?<=\]\()([^):#]+)(?=[)#])")
DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
#: An arrow of a state diagram, and of a flowchart.
_ARROW = re.compile(r"^ +(\S+) --(?: (.+) --)?> (\S+?)(?:: (.+))?$", re.MULTILINE)
#: A flowchart's node with a text of its own: `ERP[(ERP<br>Oracle)]`.
_NODE = re.compile(r"\b(\w+)\[\((.+?)\)\]")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages of the repository's root."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - only where a site is built

    for name, on_site in ROOT_PAGES.items():
        files.append(File.generated(config, on_site, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Return a page's text as the site shows it."""
    return for_the_site(markdown, page.file.src_uri)


def for_the_site(text: str, on_site: str) -> str:
    """Return a page's text with links between the site's pages, and diagrams as tables.

    Args:
        text: the page as it stands in the repository.
        on_site: where the page stands on the site.
    """
    homes = {there: here for here, there in ROOT_PAGES.items()}
    folder = posixpath.dirname(homes.get(on_site, f"docs/{on_site}"))

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[1]))
        target = ROOT_PAGES.get(target, target.removeprefix("docs/"))
        return posixpath.relpath(target, posixpath.dirname(on_site) or ".")

    text = DIAGRAM.sub(lambda diagram: arrows(diagram[1]), _LINK.sub(moved, text))
    return "\n".join(_unescaped(line) if line[:1] == "|" else line for line in text.split("\n"))


def arrows(diagram: str) -> str:
    """Return the arrows of a diagram of Mermaid's as a table."""
    texts = {name: text.replace("<br>", ", ") for name, text in _NODE.findall(diagram)}
    plain = _NODE.sub(r"\1", diagram)
    rows = [
        (_end(left, texts), _end(right, texts), (label or after).replace("<br>", ", "))
        for left, label, right, after in _ARROW.findall(plain)
    ]
    return table(("from", "to", "by"), rows)


def _end(node: str, texts: Mapping[str, str]) -> str:
    return "(new)" if node == "[*]" else texts.get(node, code(node))


def _unescaped(row: str) -> str:
    r"""Return a row whose code has its bars bare: in code this Markdown shows `\|` as it is."""
    return re.sub(r"`[^`]*`", lambda span: span[0].replace(r"\|", "|"), row)
