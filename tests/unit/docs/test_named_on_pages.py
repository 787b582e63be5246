"""Files, modules and names that pages, comments and messages give are there."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from docs.make_docs import PAGES, ROOT

FOLDERS = ("config", "dags", "demo", "deploy", "docker", "docs", "include", "plugins", "stand_ins")
FILES = [
    file
    for file in [
        *ROOT.iterdir(),
        *(found for name in (*FOLDERS, "tests") for found in (ROOT / name).rglob("*")),
    ]
    if file.is_file() and "__pycache__" not in file.parts and file.name != ".git"
]
PLACES = {"/" + file.relative_to(ROOT).as_posix() for file in FILES}
SOURCES = {
    file: file.read_text(encoding="utf-8")
    for file in FILES
    if file.suffix not in {".md", ".png"} and file != Path(__file__)
}
#: Python's own: in them a name is a promise to the reader. Tests also make up what is not there.
PYTHON = [f for f in SOURCES if f.suffix == ".py" and f.relative_to(ROOT).parts[0] != "tests"]
PACKAGES = "|".join(
    ["dags", "demo", "docs", "stand_ins", "tests", "track_dispatch"]
    + [folder.name for folder in (ROOT / "plugins/track_dispatch").iterdir() if folder.is_dir()]
)

QUOTED = re.compile(r"`([^`\n]+)`")
#: What nobody takes for a word of English: snake_case, IN_CAPITALS, CamelCase.
NAME = re.compile(r"\b(?:\w+_\w+|[A-Z][a-z]+[A-Z]\w+)\b")
PYTHON_FILE = re.compile(r"(?<![\w./*<>$-])[\w./*<>-]*\w\.py\b")
FILE = re.compile(r"(?<![\w./*<>$-])[\w./*<>-]*[\w*>]\.(?:py|sql|ya?ml|md|toml)\b")
MODULE = re.compile(rf"\b(?:{PACKAGES})(?:\.[a-z_]+)+")
PLACED = re.compile(r"`([A-Za-z_]\w+)` (?:in|of) `([\w/]+\.py)`")
KNOWN = {
    word.lower() for text in SOURCES.values() for word in re.findall(r"\w+", QUOTED.sub("", text))
} | {file.stem.lower() for file in FILES}

#: Other programs' own names.
FOREIGN = {
    "allow_connections", "failed_login_attempts", "lc_messages", "listen_addresses",
    "json_logs", "max_connections", "otel_host", "otel_on", "otel_port",
    "statsd_host", "statsd_influxdb_enabled", "statsd_on", "statsd_port",
}  # fmt: skip
#: A hospital to come, and what the first one makes.
TO_COME = {
    "stand_ins/erp/sites/abc.yaml": "",
    "stand_ins/erp/sites/<code>.yaml": "",
    "ORACLE_ABC": "ORACLE_HMS",
    "_abc": "_hms",
    "/abc.": "/hms.",
}


def is_there(path: str) -> bool:
    pattern = re.sub(r"<\w+>", "*", path).removeprefix("./")
    return any(fnmatch(place, f"*/{pattern}") for place in PLACES)


def prose(page: Path) -> str:
    """Return what a page gives in code marks, of hospitals that are there."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    if page.name == "migration.md":  # the first column is the old program's
        text = re.sub(r"^\|[^|]+\|", "|", text, flags=re.MULTILINE)
    for said, meant in TO_COME.items():
        text = text.replace(said, meant)
    return "\n".join(QUOTED.findall(text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    assert [path for path in FILE.findall(prose(page)) if not is_there(path)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_that_a_page_gives_is_one_of_the_code(page: Path) -> None:
    assert {n for n in NAME.findall(prose(page)) if n.lower() not in KNOWN | FOREIGN} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_that_a_page_places_in_a_file_stands_in_it(page: Path) -> None:
    placed = PLACED.findall(page.read_text(encoding="utf-8"))

    assert [
        (name, path)
        for name, path in placed
        if not any(
            file.as_posix().endswith(f"/{path}") and re.search(rf"\b{name}\b", text)
            for file, text in SOURCES.items()
        )
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_that_a_page_names_is_there(page: Path) -> None:
    assert [
        module
        for module in MODULE.findall(prose(page))
        if not is_there(module.replace(".", "/") + "*")
        and not is_there(module.rpartition(".")[0].replace(".", "/") + ".py")
    ] == []


def test_every_python_file_that_the_code_names_is_there() -> None:
    named = {(file, path) for file in PYTHON for path in PYTHON_FILE.findall(SOURCES[file])}

    assert {(file.name, path) for file, path in named if not is_there(path)} == set()


def test_every_name_in_the_codes_own_words_is_one_of_the_code() -> None:
    named = {
        (file, name)
        for file in PYTHON
        for quoted in QUOTED.findall(SOURCES[file])
        for name in NAME.findall(quoted)
    }

    assert {(f.name, name) for f, name in named if name.lower() not in KNOWN | FOREIGN} == set()
