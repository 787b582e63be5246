"""Patients' names: as a letter would write them, as they are compared, and as they are searched.

"MARIA DA SILVA" becomes "Maria da Silva".
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache

#: Words inside a Portuguese name that keep their small letters.
PARTICLES = frozenset({"de", "da", "do", "dos", "das", "e"})

#: Generations, the only words that stay in capitals.
_NUMERALS = frozenset({"ii", "iii"})

_JOINTS = re.compile(r"([-'’.])")

#: What `str.isalnum` says yes to, one after another.
_WORD = re.compile(r"[^\W_]+")

#: A country's names are made of fewer words. They are patients' words: no process keeps more.
_REMEMBERED_WORDS = 1 << 14


def without_accents(text: str) -> str:
    """Return the text without the marks that combine with letters: accents, tilde, cedilla."""
    if text.isascii():
        return text
    folded = unicodedata.normalize("NFKD", text)
    return "".join(c for c in folded if not unicodedata.combining(c))


def plain_name(name: str) -> str:
    """Return the name in small letters, without accents and signs; patient data."""
    return " ".join(_WORD.findall(without_accents(name.casefold())))


def read_names(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return a column of clean names, tidied, and as `plain_name` writes those.

    A tidy name has single spaces, capitals where Portuguese has them, its own accents. The case is
    always set anew: ERPs hold names in capitals, and a mixed case there is rarely meant. A particle
    that comes first is no particle.
    """
    tidied, compared = [], []
    for text in texts:
        words = text.lower().split()
        read = [_first_word(words[0])] if words else []
        # a number is no word to remember: it would only push one out
        read += [(w, w) if w.isdecimal() and w.isascii() else _later_word(w) for w in words[1:]]
        tidied.append(" ".join([tidy for tidy, _ in read]))
        compared.append(" ".join([plain for _, plain in read if plain]))
    return tidied, compared


@lru_cache(maxsize=_REMEMBERED_WORDS)
def _first_word(word: str) -> tuple[str, str]:
    return _both_forms(_capitals(word))


@lru_cache(maxsize=_REMEMBERED_WORDS)
def _later_word(word: str) -> tuple[str, str]:
    if word in PARTICLES:
        return _both_forms(word)
    return _both_forms(word.upper() if word in _NUMERALS else _capitals(word))


def _both_forms(word: str) -> tuple[str, str]:
    """Return a word tidy and plain; no mark can combine with the blanks that it stands between."""
    tidy = unicodedata.normalize("NFC", word)
    return tidy, plain_name(tidy)


def _capitals(word: str) -> str:
    if word.isalnum():
        return _capitalised(word)
    return "".join(_capitalised(part) for part in _JOINTS.split(word))


def _capitalised(part: str) -> str:
    """Return the part with a capital, unless its first letter has none of a single character."""
    capital = part[:1].title()
    return capital + part[1:] if len(capital) == 1 else part


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
