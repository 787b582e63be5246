"""What a morning came to is told as figures, and by the exit code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.morning import MeasuredMorning, main

GOOD = MeasuredMorning(
    hospitals=2,
    healthy_seconds=12.3,
    end_seconds=45.6,
    runs={"success": 2},
    tasks={"success": 10, "skipped": 4},
    cpu_seconds={"scheduler": 10.0, "tasks": 20.5},
    memory_mb=1234,
    accepted=150,
    accepted_twice=0,
    load_before=0.1,
    cores=2,
)


@pytest.mark.parametrize(
    ("morning", "is_good"),
    [
        (GOOD, True),
        (replace(GOOD, accepted_twice=1), False),
        (replace(GOOD, runs={"success": 1, "failed": 1}), False),
        (replace(GOOD, runs={"success": 1}), False),
    ],
    ids=["good", "asked twice", "a red run", "a run too few"],
)
def test_a_morning_is_good_when_all_are_green_and_nobody_is_asked_twice(
    morning: MeasuredMorning, is_good: bool
) -> None:
    assert morning.is_good is is_good


def test_the_figures_are_one_a_line() -> None:
    assert GOOD.text().splitlines() == [
        "hospitals        2",
        "until healthy    12.3 s",
        "to the last end  45.6 s",
        "runs             2 success",
        "task instances   14: 4 skipped, 10 success",
        "CPU, seconds     30.5: scheduler 10.0, tasks 20.5",
        "memory (PSS)     1234 MB",
        "Track accepted   150 lines, 0 of them twice",
        "machine          2 cores, load 0.1 before",
    ]


@pytest.mark.parametrize("number", ["0", "-1", "1001"])
def test_a_number_of_hospitals_that_cannot_be_is_refused_before_anything_starts(
    number: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["--hospitals", number])

    assert refused.value.code == 2
    assert capfd.readouterr().err == f"NUMBER={number} is not from 1 to 1000\n"
