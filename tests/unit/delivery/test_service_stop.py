"""Once Track wants a person, no hospital sends anything until a person resumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from stand_ins.track_api import Fault, faults
from stand_ins.track_api.answers import document
from tests.unit.delivery.delivery_rig import UNIT, by_name, on_one_database, once_each
from track_dispatch.delivery.context import Tally
from track_dispatch.errors import ServiceStoppedError
from track_dispatch.ledger import schema
from track_dispatch.ledger.decisions import Decision
from track_dispatch.ledger.stop_switch import resume_service, stop_service
from track_dispatch.records import Actor, Area
from track_dispatch.states import Verb

if TYPE_CHECKING:
    from sqlalchemy import Row

    from tests.unit.delivery.delivery_rig import Rig

STOPPING = [(faults.captcha(), 405), (faults.answer(401), 401), (faults.answer(403), 403)]
RESUME = Decision(Verb.RESUME, decided_by="ana", why="chave trocada", run_id="manual__1")
#: A unit with a survey of its own.
NEIGHBOUR = replace(UNIT, area=Area.INTERNACAO)


def stops(rig: Rig) -> Sequence[Row[Any]]:
    return rig.rows(schema.stops)


def stop_elsewhere(rig: Rig) -> None:
    actor = Actor("dispatch", run_id="run-9", try_number=2)
    stop_service(rig.ledger, hospital="OTOA", why="CAPTCHA", status=405, actor=actor)


@pytest.mark.parametrize(("fault", "status"), STOPPING, ids=by_name)
def test_an_answer_that_wants_a_person_stops_everybody_and_says_who_met_it(
    rig: Rig, fault: Fault, status: int
) -> None:
    rig.fill(2, batch_size=1)
    rig.fill(1, unit=NEIGHBOUR)
    rig.api.script(fault)

    with pytest.raises(ServiceStoppedError):
        rig.dispatch()

    (stop,) = stops(rig)
    assert (stop.status, stop.hospital, stop.actor, stop.run_id, stop.resumed_at) == (
        status,
        "HMS",
        "dispatch",
        "run-1",
        None,
    )
    assert (rig.counts(), rig.sizes) == ({"ready": 3}, [1])


@on_one_database
def test_a_stop_whose_date_nobody_can_read_is_a_stop(rig: Rig) -> None:
    rig.fill(4, batch_size=2)
    headers = (("Retry-After", "Mon, 02 Mar 2026 99999999999:00:00 GMT"),)
    rig.api.script(Fault(name="odd date", answer=document(405, {}, headers=headers)))

    with pytest.raises(ServiceStoppedError):
        rig.dispatch()

    assert [stop.status for stop in stops(rig)] == [405]
    assert (rig.counts(), rig.sizes) == ({"ready": 4}, [2])


@on_one_database
@pytest.mark.parametrize(("fault", "status"), STOPPING, ids=by_name)
def test_a_probe_that_wants_a_person_stops_everybody_before_any_claim(
    rig: Rig, fault: Fault, status: int
) -> None:
    rig.fill(2)
    rig.api.script_surveys(fault)

    with pytest.raises(ServiceStoppedError):
        rig.dispatch()

    assert [stop.status for stop in stops(rig)] == [status]
    assert rig.batches() == []


def test_while_it_stands_track_is_asked_nothing_and_no_request_is_taken(rig: Rig) -> None:
    rig.fill(2, unit=NEIGHBOUR)
    stop_elsewhere(rig)

    with pytest.raises(ServiceStoppedError, match=r"OTOA.*resume"):
        rig.dispatch()

    assert (rig.api.requests, rig.requests_taken()) == ({}, 0)
    assert rig.counts() == {"ready": 2}
    assert rig.batches() == []


def test_a_hospital_with_nothing_to_send_is_done_all_the_same(rig: Rig) -> None:
    stop_elsewhere(rig)

    assert rig.dispatch() == Tally()


def test_a_stop_during_a_post_lets_no_further_batch_out(rig: Rig) -> None:
    ids = rig.fill(4, batch_size=2)
    rig.during_post(1, lambda: stop_elsewhere(rig))

    with pytest.raises(ServiceStoppedError, match="OTOA"):
        rig.dispatch()

    assert rig.sizes == [2]
    assert rig.api.accepted_ids() == once_each(ids[:2])
    assert rig.counts() == {"accepted": 2, "ready": 2}


def test_a_stop_during_a_split_releases_what_is_left(rig: Rig) -> None:
    ids = rig.fill(4)
    rig.api.reject(ids[3:], named=False)
    rig.during_post(2, lambda: stop_elsewhere(rig))

    with pytest.raises(ServiceStoppedError, match="OTOA"):
        rig.dispatch()

    assert rig.sizes == [4, 2]
    assert rig.counts() == {"accepted": 2, "ready": 2}
    assert rig.batch_states()["sending"] == 0


def test_when_a_person_has_resumed_what_was_ready_goes_out(rig: Rig) -> None:
    ids = rig.fill(2)
    stop_elsewhere(rig)
    rig.dispatch_anyhow()

    resume_service(rig.ledger, RESUME)
    tally = rig.dispatch()

    assert tally == Tally(accepted=2)
    assert rig.api.accepted_ids() == once_each(ids)
