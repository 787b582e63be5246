"""A day ten times as large needs hardly more memory: nothing holds the day's patients at once."""

from __future__ import annotations

import pytest
from bench_figures import bench_figures

SMALL, LARGE = 5_000, 50_000
PHASES = ("extract", "transform", "dispatch")

Measured = dict[tuple[str, int], dict[str, float]]


@pytest.fixture(scope="module")
def measured() -> Measured:
    """Measure each phase of both days in a process of its own; the stand-ins are in another."""
    figures = bench_figures(SMALL, LARGE, rounds=0, phases=PHASES)
    return {(figure["work"], figure["size"]): figure for figure in figures}


@pytest.mark.parametrize("phase", PHASES)
def test_ten_times_the_rows_need_at_most_a_third_more_memory(
    measured: Measured, phase: str
) -> None:
    assert measured[phase, LARGE]["peak_kib"] <= 1.3 * measured[phase, SMALL]["peak_kib"]


@pytest.mark.parametrize("phase", PHASES)
def test_what_was_measured_is_the_whole_day(measured: Measured, phase: str) -> None:
    whole = [measured[phase, size]["rows"] > 0.95 * size for size in (SMALL, LARGE)]

    assert whole == [True, True]
