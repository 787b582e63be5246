"""Which records are one person, and which of a person's attendances is asked.

Two records are one person when the CPF is equal, or when phone or e-mail and the normalised name
are equal: also then when the CPFs differ. Cautious: it is better to ask one of two people who
share a phone and a name than to ask one person twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PersonCandidate:
    """An attendance that could be asked; of a person's candidates the least `rank` is."""

    id: str = field(repr=False)
    rank: tuple[int, ...]
    keys: frozenset[int]


def surplus(candidates: Iterable[PersonCandidate]) -> set[str]:
    """Return the attendances whose person is asked about another one.

    Candidates that share one of their `keys` are one person, and so are those that share one with
    the same third.
    """
    groups: list[list[PersonCandidate]] = []
    where: dict[int, int] = {}
    joined: dict[int, int] = {}

    def root(group: int) -> int:
        while group in joined:
            group = joined[group]
        return group

    for candidate in candidates:
        known = {root(where[key]) for key in candidate.keys if key in where}
        group = min(known, default=len(groups))
        if not known:
            groups.append([])
        groups[group].append(candidate)
        for other in known - {group}:
            joined[other] = group
            groups[group] += groups[other]
            groups[other] = []
        where.update(dict.fromkeys(candidate.keys, group))
    return {
        candidate.id
        for group in groups
        for candidate in sorted(group, key=lambda one: (one.rank, len(one.id), one.id))[1:]
    }
