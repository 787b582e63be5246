"""Queries of the hospitals with one passage written otherwise, and what the linter says."""

from __future__ import annotations

from functools import lru_cache

from track_dispatch.config import load_hospital
from track_dispatch.extraction.lint import lint
from track_dispatch.extraction.query import render

#: One hospital of each ERP, and the one whose queries ask most tables.
MV, TASY, WARDS = "HMV", "HAC", "HAT"

KEEP = "where a.area_pesquisa is not null"
ALIVE = "where a.dt_alta >= :day_start"


@lru_cache
def ours(code: str) -> str:
    """Return the hospital's query."""
    return render(load_hospital(code))


def mutant(code: str, old: str, new: str) -> str:
    """Return the hospital's query with the last of these passages written otherwise."""
    before, found, after = ours(code).rpartition(old)
    assert found, f"{code} has no {old}"
    return before + new + after


def and_(condition: str) -> tuple[str, str]:
    """Return a further condition of the whole query."""
    return KEEP, f"{KEEP} and {condition}"


def found_in(sql: str, **arguments: tuple[int, int]) -> str:
    """Return the messages of the linter, a line each."""
    return "\n".join(finding.message for finding in lint(sql, file="x", **arguments))
