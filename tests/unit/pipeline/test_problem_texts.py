"""What is told of one line is told in the singular."""

from __future__ import annotations

import re
from datetime import date

import pytest

from track_dispatch.pipeline.problems import (
    DayNotice,
    DayProblem,
    NoticeKind,
    ProblemKind,
    states_text,
)
from track_dispatch.records import HospitalDay
from track_dispatch.states import Count, LineState

DAY = HospitalDay("HMS", date(2026, 3, 10))
#: A plural right after the number 1.
PLURAL_OF_ONE = re.compile(r"\b1 \w+s\b")


@pytest.mark.parametrize("kind", ProblemKind)
def test_a_problem_of_one_line_is_told_in_the_singular(kind: ProblemKind) -> None:
    one, two = (DayProblem(kind, "HMS", DAY, lines=number).text() for number in (1, 2))

    assert not PLURAL_OF_ONE.search(one)
    if "2" in two.replace("2026", ""):
        assert re.search(r"\b2 \w+s\b", two)


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_notice_of_one_line_is_told_in_the_singular(kind: NoticeKind) -> None:
    assert DayNotice(kind, DAY, 1).text().startswith("1 linha ")
    assert DayNotice(kind, DAY, 2).text().startswith("2 linhas ")


@pytest.mark.parametrize("state", LineState)
def test_one_line_of_a_state_is_told_in_the_singular(state: LineState) -> None:
    assert not PLURAL_OF_ONE.search(state.counted(1))
    assert state.counted(2) == f"2 {state.label}"


def test_lines_of_several_states_are_told_each_in_its_number() -> None:
    told = states_text({LineState.ACCEPTED: 3, LineState.REFUSED: 1, LineState.HELD: 0})

    assert told == "3 aceitas, 1 recusada"


def test_a_count_is_a_number_where_no_words_go_with_it() -> None:
    assert f"{Count(0):linha|linhas} {Count(7)} {Count(7):03}" == "0 linhas 7 007"
