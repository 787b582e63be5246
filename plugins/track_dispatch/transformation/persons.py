"""Which records are one person, and which of a person's attendances is asked.

Two records are one person when the CPF is equal, or when phone or e-mail and the normalised name
are equal: also then when the CPFs differ. Cautious: it is better to ask one of two people who
share a phone and a name than to ask one person twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from track_dispatch.transformation.names import plain_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def person_keys(line: Mapping[str, str]) -> dict[str, str]:
    """Return what identifies the person of an import line, by kind; patient data.

    Two lines are one person when they share a value of a kind.
    """
    keys = {"person_cpf": line["cpf"]} if line["cpf"] else {}
    name = plain_name(line["name"])
    for contact in ("email", "phone"):
        if name and line[contact]:
            keys[f"person_{contact}"] = f"{line[contact]} {name}"
    return keys


def blocking_keys(row: Mapping[str, str]) -> list[int]:
    """Return hashes that two rows of one person share, if not more: of the name, of the CPF.

    Cheap, so that only namesakes need to be looked at closely.
    """
    digits = "".join(filter(str.isdecimal, row["cpf"])).lstrip("0")
    return [hash(part) for part in (plain_name(row["name"]), digits) if part]


@dataclass(frozen=True, slots=True)
class PersonCandidate:
    """An attendance that could be asked; of a person's candidates the least `rank` is."""

    id: str = field(repr=False)
    rank: tuple[int, ...]
    keys: frozenset[int]


def surplus(candidates: Iterable[PersonCandidate]) -> set[str]:
    """Return the attendances whose person is asked about another one.

    `keys` are hashes of `person_keys`: candidates that share one are one person, and so are those
    that share one with the same third.
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


class CandidateIndex:
    """Finds the attendances that share a key with another, in one pass and little memory."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self._first: dict[int, str] = {}

    def see(self, attendance_id: str, keys: Iterable[int]) -> None:
        """Take one row in; rows of one attendance share nothing with each other."""
        for key in keys:
            other = self._first.setdefault(key, attendance_id)
            if other != attendance_id:
                self.found |= {other, attendance_id}
