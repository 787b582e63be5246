"""What the form of `track_decide` offers, and what it says was done."""

from __future__ import annotations

from datetime import date

import pytest

from track_dispatch.ledger.decisions import DecidedLines
from track_dispatch.operators.texts import DECIDE_DOC, PARAMS, WHAT, done_text
from track_dispatch.pipeline.decide import Done
from track_dispatch.records import HospitalDay
from track_dispatch.states import SHELL_ONLY, Verb

DAY = HospitalDay("HMS", date(2026, 3, 10))
NOW = (
    "o que é relido vai com a próxima execução; para enviar agora, Acionar track_hms com"
    " business_day=2026-03-10"
)


@pytest.mark.parametrize(
    ("verb", "decided", "said"),
    [
        (Verb.SETTLE_SENT, DecidedLines(DAY, ended=3), "3 linhas dadas como aceitas"),
        (Verb.ABANDON, DecidedLines(DAY, ended=3), "3 linhas abandonadas"),
        (Verb.SETTLE_UNSENT, DecidedLines(DAY, reopened=2), f"2 linhas a reler; {NOW}"),
        (Verb.REOPEN_ACCEPTED, DecidedLines(DAY, reopened=2), f"2 linhas a reler; {NOW}"),
        (Verb.RETRY_REFUSED, DecidedLines(DAY, reopened=2), f"2 linhas a reler; {NOW}"),
        (
            Verb.RELEASE,
            DecidedLines(DAY, ready=4),
            "4 linhas prontas; limpe dispatch (Enviar ao Track) daquele dia, com a seguinte",
        ),
        (
            Verb.RELEASE,
            DecidedLines(DAY, ready=4, reopened=1),
            (
                "4 linhas prontas, 1 linhas a reler; limpe dispatch (Enviar ao Track) daquele dia,"
                f" com a seguinte; {NOW}"
            ),
        ),
    ],
)
def test_it_says_what_was_done_and_what_comes_next(
    verb: Verb, decided: DecidedLines, said: str
) -> None:
    assert done_text(Done(verb, decided.lines, decided)) == f"HMS · 10/03/2026: {said}"


def test_it_says_who_can_no_longer_be_asked() -> None:
    decided = DecidedLines(DAY, reopened=5, too_late=2)

    said = done_text(Done(Verb.SETTLE_UNSENT, 5, decided))

    assert "2 delas já passaram do prazo" in said
    assert "Incluir atendimentos antigos" in said


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (Done(Verb.RESUME, 2), "retomado para todos"),
        (Done(Verb.RESUME, 0), "nada estava parado"),
        (Done(Verb.RESTORED, 7), "7 linhas em dúvida"),
    ],
)
def test_what_is_about_no_day_is_told_as_well(done: Done, said: str) -> None:
    assert said in done_text(done)


def test_the_form_offers_every_verb_but_those_of_a_shell_and_explains_it() -> None:
    assert set(WHAT) == set(Verb) - set(SHELL_ONLY)
    for verb in WHAT:
        assert f"`{verb}`" in DECIDE_DOC
    assert {"what", "batch", "hospital", "business_day", "confirmed", "why"} <= set(PARAMS)
