"""Each request has a connection and a deadline of its own, which touch no other one."""

from __future__ import annotations

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from transport_rig import (
    ACCEPTED,
    CHUNKED,
    DEADLINE,
    HEAD,
    KEPT_OPEN,
    free_port,
    post,
    send,
)

from tests.unit.delivery.raw_server import (
    ClosesLate,
    RawServer,
    answer,
    drip,
    hang,
    one_after_the_other,
    say_and_hang,
)
from track_dispatch.delivery.answer_table import TransportFailure
from track_dispatch.delivery.responses import TrackResponse
from track_dispatch.delivery.transport import MAX_BODY_BYTES, Transport

if TYPE_CHECKING:
    import requests


def test_a_redirect_is_an_answer_and_never_followed(session: requests.Session) -> None:
    with RawServer(ACCEPTED) as elsewhere:
        behaviour = answer(302, headers={"Location": f"{elsewhere.url}/login"})
        with RawServer(behaviour) as server:
            found = post(session, server.url)

    assert (found.status, elsewhere.connections) == (302, 0)  # type: ignore[union-attr]


@pytest.mark.parametrize("status", [408, 413, 429, 500, 503])
def test_no_status_makes_the_request_go_out_twice(session: requests.Session, status: int) -> None:
    with RawServer(answer(status, headers={"Retry-After": "0"})) as server:
        post(session, server.url)

    assert len(server.requests) == 1


def test_every_request_has_a_connection_of_its_own(transport: Transport) -> None:
    with RawServer(say_and_hang(KEPT_OPEN)) as server:
        for _ in range(3):
            send(transport, server.url)

    assert (server.connections, len(server.requests)) == (3, 3)


def test_a_server_that_closes_late_never_takes_the_next_request_with_it(
    transport: Transport,
) -> None:
    """One POST in 192 was "not delivered" while the closing was left to the server."""
    with ClosesLate(KEPT_OPEN) as closes_late, RawServer(closes_late) as server:
        for _ in range(300):
            assert send(transport, server.url) == TrackResponse(200, "application/json", b"{}")

    assert closes_late.hung_up == [True] * 299
    assert server.connections == 300


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(KEPT_OPEN, id="a whole answer"),
        pytest.param(CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", id="a whole answer in chunks"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", id="no body"),
        pytest.param(HEAD + b"Content-Length: 99\r\n\r\n{}", id="a body too slow"),
        pytest.param(HEAD + b"\r\n" + b" " * (MAX_BODY_BYTES * 3), id="a body too long"),
        pytest.param(HEAD, id="a head too slow"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="no HTTP"),
        pytest.param(b"", id="silence"),
    ],
)
def test_the_connection_is_closed_by_us_whatever_came_of_it(
    transport: Transport, beginning: bytes
) -> None:
    hung_up = threading.Event()

    def keep_open(sock: socket.socket) -> None:
        try:
            say_and_hang(beginning)(sock)
        finally:
            hung_up.set()

    with RawServer(keep_open) as server:
        send(transport, server.url, deadline=DEADLINE)

        assert hung_up.wait(10)


def test_the_connection_is_closed_by_us_over_tls(
    session: requests.Session,
    transport: Transport,
    certificate: Path,
    server_tls: ssl.SSLContext,
) -> None:
    session.verify = str(certificate)
    hung_up = threading.Event()

    def keep_open(sock: socket.socket) -> None:
        try:
            say_and_hang(KEPT_OPEN)(sock)
        finally:
            hung_up.set()

    with RawServer(keep_open, tls=server_tls) as server:
        send(transport, server.url)

        assert hung_up.wait(10)


def test_what_one_request_says_is_not_said_by_the_next(transport: Transport) -> None:
    with RawServer(ACCEPTED) as server:
        for key, body in (("k-1", b"12345"), ("k-2", b"")):
            transport.send_request(
                "POST", server.url, headers={key: "1"}, body=body, deadline_seconds=10
            )
        transport.send_request("GET", server.url, deadline_seconds=10)
    first, second, third = server.requests

    assert (b"k-1: 1" in first, b"k-1: 1" in second, b"k-2: 1" in second) == (True, False, True)
    assert (b"Content-Length: 5" in first, b"Content-Length: 0" in second) == (True, True)
    assert (third.startswith(b"GET / "), b"Content-Length" in third) == (True, False)
    assert first.endswith(b"\r\n\r\n12345")


def test_each_of_several_requests_ends_at_its_deadline(transport: Transport) -> None:
    with RawServer(drip(b"HTTP/1.1 200 OK\r\n", b"X-Drop: 1\r\n")) as server:
        found = [send(transport, server.url, deadline=DEADLINE) for _ in range(3)]

    assert found == [TransportFailure.DEADLINE] * 3


@pytest.mark.parametrize("first", [DEADLINE / 2, DEADLINE, 60])
def test_a_deadline_holds_after_a_shorter_and_after_a_longer_one(
    transport: Transport, first: float
) -> None:
    with RawServer(one_after_the_other(ACCEPTED, drip(b"", b"H"))) as server:
        send(transport, server.url, deadline=first)

        assert send(transport, server.url, deadline=DEADLINE) == TransportFailure.DEADLINE


def test_a_deadline_holds_after_the_one_before_has_passed_idly(transport: Transport) -> None:
    with RawServer(one_after_the_other(ACCEPTED, drip(b"", b"H"))) as server:
        send(transport, server.url, deadline=DEADLINE / 2)
        threading.Event().wait(DEADLINE)

        assert send(transport, server.url, deadline=DEADLINE) == TransportFailure.DEADLINE


def test_the_deadline_of_a_request_that_ended_early_cuts_no_later_one(
    transport: Transport,
) -> None:
    def answer_after_the_first_deadline(sock: socket.socket) -> None:
        threading.Event().wait(DEADLINE + 0.2)
        ACCEPTED(sock)

    with RawServer(one_after_the_other(ACCEPTED, answer_after_the_first_deadline)) as server:
        send(transport, server.url, deadline=DEADLINE)
        found = send(transport, server.url, deadline=60)

    assert found == TrackResponse(200, "application/json", b'{"uuid": "a1"}')


def test_a_deadline_that_has_cut_a_request_off_does_not_touch_the_next(
    transport: Transport,
) -> None:
    with RawServer(one_after_the_other(hang, ACCEPTED)) as server:
        found = [send(transport, server.url, deadline=limit) for limit in (DEADLINE, 60)]

    assert found == [
        TransportFailure.DEADLINE,
        TrackResponse(200, "application/json", b'{"uuid": "a1"}'),
    ]


def test_all_requests_share_one_thread(transport: Transport) -> None:
    before = threading.active_count()

    for _ in range(3):
        send(transport, f"http://127.0.0.1:{free_port()}", deadline=60)

    assert threading.active_count() == before + 1


@pytest.mark.parametrize("requests_before", [0, 1, 2])
def test_a_closed_transport_leaves_no_thread(
    session: requests.Session, requests_before: int
) -> None:
    before = threading.active_count()

    with Transport(session, connect_timeout_seconds=5) as transport:
        for _ in range(requests_before):
            send(transport, f"http://127.0.0.1:{free_port()}", deadline=60)

    assert threading.active_count() == before


def test_any_thread_may_send(transport: Transport) -> None:
    with RawServer(ACCEPTED) as server, ThreadPoolExecutor(1) as worker:
        found = [
            worker.submit(send, transport, server.url).result(),
            send(transport, server.url),
        ]

    assert found == [TrackResponse(200, "application/json", b'{"uuid": "a1"}')] * 2


def test_a_second_request_at_a_time_is_refused_before_it_begins(transport: Transport) -> None:
    arrived, may_answer = threading.Event(), threading.Event()

    def answer_when_told(sock: socket.socket) -> None:
        arrived.set()
        may_answer.wait(10)
        ACCEPTED(sock)

    with RawServer(answer_when_told) as server, ThreadPoolExecutor(1) as worker:
        first = worker.submit(send, transport, server.url)
        arrived.wait(10)
        with pytest.raises(RuntimeError):
            send(transport, server.url)
        may_answer.set()

        assert first.result() == TrackResponse(200, "application/json", b'{"uuid": "a1"}')
    assert server.connections == 1


def test_closing_leaves_a_request_that_is_under_way_its_deadline(
    session: requests.Session,
) -> None:
    transport = Transport(session, connect_timeout_seconds=5)
    arrived = threading.Event()

    def arrive_and_drip(sock: socket.socket) -> None:
        arrived.set()
        drip(b"", b"H")(sock)

    with RawServer(arrive_and_drip) as server, ThreadPoolExecutor(1) as worker:
        sending = worker.submit(send, transport, server.url, deadline=DEADLINE)
        arrived.wait(10)
        transport.close()

        assert sending.result() == TransportFailure.DEADLINE


def test_a_closed_transport_sends_nothing(session: requests.Session) -> None:
    transport = Transport(session, connect_timeout_seconds=5)
    transport.close()

    with RawServer(ACCEPTED) as server, pytest.raises(RuntimeError):
        send(transport, server.url)

    assert server.connections == 0
