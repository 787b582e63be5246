"""A dry run tells what a run would do, and leaves nothing behind."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from erp_days import DAY, NOW
from sqlalchemy import select

from stand_ins.oracle import Faults
from track_dispatch.config.policies import VolumeGate
from track_dispatch.errors import SourceUnavailableError
from track_dispatch.ledger import schema
from track_dispatch.pipeline import Mode
from track_dispatch.pipeline.rehearse import DryRun, dry_run, fate

if TYPE_CHECKING:
    from erp_days import ErpDays


def tried(erp_days: ErpDays) -> DryRun:
    return dry_run(erp_days.run("dry", mode=Mode.DRY_RUN), ledger=erp_days.ledger, now=NOW)


def fates(erp_days: ErpDays) -> Counter[str]:
    return Counter(fate(line) for line in tried(erp_days).lines)


def everything(erp_days: ErpDays) -> dict[str, list[tuple[Any, ...]]]:
    with erp_days.ledger.reading() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(select(table)))
            for table in schema.metadata.sorted_tables
            if table is not schema.ledger
        }


def test_it_says_who_would_be_asked_and_why_others_would_not(erp_days: ErpDays) -> None:
    erp_days.add(1)
    erp_days.add(1, setor="OUTRO")
    erp_days.add(2, x_obito="S")
    erp_days.add(3, area_pesquisa="EXAMES", email="", phone="5527998761234")

    found = tried(erp_days)
    assert list(found.text()) == [
        "4 registros do ERP = 3 atendimentos",
        "EXAMES · WhatsApp: 1 convidar",
        "INTERNACAO · -: 1 excluir: óbito",
        "INTERNACAO · e-mail: 1 convidar",
        "sairia a partir de 11/03/2026 09:00",
    ]


@pytest.mark.parametrize("first", [None, DAY + timedelta(days=1)])
def test_before_the_first_day_it_says_how_the_day_would_be(
    erp_days: ErpDays, first: date | None
) -> None:
    erp_days.settings["first_business_day"] = first
    erp_days.add(1)
    erp_days.add(2, x_obito="S")

    found = tried(erp_days)
    assert Counter(fate(line) for line in found.lines) == {"convidar": 1, "excluir: óbito": 1}
    assert "first_business_day" in [*found.text()][-1]
    assert {*erp_days.read().counts} == {"excluded(before_go_live)"}


def test_it_leaves_nothing_behind(erp_days: ErpDays) -> None:
    erp_days.add(1)
    erp_days.add(2)
    erp_days.read()
    erp_days.clear()
    erp_days.add(2, email="mended@example.test")
    erp_days.add(3)
    before = everything(erp_days)

    assert fates(erp_days) == {"convidar": 2, "excluir: não está mais no ERP": 1}
    assert everything(erp_days) == before


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("accepted", "já no livro-razão: aceitas"),
        ("in_doubt", "já no livro-razão: em dúvida"),
        ("refused", "já no livro-razão: recusadas"),
    ],
)
def test_who_was_sent_already_is_told_as_such(erp_days: ErpDays, state: str, said: str) -> None:
    erp_days.add(1)
    erp_days.read()
    erp_days.sql("update envelopes set payload = null, waiting = 0")
    erp_days.sql("update lines set state = :state, batch = 'b'", state=state)

    assert fates(erp_days) == {said: 1}


def test_who_was_invited_lately_is_told_as_a_claim_would(erp_days: ErpDays) -> None:
    before = DAY - timedelta(days=1)
    erp_days.add(1, before, cpf="52998224725")
    erp_days.read("run-0", day=before)
    with erp_days.ledger.writing() as connection:
        row = connection.execute(select(schema.extractions)).one()
        connection.execute(
            schema.batches.insert().values(
                id="b",
                claim="c",
                survey="s",
                state="settled",
                lines=1,
                validity_at=0,
                created_at=row.completed_at,
                changed_at=row.completed_at,
            )
        )
    erp_days.sql("update envelopes set payload = null, waiting = 0")
    erp_days.sql("update lines set state = 'accepted', batch = 'b'")
    erp_days.add(2, cpf="52998224725")

    assert fates(erp_days) == {"excluir: contatado há pouco": 1}


def test_an_odd_day_is_told_to_be_held(erp_days: ErpDays) -> None:
    erp_days.settings["volume_gate"] = VolumeGate(min_lines=2, min_history_days=1)
    erp_days.read("week", day=DAY - timedelta(weeks=1))
    for number in range(5):
        erp_days.add(number)

    assert fates(erp_days) == {"reter até a aprovação do volume": 5}


def test_an_erp_that_cannot_be_reached_is_an_error(erp_days: ErpDays) -> None:
    erp_days.erp.faults = Faults(refuse=12516)

    with pytest.raises(SourceUnavailableError):
        tried(erp_days)


def test_nothing_that_is_shown_of_it_names_a_patient(erp_days: ErpDays) -> None:
    erp_days.add(900_000_001, name="ANASTACIA PLANTADA")

    found = tried(erp_days)
    assert "900000001" not in repr(found) + repr(found.lines) + "".join(found.text())
