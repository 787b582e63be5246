"""The ERP's text as one clean line: no control characters, no stray blanks, composed accents.

Texts that were decoded wrongly are mended where only one reading is possible: "JoÃ£o" was João.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

#: Unicode's sign for a character that could not be decoded.
_LOST = "\ufffd"

#: What the bytes 80 to BF are in Windows-1252 or, where that has none, in Latin-1.
_TRAIL = (
    "\x80-\xbf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d"
    "\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178"
)

#: How UTF-8's bytes of a Latin letter or a quotation mark look in Windows-1252.
_MISREAD = re.compile(rf"\xc2[\xa0-\xbf]|[\xc3\xe2][{_TRAIL}]")

#: What a person may have meant so: a word that ends in Ã, and behind it a blank, a dash or a
#: closing mark; one that begins with Â, cut in two.
_MEANT = re.compile(
    r"Ã(?:[\xa0\u2013\u2014]|[\u2019\u201d\u2026\xae\xbb](?![^\W\d_]))|(?<![^\W\d_])Â\xa0"
)

#: What names and words of Portuguese and its neighbours are made of. A reading that gives anything
#: else is none.
_LIKELY = re.compile(r"[ -~\xa0\xad\xaa\xba\xb0\xb4\xa7\xc0-\xd6\xd8-\xf6\xf8-\xff\u2010-\u2026]*")

#: What is left of a text that lost letters on its way: U+FFFD, Oracle's "¿", and "?" in a word.
_DAMAGED = re.compile(rf"\ufffd|\xbf|[^\W\d_]\?[^\W\d_]|{_MISREAD.pattern}")
_SUSPECT = re.compile(rf"[\ud800-\udfff]|\ufffd|\xbf|{_MISREAD.pattern}")


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
    # what stood between two characters may be gone
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
    """Return how many of a column's texts lost letters that nobody can bring back.

    Args:
        texts: as the ERP has them.
    """
    together = "".join(texts)
    if "?" not in together and (together.isascii() or not _SUSPECT.search(together)):
        return 0
    return sum(1 for text in texts if _DAMAGED.search(clean(text)))


def _mended(text: str) -> str:
    """Return a text as it was before its UTF-8 was read as Windows-1252, if that is certain."""
    if _MEANT.search(text):
        return text
    # some 50 ms to import, for texts that most days do not have
    from ftfy import fix_encoding  # noqa: PLC0415

    mended = fix_encoding(text)
    return mended if _LIKELY.fullmatch(mended) else text


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    if character.isspace():
        return " "
    return _LOST if "\ud800" <= character <= "\udfff" else ""
