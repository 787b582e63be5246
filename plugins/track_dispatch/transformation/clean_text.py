"""The ERP's text as one clean line: no control characters, no stray blanks, composed accents."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def clean(text: str) -> str:
    """Return the text trimmed, in Unicode's composed form, without what cannot be printed.

    Every kind of blank (tab, line break, no-break space) becomes a plain space; control
    characters, zero-width marks and lone surrogates, which no UTF-8 body can carry, go.
    """
    if not text.isprintable():
        text = "".join(_printable(character) for character in text)
    return unicodedata.normalize("NFC", text).strip()


def clean_column(texts: Sequence[str]) -> list[str]:
    """Return each text of a column clean; a column of plain ASCII is only trimmed."""
    together = "".join(texts)
    if together.isascii() and together.isprintable():
        return [text.strip() for text in texts]
    return [clean(text) for text in texts]


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else ""
