"""Workers that run something else are told, before they do harm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from track_dispatch.config import software_here
from track_dispatch.doctor.check import DoubtError
from track_dispatch.doctor.ledger_checks import judge_software
from track_dispatch.errors import ConfigError
from track_dispatch.ledger.extractions import stage_extraction
from track_dispatch.ledger.history import SoftwareUse
from track_dispatch.records import Actor, HospitalDay, Software

if TYPE_CHECKING:
    from premises import Premises

    from track_dispatch.doctor.check import Check

SOFTWARE = ("installation", "software")
A, B = Software("0.1.0+aaa", "111"), Software("0.1.0+bbb", "111")
C, D = Software("0.1.0+aaa", "222"), Software("0.1.0+bbb", "222")
NINE = datetime(2026, 3, 3, 9, tzinfo=UTC)
DAY = HospitalDay("HMS", NINE.date())


def used(software: Software, first: float, last: float) -> SoftwareUse:
    """Say that a software was seen from some hours after nine to others."""
    return SoftwareUse(software, *(NINE + timedelta(hours=hours) for hours in (first, last)))


@pytest.mark.parametrize(
    ("uses", "said"),
    [
        ([], "0.1.0+aaa include 111 here; no task has read or posted in the last 26 hours"),
        ([used(A, 0, 1)], "0.1.0+aaa include 111, as in the last task"),
        ([used(B, -20, -19), used(A, 0, 1)], "0.1.0+aaa include 111, as in the last task"),
    ],
    ids=["nothing ran", "one", "one after a deployment"],
)
def test_workers_that_run_what_is_here_are_well(uses: list[SoftwareUse], said: str) -> None:
    assert judge_software(uses, here=A) == said


@pytest.mark.parametrize(
    ("last", "difference"),
    [(B, "package"), (C, "include folder"), (D, "package and include folder")],
)
def test_another_one_here_than_in_the_last_task_is_a_doubt(last: Software, difference: str) -> None:
    with pytest.raises(DoubtError, match=f"another {difference}; unless it was deployed since"):
        judge_software([used(A, -20, -19), used(last, 0, 1)], here=A)


@pytest.mark.parametrize(
    "uses",
    [
        [used(A, 0, 2), used(B, 1, 3)],
        [used(A, 0, 3), used(B, 1, 2)],
        [used(A, 0, 1), used(B, 1, 2)],
        [used(C, -9, -8), used(A, 0, 2), used(B, 1, 3)],
        [used(A, 0, 9), used(C, 1, 2), used(B, 3, 4)],
    ],
    ids=["in turn", "one within the other", "at one moment", "after a third", "not neighbours"],
)
def test_two_that_run_in_turn_are_workers_that_differ(uses: list[SoftwareUse]) -> None:
    with pytest.raises(ConfigError, match=r"workers differ in .*deploy the same to all"):
        judge_software(uses, here=A)


def read(premises: Premises, software: Software) -> None:
    with premises.ledger() as ledger:
        actor = replace(Actor("extract", "run-1", 1), software=software)
        columns = {"cd_atendimento": ["1"]}
        stage_extraction(ledger, [columns], source="hms", day=DAY, actor=actor)


def seen(premises: Premises) -> Check:
    return premises.visit()[SOFTWARE]


def test_the_doctor_compares_what_read_with_what_is_here(premises: Premises) -> None:
    here = software_here()
    assert seen(premises).detail.startswith(f"{here} here; no task has read")

    read(premises, here)
    assert (seen(premises).verdict, seen(premises).detail) == ("ok", f"{here}, as in the last task")

    other = here._replace(include_digest="000")
    read(premises, other)
    assert seen(premises).verdict == "warn"
    assert "another include folder" in seen(premises).detail

    read(premises, here)
    assert seen(premises).verdict == "FAIL"
    assert "workers differ in include folder" in seen(premises).detail
