"""Addresses of lines: an envelope and a place in it, and how events write places down."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Places that an envelope has at most; an address is `envelope * PLACES + place`.
PLACES = 1000


def address_of(envelope: int, place: int) -> int:
    """Return the address of a place of an envelope."""
    return envelope * PLACES + place


def envelope_of(address: int) -> int:
    """Return the envelope of an address."""
    return address // PLACES


def span(envelope: int) -> tuple[int, int]:
    """Return the first and the last address of an envelope."""
    return envelope * PLACES, envelope * PLACES + PLACES - 1


def by_envelope(addresses: Iterable[int]) -> Mapping[int, list[int]]:
    """Group addresses: the sorted places of each envelope, the first envelope first."""
    grouped = groupby(sorted(addresses), key=envelope_of)
    return {envelope: [one % PLACES for one in found] for envelope, found in grouped}


def format_places(places: Iterable[int]) -> str:
    """Write sorted places as events keep them: "0-41,43"."""
    texts: list[str] = []
    first = last = -2
    for place in (*places, -9):
        if place == last + 1:
            last = place
            continue
        if first >= 0:
            texts.append(str(first) if first == last else f"{first}-{last}")
        first = last = place
    return ",".join(texts)


def parse_places(text: str) -> list[int]:
    """Read what `format_places` wrote."""
    places: list[int] = []
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        places += range(int(first), int(last or first) + 1)
    return places
