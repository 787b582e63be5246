"""Write docs/state-machine.md anew from the table of transitions: `make docs`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from track_dispatch.ledger.transitions import RULES
from track_dispatch.states import LineState

if TYPE_CHECKING:
    from track_dispatch.ledger.transitions import Transition, TransitionRule

    Pair: TypeAlias = tuple[LineState | None, LineState]

PAGE = Path(__file__).with_name("state-machine.md")
#: States before a line has left the house.
INSIDE = frozenset({None, LineState.READY, LineState.HELD, LineState.REOPENED, LineState.EXCLUDED})

_HEAD = """# How a line may move

Written by `make docs` from `RULES` in `plugins/track_dispatch/ledger/transitions.py`; do not edit.
A *line* is the ledger's row of one attendance.
Every move is one UPDATE that names the states it may leave, with an event in the same transaction.
The words are explained in [glossary.md](glossary.md).

## Before a line leaves

What waits may be changed: each new reading of its day judges it again.
"""
_LEAVING = """
## On its way, and after

What has left may not be changed by a reading. A line leaves by `ready → sending` in a claim, and by
nothing else; the batch and its lease are committed before the POST begins.
"""
_TABLE = """
## Every transition

`explain` and the table `events` call a transition by the name in the first column.

| transition | from | to | who | condition |
| --- | --- | --- | --- | --- |
"""


def render(rules: Mapping[Transition, TransitionRule] = RULES) -> str:
    """Return the page."""
    pairs: dict[Pair, list[str]] = defaultdict(list)
    for transition, rule in rules.items():
        for pair in rule.pairs:
            pairs[pair].append(str(transition))
    inside = {pair: names for pair, names in pairs.items() if INSIDE.issuperset(pair)}
    leaving = {pair: names for pair, names in pairs.items() if pair not in inside}
    rows = "".join(row for transition, rule in rules.items() for row in _rows(transition, rule))
    return f"{_HEAD}{_diagram(inside)}{_LEAVING}{_diagram(leaving)}{_TABLE}{rows}"


def _diagram(pairs: Mapping[Pair, Iterable[str]]) -> str:
    arrows = (
        f"    {_node(left)} --> {entered}: {'<br>'.join(pairs[left, entered])}"
        for left, entered in sorted(pairs, key=_order)
    )
    return "\n".join(["\n```mermaid", "stateDiagram-v2", *arrows, "```\n"])


def _rows(transition: Transition, rule: TransitionRule) -> Iterator[str]:
    """Yield a row for all states that the transition takes to the same states."""
    goals: dict[LineState | None, list[LineState]] = defaultdict(list)
    for left, entered in sorted(rule.pairs, key=_order):
        goals[left].append(entered)
    alike: dict[tuple[LineState, ...], list[LineState | None]] = defaultdict(list)
    for left, entered_states in goals.items():
        alike[tuple(entered_states)].append(left)
    for reached, lefts in alike.items():
        left_states = ", ".join(str(left or "(none)") for left in lefts)
        cells = (transition, left_states, ", ".join(reached), rule.who, rule.condition)
        yield f"| {' | '.join(cells)} |\n"


def _order(pair: Pair) -> tuple[int, int]:
    states = [None, *LineState]
    return states.index(pair[0]), states.index(pair[1])


def _node(state: LineState | None) -> str:
    return "[*]" if state is None else str(state)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
