"""Regular expressions of the configuration as one search over texts in small letters."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache

from track_dispatch.transformation.names import without_accents

#: Finds something in a text, or returns None.
Search = Callable[[str], object]

#: A capital that is meant as one: not the letter of an escape such as `\\B`.
_CAPITAL = re.compile(r"(?<!\\)[A-Z]")

#: Where a pattern may begin, so that a search need not try it anywhere else.
_BEGINNINGS = (r"\b", "^")


@cache
def searches(patterns: tuple[str, ...]) -> tuple[Search, ...]:
    """Return what finds the patterns in texts in small letters and without accents, by parts.

    `^` and `$` are the ends of a line. Patterns that begin alike make one search: Python then looks
    for the beginning once for all of them, which makes a long list as quick as a short one. Case
    is only ignored where a pattern is written with capitals, since that takes twice the time.
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for pattern in map(without_accents, patterns):
        beginning = next(filter(pattern.startswith, _BEGINNINGS), "")
        alike[beginning].append(f"(?:{pattern})")
    flags = re.MULTILINE | (re.IGNORECASE if any(map(_CAPITAL.search, patterns)) else 0)
    return tuple(re.compile("|".join(group), flags).search for group in alike.values())


def found_in(patterns: tuple[str, ...], texts: Sequence[str]) -> set[int]:
    """Return the positions of those texts that hold one of the patterns."""
    return {
        place for search in searches(patterns) for place, text in enumerate(texts) if search(text)
    }
