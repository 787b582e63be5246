"""The ledger's events played back: what they say of every line, and that they keep to the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from track_dispatch.ledger.envelopes import address_of, parse_places
from track_dispatch.ledger.transitions import RULES, Transition
from track_dispatch.states import LineState

if TYPE_CHECKING:
    from sqlalchemy import Row

#: The state left (None: the line is new), and the state entered.
Move = tuple[Transition, LineState | None, LineState]

#: All that the table knows.
MOVES: frozenset[Move] = frozenset(
    (transition, left, entered)
    for transition, rule in RULES.items()
    for left, entered in rule.pairs
)
#: Transitions by which a line enters a batch.
INTO_A_BATCH = frozenset(
    {Transition.CLAIMED, Transition.SPLIT, Transition.RESTORED, Transition.LEASE_EXPIRED}
)
#: Transitions that count as an invitation from their moment on.
INVITES = frozenset({Transition.CLAIMED, Transition.SPLIT, Transition.RESTORED})
#: Transitions by which an answer, or its certain absence, is written down.
ANSWERS = (Transition.ANSWERED, Transition.ANSWERED_LATE)
#: States of what was certainly not delivered.
RELEASED = (LineState.READY, LineState.REOPENED)


@dataclass(frozen=True, slots=True)
class ReplayedLine:
    """A line as its events tell it.

    Attributes:
        id: the address that it was found at.
        address: where it lies.
        state: where it stands.
        batch: the last that it went out in; None when that was certainly not delivered.
        invited_at: when it last went out, or was doubted to have gone, by the database's clock.
    """

    id: int
    address: int
    state: LineState
    batch: str | None = None
    invited_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Played:
    """One line's share of one event."""

    event: Row[Any]
    before: ReplayedLine | None
    line: ReplayedLine

    @property
    def move(self) -> Move:
        """What of the transition table it is."""
        left = self.before.state if self.before else None
        return Transition(self.event.transition), left, self.line.state


class Replay:
    """Lines by their address, as far as events were played."""

    def __init__(self) -> None:
        self.lines: dict[int, ReplayedLine] = {}
        self._seen: frozenset[tuple[Any, ...]] = frozenset()

    def copy(self) -> Replay:
        """Return what is known now, for a backup."""
        copied = Replay()
        copied.lines, copied._seen = dict(self.lines), self._seen
        return copied

    def play(self, events: Iterable[Row[Any]]) -> Iterator[Played]:
        """Play those events that are new, in their order, along the table only."""
        kept = [tuple(event) for event in events]
        # SQLite gives the ids of deleted events to new ones: an id alone says nothing
        seen, self._seen = self._seen, frozenset(kept)
        for event in events:
            if tuple(event) not in seen:
                yield from self._play(event)

    def forget(self, lines: Iterable[int]) -> None:
        """Let lines go that were deleted, by their ids."""
        gone = set(lines)
        self.lines = {at: line for at, line in self.lines.items() if line.id not in gone}

    def _play(self, event: Row[Any]) -> Iterator[Played]:
        origins: Mapping[str, int] = orjson.loads(event.came_from) if event.came_from else {}
        for place in parse_places(event.places):
            address = address_of(event.envelope, place)
            before = self.lines.get(address)
            if str(place) in origins:
                assert before is None, "two lines at one address"
                before = self.lines.pop(origins[str(place)])
            if _is_note(event):
                assert before is not None
                assert before.state == event.state, "a note moves nothing"
                continue
            line = _after(event, before, address)
            played = Played(event, before, line)
            assert played.move in MOVES, f"{played.move} is not in the table"
            self.lines[address] = line
            yield played


def _is_note(event: Row[Any]) -> bool:
    """Tell whether an event only notes that Track took what was claimed anew meanwhile."""
    return event.transition == Transition.ANSWERED_LATE and event.detail == "claimed_anew"


def _after(event: Row[Any], before: ReplayedLine | None, address: int) -> ReplayedLine:
    line = before or ReplayedLine(address, address, LineState(event.state))
    line = replace(line, address=address, state=LineState(event.state))
    if event.transition in INTO_A_BATCH:
        line = replace(line, batch=event.batch)
    elif event.transition in ANSWERS and event.state in RELEASED:
        line = replace(line, batch=None)
    return replace(line, invited_at=event.at) if event.transition in INVITES else line
