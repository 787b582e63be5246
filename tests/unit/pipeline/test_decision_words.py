"""A decision needs a person and a reason, and the reason no patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from track_dispatch.errors import ConfigError
from track_dispatch.pipeline.deciding import OF_BATCHES, OF_DAYS, Order, carry_out, decision
from track_dispatch.records import Verb

if TYPE_CHECKING:
    from track_dispatch.ledger.database import Ledger


@pytest.mark.parametrize("person", [None, "", "   "])
def test_nobody_decides_nothing(person: str | None) -> None:
    with pytest.raises(ConfigError, match="nobody"):
        decision(Verb.ABANDON, person=person, why="porque sim")


@pytest.mark.parametrize("why", ["", "  ", "ok", "x" * 301])
def test_a_reason_is_a_sentence(why: str) -> None:
    with pytest.raises(ConfigError, match="say why"):
        decision(Verb.ABANDON, person="ana", why=why)


@pytest.mark.parametrize(
    "why",
    [
        "a paciente maria@exemplo.test já recebeu",
        "ligou do 27 99999-0000",
        "CPF 529.982.247-25",
        "telefone 5527999990000",
    ],
)
def test_a_reason_that_looks_like_a_patient_is_refused_without_repeating_it(why: str) -> None:
    with pytest.raises(ConfigError, match="leave patients out") as caught:
        decision(Verb.ABANDON, person="ana", why=why)

    assert why.rpartition(" ")[-1] not in str(caught.value)


@pytest.mark.parametrize("why", ["chamado 48213 do Track", "visto às 09:15 de 20/11/2026"])
def test_a_ticket_or_a_date_is_a_good_reason(why: str) -> None:
    assert decision(Verb.RESUME, person=" ana  souza ", why=why).person == "ana souza"


@pytest.mark.parametrize(
    ("verb", "missing"),
    [
        *((verb, "batch") for verb in sorted(OF_BATCHES)),
        *((verb, "hospital") for verb in sorted(OF_DAYS)),
        (Verb.RESTORED, "as_of"),
    ],
)
def test_what_a_decision_is_about_must_be_said(ledger: Ledger, verb: Verb, missing: str) -> None:
    decided = decision(verb, person="ana", why="por um motivo")

    with pytest.raises(ConfigError, match=missing):
        carry_out(Order(), decided, ledger=ledger, open_desk=_nobody_sends)


def test_a_hospital_that_is_not_there_is_named(ledger: Ledger) -> None:
    decided = decision(Verb.RELEASE, person="ana", why="por um motivo")

    with pytest.raises(ConfigError, match="HMX"):
        carry_out(Order(hospital="HMX"), decided, ledger=ledger, open_desk=_nobody_sends)


def _nobody_sends(*_: Any) -> Any:
    pytest.fail("nothing may be sent")
