"""Patients' names as a letter would write them: "MARIA DA SILVA" becomes "Maria da Silva"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

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
