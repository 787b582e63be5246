"""Patients' names as a letter would write them: "MARIA DA SILVA" becomes "Maria da Silva"."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from track_dispatch.transformation.clean_text import clean

#: Words inside a Portuguese name that keep their small letters.
PARTICLES = frozenset({"de", "da", "do", "dos", "das", "e"})

#: Generations, the only words that stay in capitals.
_NUMERALS = frozenset({"ii", "iii"})

_JOINTS = re.compile(r"([-'’.])")

#: What `str.isalnum` says yes to, one after another.
_WORD = re.compile(r"[^\W_]+")

#: A country's names are made of fewer words. They are patients' words: no process keeps more.
_REMEMBERED_WORDS = 1 << 14


class ReadName(NamedTuple):
    """A name in both of its forms; patient data, never in a repr.

    Attributes:
        tidy: as a letter would write it.
        plain: as names are compared: in small letters, without accents and signs.
    """

    tidy: str
    plain: str

    def __repr__(self) -> str:
        """Show nobody."""
        return "ReadName()"


def tidy_name(text: str) -> str:
    """Return the name with single spaces, capitals where Portuguese has them, its own accents.

    The case is always set anew: ERPs hold names in capitals, and a mixed case there is rarely
    meant. A particle that comes first is no particle.
    """
    return read_name(clean(text)).tidy


def plain_name(name: str) -> str:
    """Return the name in small letters, without accents and signs; patient data."""
    folded = unicodedata.normalize("NFKD", name.casefold())
    if not folded.isascii():
        folded = "".join(c for c in folded if not unicodedata.combining(c))
    return " ".join(_WORD.findall(folded))


def read_name(text: str) -> ReadName:
    """Return a clean text as `tidy_name` writes it, and that name as `plain_name` compares it."""
    words = text.lower().split()
    if not words:
        return ReadName("", "")
    # a number is no word to remember: it would only push one out
    read = [
        _word(words[0], first=True),
        *((word, word) if word.isascii() and word.isdigit() else _word(word) for word in words[1:]),
    ]
    return ReadName(
        " ".join([tidy for tidy, _ in read]),
        " ".join([plain for _, plain in read if plain]),
    )


@lru_cache(maxsize=_REMEMBERED_WORDS)
def _word(word: str, *, first: bool = False) -> ReadName:
    """Return a word of a name; no mark can combine with the blanks that it stands between."""
    tidy = unicodedata.normalize("NFC", _in_letters(word, first=first))
    return ReadName(tidy, plain_name(tidy))


def _in_letters(word: str, *, first: bool) -> str:
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
