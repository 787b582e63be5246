"""What is told of one line is told in the singular."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

import track_dispatch
from track_dispatch.cli.inspection import ENGLISH, NOTICES
from track_dispatch.delivery.context import Tally
from track_dispatch.ledger.approvals import VolumeQuestion
from track_dispatch.ledger.decisions import DecidedLines
from track_dispatch.operators.texts import done_text, read_later_text
from track_dispatch.pipeline.decide import Done, question_text
from track_dispatch.pipeline.problems import (
    DayNotice,
    DayProblem,
    NoticeKind,
    ProblemKind,
    states_text,
)
from track_dispatch.pipeline.rehearse import Rehearsal
from track_dispatch.records import Area, HospitalDay
from track_dispatch.states import Count, LineState, Verb

DAY = HospitalDay("HMS", date(2026, 3, 10))
#: A plural right after the number 1.
PLURAL_OF_ONE = re.compile(r"\b1 \w+s\b")
#: What is counted; each is told through `Count`, or in a template through `words.number`.
PLURALS = (
    "assuntos|atendimentos|colunas|convites|delas|dias|enviadas|execuções|hospitais|linhas|lotes"
    "|pedidos|registros|textos|valores|vezes"
)
#: A number that is put before a plural as it is; the pages' own numbers of days are never 1.
BY_HAND = re.compile(rf"(?:%d|\}}\}}?(?<!length \}}\}}))\**\s(?:{PLURALS})\b")


def test_no_plural_is_built_by_hand() -> None:
    package = Path(track_dispatch.__file__).parent
    sources = [*package.rglob("*.py"), *(package / "board" / "templates").iterdir()]
    found = [
        f"{path.name}: {line.strip()}"
        for path in sources
        for line in path.read_text("utf-8").splitlines()
        if BY_HAND.search(line)
    ]

    assert len(sources) > 50
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        read_later_text(1),
        done_text(Done(Verb.SETTLE_UNSENT, 1, DecidedLines(DAY, reopened=1, too_late=1))),
        done_text(Done(Verb.RELEASE, 1, DecidedLines(DAY, ready=1))),
        done_text(Done(Verb.ABANDON, 1, DecidedLines(DAY, ended=1))),
        done_text(Done(Verb.RESTORED, 1)),
        question_text([VolumeQuestion(1, DAY, "run", 1, 1, 1, None)]).replace("*", ""),
        *Rehearsal({Area.AMBULATORIO: 1}).text(),
        Tally(accepted=1, refused=1, in_doubt=1).text(),
    ],
)
def test_what_is_done_with_one_line_is_told_in_the_singular(text: str) -> None:
    assert re.search(r"\b1 \w+", text)
    assert not PLURAL_OF_ONE.search(text.replace("delas", ""))


@pytest.mark.parametrize("words", [None, ENGLISH], ids=["portuguese", "english"])
@pytest.mark.parametrize("kind", ProblemKind)
def test_a_problem_of_one_line_is_told_in_the_singular(
    kind: ProblemKind, words: Mapping[ProblemKind, str] | None
) -> None:
    one, two = (
        DayProblem(kind, "HMS", DAY, lines=number).text(words and words[kind]) for number in (1, 2)
    )

    assert not PLURAL_OF_ONE.search(one)
    if "2" in two.replace("2026", ""):
        assert re.search(r"\b2 (\w+ )?\w+s\b", two)
        assert one != two.replace("2 ", "1 ")


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_notice_of_one_line_is_told_in_the_singular(kind: NoticeKind) -> None:
    assert DayNotice(kind, DAY, 1).text(NOTICES[kind]).startswith("1 line ")
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
