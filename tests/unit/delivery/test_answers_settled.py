"""The table of outcomes, row by row: what the ledger holds after each answer, and what goes out."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from stand_ins.track_api import ErrorsForm, Fault, faults
from tests.unit.delivery.delivery_rig import DAY, NOW, UNIT, by_name, on_one_database, once_each
from tests.unit.delivery.raw_server import answer, read_request
from track_dispatch.delivery.context import Tally
from track_dispatch.errors import (
    ConfigError,
    DeliveryUncertainError,
    NotDeliveredError,
    ServiceStoppedError,
    TrackDispatchError,
)
from track_dispatch.records import Area

if TYPE_CHECKING:
    from tests.unit.delivery.delivery_rig import Rig

#: Where an answer is never complete, that nobody waits for it for a minute.
IMPATIENT: dict[str, Any] = {"post_deadline_seconds": 0.8}
NEXT_UNIT = replace(UNIT, area=Area.AMBULATORIO)

#: Certainly not delivered, and it binds all units: the fault, the error, the status kept.
BINDING = [
    (faults.too_many_requests(), NotDeliveredError, 429),
    (faults.captcha(), ServiceStoppedError, 405),
    (faults.answer(401), ServiceStoppedError, 401),
    (faults.answer(403), ServiceStoppedError, 403),
]
#: Certainly not delivered, by a setting that another unit may not have.
OF_ONE_UNIT = [
    (faults.redirect(307), 307),
    (faults.redirect(308), 308),
    (faults.answer(404), 404),
    (faults.refuse(415), 415),
    (faults.answer(418), 418),
]

#: Perhaps delivered; in half of them it was.
UNKNOWN = [
    faults.answer(408),
    faults.answer(409, accepted=True),
    faults.answer(500),
    faults.answer(502, accepted=True),
    faults.answer(503),
    faults.html(accepted=False),
    faults.html(accepted=True),
    *(faults.unmatched_errors(form) for form in ErrorsForm),
    faults.drop_unread(),
    faults.drop(accepted=False),
    faults.drop(accepted=True),
    faults.drop(accepted=True, orderly=True),
    faults.slow_headers(accepted=True),
    faults.drip(0.05),
    faults.redirect(302),
    faults.redirect(303, accepted=True),
    faults.failure_within(accepted=False),
    faults.failure_within(accepted=True),
    faults.without_receipt(),
    faults.in_parts(),
    faults.plain_text(),
    faults.truncated(),
    faults.slow_body(),
]

# -- certainly not delivered -------------------------------------------------------


@pytest.mark.parametrize(("fault", "error", "status"), BINDING, ids=by_name)
def test_what_binds_all_units_releases_the_batch_and_ends_the_dispatch(
    rig: Rig, fault: Fault, error: type[TrackDispatchError], status: int
) -> None:
    ids = rig.fill(5, batch_size=2)
    rig.fill(1, unit=NEXT_UNIT)
    rig.api.script(None, fault)

    with pytest.raises(error):
        rig.dispatch()

    assert rig.sizes == [2, 2]
    assert rig.counts() == {"accepted": 2, "ready": 4}
    assert ("not_delivered", status) in {(batch.state, batch.status) for batch in rig.batches()}
    assert rig.api.accepted_ids() == once_each(ids[:2])
    assert rig.api.violations == []


@pytest.mark.parametrize(("fault", "status"), OF_ONE_UNIT, ids=by_name)
def test_a_setting_that_one_unit_meets_does_not_keep_the_next_from_going(
    rig: Rig, fault: Fault, status: int
) -> None:
    ids = rig.fill(5, batch_size=2)
    others = rig.fill(1, unit=NEXT_UNIT)
    rig.api.script(None, fault)

    with pytest.raises(ConfigError, match=rf"{DAY} EXAMES .*HTTP {status}"):
        rig.dispatch()

    assert rig.sizes == [2, 2, 1]
    assert rig.counts() == {"accepted": 3, "ready": 3}
    assert ("not_delivered", status) in {(batch.state, batch.status) for batch in rig.batches()}
    assert rig.api.accepted_ids() == once_each([*ids[:2], *others])


@on_one_database
@pytest.mark.parametrize("fault", [fault for fault, _ in OF_ONE_UNIT], ids=by_name)
def test_a_unit_that_failed_for_good_is_left_out_by_the_tries_that_follow_by_themselves(
    rig: Rig, fault: Fault
) -> None:
    ids = rig.fill(2)
    rig.api.script(fault)
    rig.dispatch_anyhow(series="run-1#3")

    with pytest.raises(ConfigError, match=rf"{DAY} EXAMES .*earlier try"):
        rig.dispatch(series="run-1#3")
    tries = len(rig.posts)
    tally = rig.dispatch(series="run-1#7")

    assert (tries, tally) == (1, Tally(accepted=2))
    assert rig.api.accepted_ids() == once_each(ids)


@on_one_database
def test_what_was_not_taken_goes_out_later(rig: Rig) -> None:
    ids = rig.fill(2)
    rig.api.script(faults.too_many_requests())
    rig.dispatch_anyhow()

    tally = rig.dispatch()

    assert tally == Tally(accepted=2)
    assert rig.api.accepted_ids() == once_each(ids)


@on_one_database
@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (faults.too_many_requests(90), 90.0),
        (faults.too_many_requests(NOW + timedelta(minutes=2)), 120.0),
        (faults.too_many_requests(), None),
    ],
)
def test_the_wait_that_track_asks_for_is_handed_on(
    rig: Rig, fault: Fault, seconds: float | None
) -> None:
    rig.fill(1)
    rig.api.script(fault)

    with pytest.raises(NotDeliveredError) as caught:
        rig.dispatch()

    assert caught.value.retry_after == seconds


def test_an_error_names_the_batch_and_the_status(rig: Rig) -> None:
    rig.fill(1)
    rig.api.script(faults.captcha())

    with pytest.raises(ServiceStoppedError) as caught:
        rig.dispatch()

    (batch,) = rig.batches()
    assert (caught.value.batch_id, caught.value.status) == (batch.id, 405)


def test_a_refused_connection_releases_the_lines(rig: Rig) -> None:
    rig.fill(3, batch_size=2)
    rig.api.script(faults.refuse_connections())

    with pytest.raises(NotDeliveredError):
        rig.dispatch()

    assert (rig.counts(), rig.posts) == ({"ready": 3}, [])
    assert rig.batch_states() == {"not_delivered": 1}


@on_one_database
def test_a_connection_that_does_not_open_in_time_releases_the_lines(rig: Rig) -> None:
    rig.fill(2, **IMPATIENT)

    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as listener,
        _answering_one_question(listener),
        pytest.raises(NotDeliveredError, match="opened in time"),
    ):
        rig.dispatch(url=f"http://127.0.0.1:{listener.getsockname()[1]}")

    assert rig.counts() == {"ready": 2}


# -- unknown -----------------------------------------------------------------------


@on_one_database
@pytest.mark.parametrize("fault", UNKNOWN, ids=by_name)
def test_an_unknown_outcome_leaves_the_lines_to_a_person(rig: Rig, fault: Fault) -> None:
    rig.fill(2, **(IMPATIENT if fault.seconds else {}))
    rig.api.script(fault)

    with pytest.raises(DeliveryUncertainError):
        rig.dispatch()
    rig.dispatch()

    assert (rig.counts(), rig.batch_states()) == ({"in_doubt": 2}, {"in_doubt": 1})
    assert len(rig.api.received) == 1


def test_a_line_in_doubt_keeps_no_patient_data(rig: Rig) -> None:
    rig.fill(1)
    rig.api.script(faults.answer(500))
    rig.dispatch_anyhow()

    (line,) = rig.lines().values()
    (batch,) = rig.batches()

    assert (line.batch, rig.kept_payloads()) == (batch.id, 0)
    assert (batch.status, batch.lines) == (500, 1)


def test_what_came_of_a_receipt_is_kept_with_the_doubt(rig: Rig) -> None:
    rig.fill(1)
    rig.api.script(faults.unmatched_errors())
    rig.dispatch_anyhow()

    (batch,) = rig.batches()

    assert batch.receipt == "00000000-0000-4000-8000-000000000000"


# -- accepted ----------------------------------------------------------------------


@on_one_database
@pytest.mark.parametrize("fault", [faults.empty(), faults.empty(status=204)], ids=by_name)
def test_a_success_without_a_word_is_an_acceptance(rig: Rig, fault: Fault) -> None:
    ids = rig.fill(2)
    rig.api.script(fault)

    tally = rig.dispatch()

    assert tally == Tally(accepted=2)
    assert rig.counts() == {"accepted": 2}
    assert rig.api.accepted_ids() == once_each(ids)


@pytest.mark.parametrize("form", ErrorsForm)
def test_lines_named_in_an_acceptance_are_refused_for_good(rig: Rig, form: ErrorsForm) -> None:
    ids = rig.fill(3)
    rig.api.refuse_in_acceptance({ids[1]}, form=form)

    tally = rig.dispatch()
    rig.dispatch()

    assert tally == Tally(accepted=2, refused=1)
    assert rig.fates() == {
        ids[0]: "accepted",
        ids[1]: "refused refused_2xx",
        ids[2]: "accepted",
    }
    assert rig.kept_payloads() == 0
    assert rig.sizes == [3]


@pytest.mark.parametrize("count", [1, 3])
def test_an_acceptance_that_names_every_line_is_no_certain_answer(rig: Rig, count: int) -> None:
    ids = rig.fill(count)
    rig.api.refuse_in_acceptance(set(ids))

    with pytest.raises(DeliveryUncertainError, match=f"{count} lines? may have"):
        rig.dispatch()

    assert rig.counts() == {"in_doubt": count}


@contextmanager
def _answering_one_question(listener: socket.socket) -> Iterator[None]:
    """Answer one connection; by then the queue behind it is full and takes nobody any more."""
    surveys = answer(200, '{"data": []}')

    def serve(stack: ExitStack) -> None:
        sock = stack.enter_context(listener.accept()[0])
        read_request(sock)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        surveys(sock)
        sock.shutdown(socket.SHUT_WR)

    with ExitStack() as stack:
        thread = Thread(target=serve, args=(stack,))
        thread.start()
        yield
        thread.join()
