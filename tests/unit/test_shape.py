"""Functions fit on a screen, and no module needs another that needs it.

An import for types only counts, too: who reads the one module has to read the other.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Lines of code, its arguments' among them; docstring, comments and blank lines are not counted.
LONGEST_FUNCTION = 40
#: The modules of these folders, and the folders that Python finds them in.
FOLDERS = {"plugins": "plugins", "dags": "dags", "stand_ins": ".", "demo": "."}


def sources() -> dict[str, str]:
    """Return the text of each module, by the name that it is imported as."""
    found = {}
    for folder, root in FOLDERS.items():
        for file in (ROOT / folder).rglob("*.py"):
            name = ".".join(file.relative_to(ROOT / root).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = file.read_text("utf-8")
    return found


def imported(text: str, known: Collection[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            inner = (f"{node.module}.{one.name}" for one in node.names)
            yield from (name if name in known else f"{node.module}" for name in inner)
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


def lengths(text: str) -> Iterator[tuple[str, int]]:
    """Return the lines of code of each function."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            head = lines[node.lineno - 1 : node.body[0].lineno - 1]
            rest = lines[body[0].lineno - 1 : node.end_lineno] if body else []
            code = [line for line in (*head, *rest) if line.strip() and line.lstrip()[0] != "#"]
            yield node.name, len(code)


def circle(modules: dict[str, str]) -> list[str]:
    """Return modules that need one another in a circle, the first one last again; or none."""
    needed = {name: {*imported(text, modules)} & modules.keys() for name, text in modules.items()}
    try:
        TopologicalSorter({name: found - {name} for name, found in needed.items()}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_needs_one_that_needs_it() -> None:
    assert circle(sources()) == []


@pytest.mark.parametrize("back", ["import a", "from a import x", "def f():\n    import a"])
def test_a_circle_is_seen_however_it_is_imported(back: str) -> None:
    modules = {"a": "from b import c", "b": "", "b.c": "import d", "d": "pass"}

    assert circle(modules) == []
    assert {*circle(modules | {"d": back})} == {"a", "b.c", "d"}


def test_no_function_is_longer_than_a_screen() -> None:
    longest = {
        f"{name}.{function}": lines
        for name, text in sources().items()
        if "migrations" not in name
        for function, lines in lengths(text)
        if lines > LONGEST_FUNCTION
    }

    assert longest == {}
