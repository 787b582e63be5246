"""Patterns of the configuration as a search: grouped, they find what each finds by itself."""

from __future__ import annotations

import re

import pytest

from track_dispatch.transformation.names import found_in

TEXTS = ["rn de ana", "ana rn", "maria", "a_teste", "ana\nmv (x)", "x", "b", "ab", "rnaldo", ""]
LISTS = [
    (),
    (r"\brn\b",),
    (r"\bRN\b", "^X$"),
    (r"\brn\b|b", r"\bmv"),  # a choice that does not begin at a word as a whole
    ("^a|b$", "^x"),
    (r"\(x\)$", "_"),
    (r"\Brn", r"\bana\b"),
    ("ã", r"\bÂNA\b"),
]


@pytest.mark.parametrize("patterns", LISTS, ids=str)
def test_a_list_finds_what_each_of_its_patterns_finds(patterns: tuple[str, ...]) -> None:
    plain = [pattern.translate(str.maketrans("ãÂ", "aA")) for pattern in patterns]
    wanted = {
        place
        for place, text in enumerate(TEXTS)
        if any(re.search(one, text, re.IGNORECASE | re.MULTILINE) for one in plain)
    }

    assert found_in(patterns, TEXTS) == wanted
