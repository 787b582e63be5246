"""How a refused batch comes apart, until the offending lines stand alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from track_dispatch.delivery.responses import Outcome
from track_dispatch.ledger.batches import Batch
from track_dispatch.ledger.envelopes import SealedLine


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of a refused batch that are still to be posted, as a batch of their own.

    Attributes:
        origin: the refused batch.
        status: of its refusal.
        lines: some of its lines.
    """

    origin: Batch
    status: int | None
    lines: tuple[SealedLine, ...]


@dataclass(frozen=True, slots=True)
class Suspects:
    """Lines of a refused batch that its refusal names, or that it leaves alone.

    They are to blame once another line of their claim gets through; until then a setting may be.

    Attributes:
        origin: the refused batch.
        status: of its refusal.
        faults: what Track faults, by place.
    """

    origin: Batch
    status: int | None
    faults: Mapping[int, str]


class Division(NamedTuple):
    """What a refused batch comes apart into; the parts in the order in which they are posted."""

    suspects: Suspects | None
    parts: tuple[Part, ...]


class Leftover(NamedTuple):
    """Lines of one batch that its claim posts no more: refused by place, or released."""

    batch: Batch
    status: int | None
    refused: Mapping[int, str]
    released: frozenset[int]


def isolate(batch: Batch, outcome: Outcome) -> Division:
    """Set the lines apart that a refusal names; where it names none, halve the batch."""
    if not outcome.faults and len(batch.lines) > 1:
        return bisect(batch, outcome)
    faults = faults_by_place(batch, outcome) or {batch.lines[0].place: ""}
    rest = tuple(line for line in batch.lines if line.place not in faults)
    suspects = Suspects(batch, outcome.status, faults)
    return Division(suspects, (Part(batch, outcome.status, rest),) if rest else ())


def bisect(batch: Batch, outcome: Outcome) -> Division:
    """Halve a batch that is refused or too large; the first half is the larger one."""
    middle = (len(batch.lines) + 1) // 2
    halves = batch.lines[:middle], batch.lines[middle:]
    return Division(None, tuple(Part(batch, outcome.status, half) for half in halves))


def leftovers(
    parts: Sequence[Part], suspects: Sequence[Suspects], *, refuse: bool
) -> list[Leftover]:
    """Gather what a claim that ends leaves behind, by the batch that its lines were posted in last.

    Args:
        parts: not posted yet; they are released.
        suspects: the lines that stand suspected.
        refuse: whether these are to blame; otherwise they are released.
    """
    origins: dict[str, tuple[Batch, int | None]] = {}
    released: dict[str, set[int]] = {}
    refused: dict[str, Mapping[int, str]] = {}
    for part in parts:
        origins[part.origin.id] = part.origin, part.status
        released.setdefault(part.origin.id, set()).update(line.place for line in part.lines)
    for one in suspects:
        origins[one.origin.id] = one.origin, one.status
        if refuse:
            refused[one.origin.id] = one.faults  # a batch comes apart once
        else:
            released.setdefault(one.origin.id, set()).update(one.faults)
    return [
        Leftover(batch, status, refused.get(key, {}), frozenset(released.get(key, ())))
        for key, (batch, status) in origins.items()
    ]


def faults_by_place(batch: Batch, outcome: Outcome) -> dict[int, str]:
    """Return an error code and a field, never a value, of each line that an answer names."""
    return {
        batch.lines[i].place: " ".join(part for part in (fault.code, fault.field) if part)
        for i, fault in outcome.faults.items()
    }
