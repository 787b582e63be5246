"""How a refused batch comes apart, until the offending lines stand alone. Pure bookkeeping."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from track_dispatch.delivery.outcomes import LineFault, Outcome
    from track_dispatch.ledger.batches import Batch, ClaimedLine


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of lines, and how many outcomes were uncertain."""

    accepted: int = 0
    refused: int = 0
    in_doubt: int = 0
    doubts: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of a refused batch that are still to be posted, as a batch of their own."""

    origin: Batch
    lines: Sequence[ClaimedLine]


@dataclass(frozen=True, slots=True)
class Accusation:
    """Lines of a refused batch that are to blame for it: what Track faults, by line id."""

    origin: Batch
    faults: Mapping[int, str]
    status: int | None

    @property
    def is_whole(self) -> bool:
        """Whether every line of the batch is to blame."""
        return len(self.faults) == len(self.origin.lines)


@dataclass(slots=True)
class Progress:
    """A claim on its way: what is to be posted, what stands accused, what is settled.

    `again` tells that a person lets a doubt go out once more. `refused` is the batch that Track
    refused last, with the status of its answer: the only one of the claim that may still be in
    flight without waiting for an answer.
    """

    claimed: Batch
    again: bool = False
    parts: list[Part] = field(default_factory=list)
    accused: list[Accusation] = field(default_factory=list)
    refused: tuple[Batch, int | None] | None = None
    tally: Tally = field(default_factory=Tally)

    @property
    def waiting(self) -> set[int]:
        """Lines that certainly were not delivered: in parts not posted yet, or accused."""
        parts = {line.id for part in self.parts for line in part.lines}
        return parts.union(*(accusation.faults for accusation in self.accused))

    def accuse(self, batch: Batch, outcome: Outcome) -> None:
        """Single out the lines that Track names; where it names none, halve the batch."""
        if not outcome.faults and len(batch.lines) > 1:
            self.halve(batch, outcome)
            return
        accused = outcome.faults.keys() or {0}
        faults = {batch.lines[i].id: fault_text(outcome.faults.get(i)) for i in accused}
        rest = [line for line in batch.lines if line.id not in faults]
        self.refused = (batch, outcome.status)
        self.accused.append(Accusation(batch, faults, outcome.status))
        self.parts += [Part(batch, rest)] if rest else []

    def halve(self, batch: Batch, outcome: Outcome) -> None:
        """Make two parts of a batch, the first half to be posted first."""
        middle = (len(batch.lines) + 1) // 2
        self.refused = (batch, outcome.status)
        self.parts += [Part(batch, batch.lines[middle:]), Part(batch, batch.lines[:middle])]


def fault_text(fault: LineFault | None) -> str:
    """Name what Track faults: an error code and a field, never a value."""
    return " ".join(part for part in (fault and fault.code, fault and fault.field) if part)
