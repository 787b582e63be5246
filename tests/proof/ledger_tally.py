"""What the model has counted in all, and what it knows of a ledger between two looks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from track_dispatch.ledger.transitions import Transition
from track_dispatch.records import LineState

#: A row of the transition table, finer: the transition, the state left (None: none), that entered.
Move = tuple[Transition, LineState | None, LineState]


@dataclass
class Tally:
    """What all sequences together have done."""

    sequences: int = 0
    steps: int = 0
    kills: int = 0
    faults: int = 0
    posts: int = 0
    accepted: int = 0
    restored: int = 0
    by_people: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    moves: Counter[Move] = field(default_factory=Counter)
    reasons: Counter[tuple[Transition, str]] = field(default_factory=Counter)


@dataclass
class Memory:
    """What is known of the ledger from one look to the next; it goes back with a backup."""

    entered: dict[int, LineState] = field(default_factory=dict)
    lines: dict[int, Any] = field(default_factory=dict)
    events: frozenset[tuple[Any, ...]] = frozenset()
    stopped: bool = False
    said_sent: frozenset[str] = frozenset()
    deleted: frozenset[str] = frozenset()

    def copy(self) -> Memory:
        return Memory(
            dict(self.entered),
            dict(self.lines),
            self.events,
            self.stopped,
            self.said_sent,
            self.deleted,
        )

    def state(self, number: str) -> LineState | None:
        """Return the state of an attendance; None: there is no line."""
        found = (row.state for row in self.lines.values() if row.attendance_id == number)
        return LineState(state) if (state := next(found, None)) else None

    def doubtful(self) -> set[str]:
        return {row.attendance_id for row in self.lines.values() if row.state == LineState.IN_DOUBT}
