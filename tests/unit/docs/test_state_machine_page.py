"""The diagrams of the state machine are the table of transitions, drawn."""

from __future__ import annotations

from dataclasses import replace

from docs.make_state_machine import diagram_leaving
from track_dispatch.ledger.transitions import RULES, Transition
from track_dispatch.states import LineState


def test_a_changed_rule_makes_another_diagram() -> None:
    claimed = RULES[Transition.CLAIMED]
    changed = replace(claimed, pairs=frozenset({(LineState.HELD, LineState.SENDING)}))

    diagram = diagram_leaving({**RULES, Transition.CLAIMED: changed})

    assert "held --> sending: claimed" in diagram
    assert "held --> sending" not in diagram_leaving()
