"""The switch: once Track wants a person, no hospital sends anything until a person resumes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from demo.track_api import Fault, faults
from tests.unit.delivery.bench import UNIT, by_name, on_one_database, once_each
from track_dispatch.delivery.splitting import Tally
from track_dispatch.errors import ConfigError, ServiceStoppedError
from track_dispatch.ledger import schema
from track_dispatch.ledger.switch import resume_service, standing_stops, stop_service
from track_dispatch.records import Actor, Area, Decision, Verb

if TYPE_CHECKING:
    from sqlalchemy import Row

    from tests.unit.delivery.bench import Bench

STOPPING = [(faults.captcha(), 405), (faults.answer(401), 401), (faults.answer(403), 403)]
RESUME = Decision(Verb.RESUME, person="ana", why="chave trocada", run_id="manual__1")
#: A unit with a survey of its own.
NEIGHBOUR = replace(UNIT, area=Area.INTERNACAO)


def stops(bench: Bench) -> list[Row[tuple[object, ...]]]:
    with bench.ledger.reading() as connection:
        return list(connection.execute(select(schema.stops).order_by(schema.stops.c.id)))


def close_elsewhere(bench: Bench) -> None:
    actor = Actor("dispatch", run_id="run-9", try_number=2)
    stop_service(bench.ledger, hospital="OTOA", why="CAPTCHA", status=405, actor=actor)


@pytest.mark.parametrize(("fault", "status"), STOPPING, ids=by_name)
def test_an_answer_that_wants_a_person_closes_the_switch_and_says_who_met_it(
    bench: Bench, fault: Fault, status: int
) -> None:
    bench.fill(2)
    bench.api.script(fault)

    with pytest.raises(ServiceStoppedError):
        bench.dispatch()

    (stop,) = stops(bench)
    assert (stop.status, stop.hospital, stop.actor, stop.run_id, stop.resumed_at) == (
        status,
        "HMS",
        "dispatch",
        "run-1",
        None,
    )
    assert bench.counts() == {"ready": 2}


@on_one_database
@pytest.mark.parametrize(("fault", "status"), STOPPING, ids=by_name)
def test_a_probe_that_wants_a_person_closes_the_switch_before_any_claim(
    bench: Bench, fault: Fault, status: int
) -> None:
    bench.fill(2)
    bench.api.script_surveys(fault)

    with pytest.raises(ServiceStoppedError):
        bench.dispatch()

    assert [stop.status for stop in stops(bench)] == [status]
    assert bench.batches() == []


def test_while_it_is_closed_another_dispatch_asks_track_nothing(bench: Bench) -> None:
    bench.fill(2, unit=NEIGHBOUR)
    close_elsewhere(bench)

    with pytest.raises(ServiceStoppedError, match=r"OTOA.*resume"):
        bench.dispatch(NEIGHBOUR)

    assert bench.api.requests == {}
    assert bench.counts() == {"ready": 2}
    assert bench.batches() == []


def test_a_unit_with_nothing_to_send_is_done_all_the_same(bench: Bench) -> None:
    close_elsewhere(bench)

    assert bench.dispatch() == Tally()


def test_a_switch_that_closes_during_a_post_lets_no_further_batch_out(bench: Bench) -> None:
    ids = bench.fill(4, batch_size=2)
    bench.during_post(1, lambda: close_elsewhere(bench))

    with pytest.raises(ServiceStoppedError):
        bench.dispatch()

    assert bench.sizes == [2]
    assert bench.api.accepted_ids() == once_each(ids[:2])
    assert bench.counts() == {"accepted": 2, "ready": 2}


def test_a_switch_that_closes_during_a_split_releases_what_is_left(bench: Bench) -> None:
    ids = bench.fill(4)
    bench.api.reject(ids[3:], named=False)
    bench.during_post(2, lambda: close_elsewhere(bench))

    with pytest.raises(ServiceStoppedError):
        bench.dispatch()

    assert bench.sizes == [4, 2]
    assert bench.counts() == {"accepted": 2, "ready": 2}
    assert bench.batch_states()["sending"] == 0


def test_a_person_who_resumes_ends_every_stop_and_is_on_record(bench: Bench) -> None:
    ids = bench.fill(2)
    close_elsewhere(bench)
    close_elsewhere(bench)

    ended = resume_service(bench.ledger, RESUME)
    tally = bench.dispatch()

    with bench.ledger.reading() as connection:
        decision = connection.execute(select(schema.decisions)).one()
        assert standing_stops(connection) == []
    assert ended == 2
    assert (decision.what, decision.person, decision.why) == ("resume", "ana", "chave trocada")
    assert {stop.decision_id for stop in stops(bench)} == {decision.id}
    assert tally == Tally(accepted=2)
    assert bench.api.accepted_ids() == once_each(ids)


def test_a_run_resumes_once(bench: Bench) -> None:
    """A cleared run must not open the switch that has closed again since."""
    close_elsewhere(bench)
    resume_service(bench.ledger, RESUME)
    close_elsewhere(bench)

    with pytest.raises(ConfigError, match="carried out before"):
        resume_service(bench.ledger, RESUME)

    assert [stop.resumed_at is None for stop in stops(bench)] == [False, True]
