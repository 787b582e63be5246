"""A module is called by words of the glossary, or by words that every engineer knows."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Words of databases, HTTP, parsers and programs, with the meaning that they have everywhere.
FIELD_TERMS = {
    "access", "airflow", "alert", "app", "apply", "backups", "between", "body", "chunk",
    "client", "connection", "context", "creation", "error", "extract", "file", "function",
    "history", "init", "inspection", "installation", "lint", "loading", "main", "measures",
    "metric", "options", "oracle", "pictures", "privacy", "process", "query", "retention",
    "schema", "screening", "table", "transitions", "transport", "tree", "truth", "typed",
    "views", "writer", "yaml",
}  # fmt: skip


def test_every_module_has_a_name_of_the_glossary_or_of_the_field() -> None:
    glossary = (ROOT / "docs/glossary.md").read_text("utf-8").lower()
    known = FIELD_TERMS | set(re.findall(r"[a-z]+", glossary))
    words = {
        word
        for file in (ROOT / "plugins").rglob("*.py")
        if "migrations" not in file.parts
        for word in file.stem.strip("_").split("_")
    }

    unknown = {
        word
        for word in words
        if not known & {word, word.removesuffix("s"), word.replace("ies", "y")}
    }
    assert unknown == set()
    assert {word for word in FIELD_TERMS if not {word, f"{word}s"} & words} == set()
