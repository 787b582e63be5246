"""The ERP's text as one clean line: no control characters, no stray blanks, composed accents."""

from __future__ import annotations

import unicodedata


def clean(text: str) -> str:
    """Return the text trimmed, in Unicode's composed form, without what cannot be printed.

    Every kind of blank (tab, line break, no-break space) becomes a plain space; control
    characters, zero-width marks and lone surrogates, which no UTF-8 body can carry, go.
    """
    if not text.isprintable():
        text = "".join(_printable(character) for character in text)
    return unicodedata.normalize("NFC", text).strip()


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else ""
