"""The table of outcomes, row by row: what the ledger holds after each answer, and what goes out."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from demo.track_api import ErrorsForm, Fault, faults
from tests.unit.delivery.bench import NOW, by_name, on_one_database, once_each
from tests.unit.delivery.raw_server import answer, read_request
from track_dispatch.delivery.splitting import Tally
from track_dispatch.errors import (
    ConfigError,
    DeliveryUncertainError,
    NotDeliveredError,
    ServiceStoppedError,
    TrackDispatchError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.delivery.bench import Bench

#: Where an answer is never complete, that nobody waits for it for a minute.
IMPATIENT = {"post_deadline_seconds": 0.8}

#: Certainly not delivered, and no line is to blame: the fault, the error, the status kept.
NOT_DELIVERED = [
    (faults.too_many_requests(), NotDeliveredError, 429),
    (faults.captcha(), ServiceStoppedError, 405),
    (faults.answer(401), ServiceStoppedError, 401),
    (faults.answer(403), ServiceStoppedError, 403),
    (faults.redirect(302), ConfigError, 302),
    (faults.redirect(308), ConfigError, 308),
    (faults.answer(404), ConfigError, 404),
    (faults.refuse(415), ConfigError, 415),
    (faults.answer(418), ConfigError, 418),
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
]

ODD_ACCEPTANCES = [
    faults.truncated(),
    faults.empty(),
    faults.empty(status=204),
    faults.slow_body(),
]


# -- certainly not delivered -------------------------------------------------------


@pytest.mark.parametrize(("fault", "error", "status"), NOT_DELIVERED, ids=by_name)
def test_a_post_that_is_not_taken_releases_its_lines_and_ends_the_unit(
    bench: Bench, fault: Fault, error: type[TrackDispatchError], status: int
) -> None:
    ids = bench.fill(5, batch_size=2)
    bench.api.script(None, fault)

    with pytest.raises(error):
        bench.dispatch()

    assert bench.sizes == [2, 2]
    assert bench.counts() == {"accepted": 2, "ready": 3}
    assert ("not_delivered", status) in {(batch.state, batch.status) for batch in bench.batches()}
    assert bench.api.accepted_ids() == once_each(ids[:2])
    assert bench.api.violations == []


@on_one_database
@pytest.mark.parametrize(
    "fault",
    [fault for fault, error, _ in NOT_DELIVERED if error is not ServiceStoppedError],
    ids=by_name,
)
def test_what_was_not_taken_goes_out_later(bench: Bench, fault: Fault) -> None:
    ids = bench.fill(2)
    bench.api.script(fault)
    bench.dispatch_anyhow()

    tally = bench.dispatch()

    assert tally == Tally(accepted=2)
    assert bench.api.accepted_ids() == once_each(ids)


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
    bench: Bench, fault: Fault, seconds: float | None
) -> None:
    bench.fill(1)
    bench.api.script(fault)

    with pytest.raises(NotDeliveredError) as caught:
        bench.dispatch()

    assert caught.value.retry_after == seconds


def test_an_error_names_the_batch_and_the_status(bench: Bench) -> None:
    bench.fill(1)
    bench.api.script(faults.captcha())

    with pytest.raises(ServiceStoppedError) as caught:
        bench.dispatch()

    (batch,) = bench.batches()
    assert (caught.value.batch_id, caught.value.status) == (batch.id, 405)


def test_a_refused_connection_releases_the_lines(bench: Bench) -> None:
    bench.fill(3, batch_size=2)
    bench.api.script(faults.refuse_connections())

    with pytest.raises(NotDeliveredError):
        bench.dispatch()

    assert (bench.counts(), bench.posts) == ({"ready": 3}, [])
    assert bench.batch_states() == {"not_delivered": 1}


def test_a_connection_that_does_not_open_in_time_releases_the_lines(bench: Bench) -> None:
    bench.fill(2, **IMPATIENT)

    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as listener,
        _answering_one_question(listener),
        pytest.raises(NotDeliveredError, match="opened in time"),
    ):
        bench.dispatch(url=f"http://127.0.0.1:{listener.getsockname()[1]}")

    assert bench.counts() == {"ready": 2}


# -- unknown -----------------------------------------------------------------------


@on_one_database
@pytest.mark.parametrize("fault", UNKNOWN, ids=by_name)
def test_an_unknown_outcome_leaves_the_lines_to_a_person(bench: Bench, fault: Fault) -> None:
    bench.fill(2, **(IMPATIENT if fault.seconds else {}))
    bench.api.script(fault)

    with pytest.raises(DeliveryUncertainError):
        bench.dispatch()
    bench.dispatch()

    assert (bench.counts(), bench.batch_states()) == ({"in_doubt": 2}, {"in_doubt": 1})
    assert len(bench.api.received) == 1


def test_a_line_in_doubt_keeps_what_a_person_may_want_to_send_again(bench: Bench) -> None:
    bench.fill(1)
    bench.api.script(faults.answer(500))
    bench.dispatch_anyhow()

    (line,) = bench.lines().values()
    (batch,) = bench.batches()

    assert (line.batch_id, line.payload is not None) == (batch.id, True)
    assert (batch.status, batch.lines) == (500, 1)


# -- accepted ----------------------------------------------------------------------


@on_one_database
@pytest.mark.parametrize("fault", ODD_ACCEPTANCES, ids=by_name)
def test_an_odd_acceptance_is_one(bench: Bench, fault: Fault) -> None:
    ids = bench.fill(2, **(IMPATIENT if fault.seconds else {}))
    bench.api.script(fault)

    tally = bench.dispatch()

    assert tally == Tally(accepted=2)
    assert bench.counts() == {"accepted": 2}
    assert bench.api.accepted_ids() == once_each(ids)


@pytest.mark.parametrize("form", ErrorsForm)
def test_lines_named_in_an_acceptance_are_refused_for_good(bench: Bench, form: ErrorsForm) -> None:
    ids = bench.fill(3)
    bench.api.refuse_in_acceptance({ids[1]}, form=form)

    tally = bench.dispatch()
    bench.dispatch()

    assert tally == Tally(accepted=2, refused=1)
    assert bench.fates() == {
        ids[0]: "accepted",
        ids[1]: "refused refused_2xx",
        ids[2]: "accepted",
    }
    assert [line.payload for line in bench.lines().values()] == [None] * 3
    assert bench.sizes == [3]


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
