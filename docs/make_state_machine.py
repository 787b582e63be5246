"""The diagrams and the table of the transitions, from `RULES` of the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from docs.make_tables import code, table
from track_dispatch.ledger.transitions import RULES, Transition, TransitionRule
from track_dispatch.states import LineState

Pair: TypeAlias = tuple[LineState | None, LineState]
Rules: TypeAlias = Mapping[Transition, TransitionRule]

#: States before a line has left the house.
INSIDE = frozenset({None, LineState.READY, LineState.HELD, LineState.REOPENED, LineState.EXCLUDED})


def diagram_inside(rules: Rules = RULES) -> str:
    """Return the diagram of what happens before a line leaves."""
    pairs = _pairs(rules)
    return _diagram({pair: pairs[pair] for pair in pairs if INSIDE.issuperset(pair)})


def diagram_leaving(rules: Rules = RULES) -> str:
    """Return the diagram of what happens when it leaves, and after."""
    pairs = _pairs(rules)
    return _diagram({pair: pairs[pair] for pair in pairs if not INSIDE.issuperset(pair)})


def transitions(rules: Rules = RULES) -> str:
    """Return the table of all transitions."""
    rows = (row for transition, rule in rules.items() for row in _rows(transition, rule))
    return table(("transition", "from", "to", "who", "condition"), rows)


def _pairs(rules: Rules) -> dict[Pair, list[str]]:
    pairs: dict[Pair, list[str]] = defaultdict(list)
    for transition, rule in rules.items():
        for pair in rule.pairs:
            pairs[pair].append(str(transition))
    return pairs


def _diagram(pairs: Mapping[Pair, Iterable[str]]) -> str:
    arrows = (
        f"    {_node(left)} --> {entered}: {'<br>'.join(pairs[left, entered])}"
        for left, entered in sorted(pairs, key=_order)
    )
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```\n"])


def _rows(transition: Transition, rule: TransitionRule) -> Iterator[tuple[str, ...]]:
    """Yield a row for all states that the transition takes to the same states."""
    goals: dict[LineState | None, list[LineState]] = defaultdict(list)
    for left, entered in sorted(rule.pairs, key=_order):
        goals[left].append(entered)
    alike: dict[tuple[LineState, ...], list[LineState | None]] = defaultdict(list)
    for left, entered_states in goals.items():
        alike[tuple(entered_states)].append(left)
    for reached, lefts in alike.items():
        left_states = ", ".join(str(left or "(none)") for left in lefts)
        yield code(transition), left_states, ", ".join(reached), rule.who, rule.condition


def _order(pair: Pair) -> tuple[int, int]:
    states = [None, *LineState]
    return states.index(pair[0]), states.index(pair[1])


def _node(state: LineState | None) -> str:
    return "[*]" if state is None else str(state)
