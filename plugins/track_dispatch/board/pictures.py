"""The geometry of the pages' pictures; templates draw them as inline SVG. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

#: The flow's size, in the picture's own units.
FLOW_WIDTH, FLOW_HEIGHT = 640, 240
_LEFT, _RIGHT, _BLOCK, _GAP = 0, 400, 14, 10
#: The least height or width of a part, so that it is seen.
_LEAST = 3.0


class Bar(NamedTuple):
    """A rectangle of a row of bars."""

    x: float
    y: float
    width: float
    height: float


class Stream(NamedTuple):
    """The stream from the whole to a part: a path, the part's block and the place of its text."""

    name: str
    lines: int
    path: str
    y: float
    height: float

    @property
    def middle(self) -> float:
        """The height that its text stands at."""
        return self.y + self.height / 2


class Flow(NamedTuple):
    """A whole and the streams to its parts; `height` is that of the whole's block."""

    height: float
    streams: tuple[Stream, ...]


def points(values: Sequence[int], width: int, height: int) -> str:
    """Return the points of a line through values; one value alone is a level line."""
    values = values if len(values) > 1 else [*values, *values]
    top, step = max([*values, 1]), width / max(len(values) - 1, 1)
    return " ".join(
        f"{at * step:.1f},{height - 1 - (height - 2) * value / top:.1f}"
        for at, value in enumerate(values)
    )


def bars(values: Sequence[int], width: int, height: int) -> list[Bar]:
    """Return a bar for each value that is not 0; even the smallest one is seen."""
    top, step = max([*values, 1]), width / max(len(values), 1)
    return [
        Bar(round(at * step, 2), round(height - tall, 2), round(step * 0.8, 2), round(tall, 2))
        for at, value in enumerate(values)
        if value and (tall := max(_LEAST / 2, height * value / top))
    ]


def shares(parts: Sequence[tuple[str, int]], width: int) -> list[tuple[str, Bar]]:
    """Return rectangles beside each other, as wide as each part's share of the whole.

    Args:
        parts: the name and the lines of each.
        width: of the whole.
    """
    total, at, found = max(sum(lines for _, lines in parts), 1), 0.0, []
    for name, lines in parts:
        wide = width * lines / total
        found.append((name, Bar(round(at, 2), 0, round(wide, 2), 1)))
        at += wide
    return found


def flow(parts: Sequence[tuple[str, int]]) -> Flow:
    """Lay out the streams from a whole on the left to its parts on the right.

    Args:
        parts: the name and the lines of each; those of 0 are left out.
    """
    shown = [(name, lines) for name, lines in parts if lines]
    total = sum(lines for _, lines in shown)
    room = FLOW_HEIGHT - _GAP * max(len(shown) - 1, 0) - _LEAST * len(shown)
    left, right, streams = 0.0, 0.0, []
    for name, lines in shown:
        tall = _LEAST + room * lines / total
        streams.append(Stream(name, lines, _ribbon(left, right, tall), round(right, 1), tall))
        left, right = left + tall, right + tall + _GAP
    return Flow(round(left, 1), tuple(streams))


def _ribbon(left: float, right: float, tall: float) -> str:
    """Draw a ribbon of one breadth from a height on the left to one on the right."""
    begin, end = _LEFT + _BLOCK, _RIGHT
    middle = (begin + end) / 2
    return (
        f"M{begin},{left:.1f} C{middle},{left:.1f} {middle},{right:.1f} {end},{right:.1f}"
        f" V{right + tall:.1f} C{middle},{right + tall:.1f} {middle},{left + tall:.1f}"
        f" {begin},{left + tall:.1f} Z"
    )
