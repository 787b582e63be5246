"""What the form of `track_decide` offers, and what it says was done."""

from __future__ import annotations

from datetime import UTC, date, datetime
from string import Formatter
from typing import TYPE_CHECKING, Any

import pytest

from track_dispatch.errors import LedgerError, TrackDispatchError
from track_dispatch.ledger.decisions import DecidedLines
from track_dispatch.operators.texts import DECIDE_DOC, PARAMS, WHAT, done_text, not_decided_text
from track_dispatch.pipeline.decide import Done, Order, carry_out, make_decision
from track_dispatch.records import HospitalDay
from track_dispatch.states import SHELL_ONLY, BatchState, DecisionRefusal, LineState, Verb

if TYPE_CHECKING:
    from tests.unit.ledger.steps import Steps
    from track_dispatch.ledger.database import Ledger
    from track_dispatch.ledger.decisions import Decision

DAY = HospitalDay("HMS", date(2026, 3, 10))
NOW_UTC = datetime(2026, 3, 11, 12, tzinfo=UTC)
NOW = (
    "o que é relido vai com a próxima execução; para enviar agora, Acionar track_hms com"
    " business_day=2026-03-10"
)


def decision(verb: Verb) -> Decision:
    return make_decision(verb, decided_by="rui", why="por um motivo")


def refused(ledger: Ledger, verb: Verb, **order: Any) -> str:
    """Return what the analyst reads of a decision that is not carried out."""
    with pytest.raises(TrackDispatchError) as caught:
        carry_out(Order(**order), decision(verb), ledger=ledger, now=NOW_UTC)
    return not_decided_text(caught.value)


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
                "4 linhas prontas, 1 linha a reler; limpe dispatch (Enviar ao Track) daquele dia,"
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


def test_what_is_refused_is_told_in_portuguese_with_what_to_do(steps: Steps) -> None:
    """Before, the analyst read English at the end of the task's log."""
    steps.put_lines(1, "accepted")
    sent = steps.put_batch(2, first=9)
    running = steps.put_batch(1, first=19, lease=90)
    accepted = steps.put_batch(1, "accepted", first=29, batch_state="settled", lease=None)
    carry_out(Order(batch=sent.batch), decision(Verb.ABANDON), ledger=steps.ledger, now=NOW_UTC)
    day = {"hospital": "HMS", "business_day": DAY.business_day}

    told = {
        said: refused(steps.ledger, verb, **order)
        for said, verb, order in [
            ("precisa do campo Lote", Verb.ABANDON, {}),
            ("precisa do campo Dia de atendimento", Verb.RELEASE, {"hospital": "HMS"}),
            ("Hospital não faz parte da decisão resume", Verb.RESUME, {"hospital": "HMS"}),
            ("o lote b1 não existe", Verb.ABANDON, {"batch": "b1"}),
            ("rui já decidiu sobre ele (abandon", Verb.ABANDON, {"batch": sent.batch}),
            ("está respondido; esta decisão é sobre um lote em dúvida", Verb.ABANDON,
             {"batch": accepted.batch}),
            ("marque a confirmação", Verb.REOPEN_ACCEPTED, {"batch": accepted.batch}),
            ("HMS · 10/03/2026: não há linha recusada", Verb.RETRY_REFUSED, day),
            ("HMS · 10/03/2026: não há linha retida", Verb.RELEASE, day),
            ("decida de novo em", Verb.ABANDON, {"batch": running.batch}),
            ("confira o que preencheu", Verb.RELEASE, day | {"hospital": "HMX"}),
            ("só se decide por linha de comando", Verb.ERASE, {}),
        ]
    }  # fmt: skip

    for said, text in told.items():
        assert text.startswith("VERMELHO: nada foi decidido: ")
        assert said in text


@pytest.mark.parametrize("refusal", DecisionRefusal)
def test_both_languages_tell_the_same_facts(refusal: DecisionRefusal) -> None:
    def fields(template: str) -> set[str]:
        return {name.partition(".")[0] for _, name, _, _ in Formatter().parse(template) if name}

    other_words = {"field", "title", "what", "needed"}
    assert fields(refusal.value) ^ fields(refusal.label) <= other_words


def test_a_ledger_that_is_held_is_told_with_when_to_come_back() -> None:
    assert "acione de novo em um minuto" in not_decided_text(LedgerError("locked"))


def test_the_form_offers_every_verb_but_those_of_a_shell_and_explains_it() -> None:
    assert set(WHAT) == set(Verb) - set(SHELL_ONLY)
    for verb in WHAT:
        assert f"`{verb}`" in DECIDE_DOC
    assert {"what", "batch", "hospital", "business_day", "confirmed", "why"} <= set(PARAMS)


def test_the_analyst_reads_the_legal_time_and_the_shell_utc() -> None:
    facts = {"state": BatchState.SETTLED, "needed": LineState.IN_DOUBT, "by": "rui"}
    at = datetime(2026, 3, 11, 2, tzinfo=UTC)
    error = DecisionRefusal.DECIDED_BEFORE.error(batch="b", earlier="abandon", at=at, **facts)

    assert "2026-03-11 02:00 UTC" in str(error)
    assert "10/03/2026 23:00, hora de Brasília" in error.for_analyst
