"""What `doctor --first-day` shows of Track's first successes: their form and counts, no value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stand_ins.track_api import faults
from tests.unit.delivery.delivery_rig import UNIT, on_one_database
from track_dispatch.doctor.ledger_checks import first_day_lines
from track_dispatch.ledger.history import first_answers
from track_dispatch.ledger.parts import begin_rehearsal, end_rehearsal
from track_dispatch.records import Actor
from track_dispatch.states import BatchState

if TYPE_CHECKING:
    from tests.unit.delivery.delivery_rig import Rig
    from track_dispatch.ledger.history import FirstAnswer


def first(rig: Rig, **options: int) -> list[FirstAnswer]:
    with rig.ledger.reading() as connection:
        return first_answers(connection, **options)


def test_the_first_successes_are_told_with_receipt_state_and_counts(rig: Rig) -> None:
    ids = rig.fill(8, batch_size=2)
    rig.api.refuse_in_acceptance({ids[1]})
    rig.api.script(None, faults.without_receipt(), faults.answer(500))
    rig.dispatch_anyhow()
    rig.dispatch_anyhow()

    found = first(rig)

    assert [(one.status, one.has_receipt, one.state) for one in found] == [
        (201, True, BatchState.SETTLED),
        (200, False, BatchState.IN_DOUBT),
        (201, True, BatchState.SETTLED),
    ]
    assert [(one.posted, one.accepted, one.refused) for one in found] == [
        (2, 1, 1),
        (2, 0, 0),
        (2, 2, 0),
    ]
    assert not any(one.is_rehearsal for one in found)


def test_only_the_first_of_them_are_shown(rig: Rig) -> None:
    rig.fill(3, batch_size=1)
    rig.dispatch()

    assert first(rig, limit=2) == first(rig)[:2]
    assert len(first(rig)) == 3


def test_a_rehearsal_is_told_from_a_batch(rig: Rig) -> None:
    with rig.context() as context:
        terms = context.terms(UNIT.area)
    actor = Actor("rehearse", run_id="manual__1", try_number=1)
    begin_rehearsal(rig.ledger, "b-1", lines=3, terms=terms, actor=actor)
    end_rehearsal(rig.ledger, "b-1", status=201, receipt="d-1", batch_state=BatchState.SETTLED)

    (only,) = first(rig)

    assert (only.is_rehearsal, only.posted, only.accepted) == (True, 3, 0)
    (line,) = [text for text in first_day_lines([only]) if "HTTP" in text]
    assert line.endswith("rehearsal  HTTP 201, a receipt, settled: 3 lines posted")


@on_one_database
def test_nothing_of_a_patient_or_a_receipt_is_shown(rig: Rig) -> None:
    ids = rig.fill(2)
    rig.dispatch()
    (batch,) = rig.batches()

    text = "\n".join(first_day_lines(first(rig)))

    assert "HTTP 201, a receipt, settled: 2 lines posted, 2 accepted, 0 refused" in text
    assert [secret for secret in (*ids, batch.id, batch.receipt) if secret in text] == []


@on_one_database
def test_without_an_answer_the_assumptions_are_shown_all_the_same(rig: Rig) -> None:
    lines = list(first_day_lines(first(rig)))

    assert lines[0] == "Track has accepted nothing yet."
    assert any("`uuid` or `id` (acceptance)" in line for line in lines)
