"""The ERP's text as one clean line: no control characters, no stray blanks, composed accents."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

#: Unicode's sign for a character that could not be decoded.
_LOST = "\ufffd"


def clean(text: str) -> str:
    """Return the text trimmed, in Unicode's composed form, without what cannot be printed.

    Every kind of blank (tab, line break, no-break space) becomes a plain space; control characters
    and zero-width marks go. A lone surrogate, which no UTF-8 body can carry, stands for a lost
    letter: it becomes U+FFFD, so that nobody takes what is left for the whole.
    """
    if not text.isprintable():
        text = "".join(_printable(character) for character in text)
    return unicodedata.normalize("NFC", text).strip()


def clean_column(texts: Sequence[str]) -> list[str]:
    """Return each text of a column clean; a column that needs no more is only trimmed.

    What is printable and composed as a whole is so in each of its parts.

    Source: Unicode Standard Annex 15, "all of the Normalization Forms are closed under
    substringing".
    """
    together = "".join(texts)
    if together.isprintable() and unicodedata.is_normalized("NFC", together):
        return list(map(str.strip, texts))
    return list(map(clean, texts))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    if character.isspace():
        return " "
    return _LOST if "\ud800" <= character <= "\udfff" else ""
