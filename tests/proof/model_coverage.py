"""What all sequences of the model together have done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.proof.model_replay import Move


@dataclass
class Coverage:
    """Numbers of one run of the model.

    Attributes:
        accepted: lines that Track accepted.
        by_people: of them, those accepted once more on a person's word.
        moves: rows of the transition table, by the states left and entered.
        reasons: transitions by the reason that they gave.
        errors: by type; what a dispatch or a decision may raise is no failure.
    """

    sequences: int = 0
    steps: int = 0
    kills: int = 0
    faults: int = 0
    posts: int = 0
    accepted: int = 0
    restored: int = 0
    rotated: int = 0
    by_people: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    moves: Counter[Move] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
