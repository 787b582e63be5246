"""Clean the ERP's texts, and write patients' names in the forms that are sent and compared.

A clean line has no control characters, no stray blanks, composed accents. Texts that were decoded
wrongly are mended where only one reading is possible: "JoÃ£o" was João. A name is written as a
letter would write it: "MARIA DA SILVA" becomes "Maria da Silva".
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache

from track_dispatch.records import without_accents

#: Unicode's sign for a character that could not be decoded.
_LOST = "\ufffd"

#: What the bytes 80 to BF are in Windows-1252 or, where that has none, in Latin-1.
_TRAIL = (
    "\x80-\xbf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d"
    "\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178"
)

#: How UTF-8's bytes of a Latin letter or a quotation mark look in Windows-1252.
_MISREAD = re.compile(rf"\xc2[\xa0-\xbf]|[\xc3\xe2][{_TRAIL}]")

#: Matches of `_MISREAD` that may be meant as they are: a word that ends in Ã before a blank, a dash
#: or a closing mark; a word that begins with Â, cut in two.
_MEANT = re.compile(
    r"Ã(?:[\xa0\u2013\u2014]|[\u2019\u201d\u2026\xae\xbb](?![^\W\d_]))|(?<![^\W\d_])Â\xa0"
)

#: Characters of names and words in Portuguese and its neighbours. A repaired text with any other is
#: rejected.
_LIKELY = re.compile(r"[ -~\xa0\xad\xaa\xba\xb0\xb4\xa7\xc0-\xd6\xd8-\xf6\xf8-\xff\u2010-\u2026]*")

#: Signs of lost letters: U+FFFD, Oracle's "¿", and "?" in a word; a letter of DOS's code pages, or
#: as a web page writes it.
_DOS = "[\u2021\u201a\u0192\u02c6\u00a1\u00a2\u00a3\u20ac\u00c6]"
_ENTITY = r"&(?:#\w{1,6}|[A-Za-z]{2,8});"
_DAMAGED = re.compile(
    rf"\ufffd|\xbf|[^\W\d_]\?[^\W\d_]|[^\W\d_]{_DOS}|{_DOS}[^\W\d_]|{_ENTITY}|{_MISREAD.pattern}"
)
_SUSPECT = re.compile(rf"[\ud800-\udfff]|\ufffd|\xbf|{_DOS}|{_MISREAD.pattern}")


def clean(text: str) -> str:
    """Return the text trimmed, in Unicode's composed form, without what cannot be printed.

    Every kind of blank (tab, line break, no-break space) becomes a plain space; control characters
    and zero-width marks go. A lone surrogate, which no UTF-8 body can carry, stands for a lost
    letter: it becomes U+FFFD, so that nobody takes what is left for the whole.
    """
    cleaned = _mended(text) if _MISREAD.search(text) else text
    if not cleaned.isprintable():
        cleaned = "".join(_printable(character) for character in cleaned)
    cleaned = unicodedata.normalize("NFC", cleaned).strip()
    # the removed characters may have stood between the two bytes of a letter
    return clean(cleaned) if cleaned != text and _MISREAD.search(cleaned) else cleaned


def clean_column(texts: Sequence[str]) -> list[str]:
    """Return each text of a column clean; a column that needs no more is only trimmed.

    What is printable and composed as a whole is so in each of its parts.

    Source: Unicode Standard Annex 15, "all of the Normalization Forms are closed under
    substringing".
    """
    together = "".join(texts)
    if together.isprintable() and (
        together.isascii()
        or (unicodedata.is_normalized("NFC", together) and not _MISREAD.search(together))
    ):
        return list(map(str.strip, texts))
    return list(map(clean, texts))


def count_damaged(texts: Sequence[str]) -> int:
    """Count a column's texts that have lost letters.

    Args:
        texts: as the ERP has them.
    """
    together = "".join(texts)
    typed = "?" in together or "&" in together
    if not typed and (together.isascii() or not _SUSPECT.search(together)):
        return 0
    return sum(1 for text in texts if _DAMAGED.search(clean(text)))


def _mended(text: str) -> str:
    """Return a text as it was before its UTF-8 was read as Windows-1252, if that is certain."""
    if _MEANT.search(text):
        return text
    # imported late: 50 ms, for texts that most days do not have
    from ftfy import fix_encoding  # noqa: PLC0415

    mended = fix_encoding(text)
    return mended if _LIKELY.fullmatch(mended) else text


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    if character.isspace():
        return " "
    return _LOST if "\ud800" <= character <= "\udfff" else ""


# -- names -------------------------------------------------------------------------

#: Words inside a Portuguese name that keep their small letters.
PARTICLES = frozenset({"de", "da", "do", "dos", "das", "e"})

#: Generations, the only words that stay in capitals.
_NUMERALS = frozenset({"ii", "iii"})

_JOINTS = re.compile(r"([-'’.])")

#: A run of characters that `str.isalnum` accepts.
_WORD = re.compile(r"[^\W_]+")

#: The size of a cache: names of a country have fewer words. It holds patient data, so it is
#: bounded.
_REMEMBERED_WORDS = 1 << 14


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
        # numbers are not cached: they would only displace words
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
    """Return a word's tidy and plain form."""
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
    """Return searches for the patterns, in texts in small letters without accents.

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
