"""Whoever opted out by any contact of a row, in any spelling, is met at transform and at claim."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from erp_days import DAY, NOW

from track_dispatch.ledger.batches import ClaimRequest
from track_dispatch.ledger.claims import settle_and_claim
from track_dispatch.ledger.decisions import Decision
from track_dispatch.ledger.envelopes import read_ahead, ready_envelopes
from track_dispatch.ledger.privacy import add_optouts
from track_dispatch.pipeline.rehearse import claim_terms
from track_dispatch.states import Verb
from track_dispatch.transformation.identities import identity_values

if TYPE_CHECKING:
    from erp_days import ErpDays

    from track_dispatch.records import Channel

BY_THE_ROW = {
    "cpf": "529.982.247-25",
    "email": "ana@example.test; Maria.Silva+consulta@gmail.com",
    "phone": "(27) 99876-1234 / 27 98888-4321",
}
#: Each contact of the row as another hand would write it.
AS_TYPED = (
    "52998224725",
    "ANA@example.test",
    "ana+x@example.test",
    "mariasilva@gmail.com",
    "m.a.r.i.a.silva@googlemail.com",
    "27 9876-1234",
    "+55 27 98888 4321",
)


def opt_out(erp_days: ErpDays, typed: str, channel: Channel | None = None) -> None:
    decision = Decision(Verb.OPT_OUT, decided_by="ana", why="pedido da pessoa")
    out = [(identity_values(typed), channel)]
    add_optouts(erp_days.ledger, out, source="balcão", decision=decision)


def claim_all(erp_days: ErpDays) -> None:
    """Claim what waits, as a dispatch does before it posts."""
    run = erp_days.run("run-2")
    with erp_days.ledger.reading() as connection:
        waiting = ready_envelopes(connection, run.hospital.code, until=DAY)
        for one in waiting:
            [sealed] = read_ahead(connection, [one.envelope])
            terms = claim_terms(run.hospital, NOW)
            request = ClaimRequest(
                sealed.open(erp_days.ledger.keys),
                one.unit,
                one.unit_id,
                replace(terms, survey=str(run.hospital.survey(one.unit.area)), lease_seconds=360),
                batch_id=str(uuid.uuid4()),
                claim_id=str(uuid.uuid4()),
            )
    for _ in waiting:
        settle_and_claim(erp_days.ledger, settlement=None, request=request, actor=run.actor)


@pytest.mark.parametrize("typed", AS_TYPED)
def test_who_opted_out_before_is_not_asked(erp_days: ErpDays, typed: str) -> None:
    opt_out(erp_days, typed)
    erp_days.add(1, **BY_THE_ROW)
    erp_days.add(2, email="maria.silva@example.test")

    assert erp_days.read().counts == {"ready": 1, "excluded(opt_out)": 1}


@pytest.mark.parametrize("typed", AS_TYPED)
def test_who_opts_out_afterwards_is_met_by_the_claim(erp_days: ErpDays, typed: str) -> None:
    erp_days.add(1, **BY_THE_ROW)
    erp_days.add(2, email="maria.silva@example.test")
    assert erp_days.read().counts == {"ready": 2}

    opt_out(erp_days, typed)
    claim_all(erp_days)

    assert erp_days.stands() == {"1": f"{DAY} excluded opt_out", "2": f"{DAY} sending"}


def test_an_address_that_nobody_is_written_to_bars_the_patient_all_the_same(
    erp_days: ErpDays,
) -> None:
    opt_out(erp_days, "maria@gmail.com")
    erp_days.add(1, email="maria @gmail.com", phone="27 99876-1234")
    erp_days.add(2, email="mario @gmail.com", phone="27 98888-4321")

    assert erp_days.read().counts == {"ready": 1, "excluded(opt_out)": 1}
