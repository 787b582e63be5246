"""What is written or drawn on a page stands out from what is behind it, in both themes (WCAG)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import track_dispatch.board
from track_dispatch.board.facts import DayStatus
from track_dispatch.states import LineState

CSS = (Path(track_dispatch.board.__file__).parent / "static" / "board.css").read_text("utf-8")
#: The least ratio of a text, and of a picture's parts.
TEXT, PICTURE = 4.5, 3.0
TEXTS = [
    (colour, behind)
    for colour in ("text", "muted", "accent", "bad", "ok")
    for behind in ("page", "panel")
]


def variables(selector: str) -> dict[str, str]:
    """Return the colours that a rule sets."""
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", CSS)
    own = [body for names, body in rules if selector in [one.strip() for one in names.split(",")]]
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", "".join(own)))


def theme(name: str) -> dict[str, str]:
    dark = variables(":root.dark") if name == "dark" else {}
    return variables(":root") | dark


def mark(name: str, status: DayStatus) -> str:
    """Return the colour of a cell's figure."""
    own = variables(f":root.dark .cell.{status}") if name == "dark" else {}
    return own.get("mark") or theme(name)["mark"]


def light(colour: str) -> float:
    """Return the relative luminance of a colour."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return sum(share * one for share, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize(("colour", "behind"), TEXTS)
def test_every_text_can_be_read(name: str, colour: str, behind: str) -> None:
    colours = theme(name)

    assert contrast(colours[colour], colours[behind]) >= TEXT


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("status", DayStatus)
def test_the_figure_of_every_cell_can_be_seen(name: str, status: DayStatus) -> None:
    colours = theme(name)

    assert contrast(mark(name, status), colours.get(f"c-{status}", colours["page"])) >= TEXT


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("state", LineState)
def test_the_part_of_every_state_can_be_seen(name: str, state: LineState) -> None:
    colours = theme(name)

    assert contrast(colours[f"s-{state}"], colours["page"]) >= PICTURE


def test_colours_are_named_once_and_nowhere_else() -> None:
    rules = re.sub(r"--[\w-]+:\s*#[0-9a-f]{6}", "", CSS)

    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsl", rules)


def test_the_measure_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
