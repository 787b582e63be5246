"""Patients' names as a letter would write them: "MARIA DA SILVA" becomes "Maria da Silva"."""

from __future__ import annotations

import re
import unicodedata

from track_dispatch.transformation.clean_text import clean

#: Words inside a Portuguese name that keep their small letters.
PARTICLES = frozenset({"de", "da", "do", "dos", "das", "e"})

#: Generations, the only words that stay in capitals.
_NUMERALS = frozenset({"ii", "iii"})

_JOINTS = re.compile(r"([-'’.])")


def tidy_name(text: str) -> str:
    """Return the name with single spaces, capitals where Portuguese has them, its own accents.

    The case is always set anew: ERPs hold names in capitals, and a mixed case there is rarely
    meant. A particle that comes first is no particle.
    """
    words = clean(text).lower().split()
    tidied = [_word(word, first=index == 0) for index, word in enumerate(words)]
    return unicodedata.normalize("NFC", " ".join(tidied))


def _word(word: str, *, first: bool) -> str:
    if not first and word in PARTICLES:
        return word
    if not first and word in _NUMERALS:
        return word.upper()
    if word.isalnum():
        return _capitalised(word)
    return "".join(_capitalised(part) for part in _JOINTS.split(word))


def _capitalised(part: str) -> str:
    """Return the part with a capital, unless its first letter has none of a single character."""
    capital = part[:1].title()
    return capital + part[1:] if len(capital) == 1 else part
