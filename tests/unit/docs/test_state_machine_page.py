"""The page of the state machine is the table of transitions, drawn."""

from __future__ import annotations

from dataclasses import replace

from docs.make_state_machine import PAGE, render
from track_dispatch.ledger.transitions import RULES, Transition
from track_dispatch.states import LineState


def test_the_page_is_what_the_rules_say_today() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `make docs`"


def test_a_changed_rule_makes_another_page() -> None:
    claimed = RULES[Transition.CLAIMED]
    changed = replace(claimed, pairs=frozenset({(LineState.HELD, LineState.SENDING)}))

    page = render({**RULES, Transition.CLAIMED: changed})

    assert "held --> sending: claimed" in page
    assert "held --> sending" not in render()
