"""One request over a socket: its answer, what is cut, and the deadline that covers it."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from transport_rig import (
    ACCEPTED,
    CHUNKED,
    DEADLINE,
    HEAD,
    post,
)

from tests.unit.delivery.raw_server import (
    Behaviour,
    RawServer,
    answer,
    drip,
    hang,
    head_of,
    reset,
    say,
    say_and_hang,
    say_and_reset,
    without_reading,
)
from track_dispatch.delivery.answer_table import TransportFailure
from track_dispatch.delivery.responses import TrackResponse
from track_dispatch.delivery.transport import MAX_BODY_BYTES, BearerAuth
from track_dispatch.errors import ConfigError

if TYPE_CHECKING:
    import requests


def test_an_answer_comes_back_whole(session: requests.Session) -> None:
    behaviour = answer(429, '{"a": 1}', headers={"Retry-After": "7"})

    with RawServer(behaviour) as server:
        found = post(session, server.url)

    assert found == TrackResponse(429, "application/json", b'{"a": 1}', retry_after="7")


def test_an_answer_comes_back_over_tls(
    session: requests.Session, certificate: Path, server_tls: ssl.SSLContext
) -> None:
    session.verify = str(certificate)

    with RawServer(ACCEPTED, tls=server_tls) as server:
        found = post(session, server.url)

    assert found == TrackResponse(200, "application/json", b'{"uuid": "a1"}')


@pytest.mark.parametrize(
    "behaviour",
    [
        say(b"HTTP/1.1 204 No Content\r\n\r\n"),
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        say_and_hang(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ],
)
def test_an_empty_answer_is_complete(session: requests.Session, behaviour: Behaviour) -> None:
    with RawServer(behaviour) as server:
        found = post(session, server.url)

    assert (found.body, found.complete) == (b"", True)  # type: ignore[union-attr]


def test_an_empty_answer_that_does_not_say_so_may_have_been_cut(session: requests.Session) -> None:
    with RawServer(say(b"HTTP/1.1 200 OK\r\n\r\n")) as server:
        found = post(session, server.url)

    assert (found.body, found.complete) == (b"", False)  # type: ignore[union-attr]


def test_a_kept_open_connection_does_not_hold_up_a_whole_answer(session: requests.Session) -> None:
    body = b'{"uuid": "a1"}'

    with RawServer(say_and_hang(head_of(200, body) + body)) as server:
        found = post(session, server.url)

    assert found == TrackResponse(200, "application/json", body)


@pytest.mark.parametrize(
    "behaviour",
    [
        say(HEAD + b'Content-Length: 99\r\n\r\n{"a": 1}'),
        say_and_hang(HEAD + b'Content-Length: 99\r\n\r\n{"a": 1}'),
        say(CHUNKED + b'8\r\n{"a": 1}\r\n'),
        say(CHUNKED + b'9\r\n{"a": 1}'),
        say_and_hang(CHUNKED + b'8\r\n{"a": 1}\r\n'),
        say_and_hang(HEAD + b'\r\n{"a": 1}'),
    ],
)
def test_what_came_of_a_body_that_was_cut_is_kept_and_marked(
    session: requests.Session, behaviour: Behaviour
) -> None:
    with RawServer(behaviour) as server:
        found = post(session, server.url, deadline=DEADLINE)

    assert found == TrackResponse(200, "application/json", b'{"a": 1}', complete=False)


@pytest.mark.parametrize("start", [HEAD + b"Content-Length: 9999\r\n\r\n", HEAD + b"\r\n"])
def test_a_dripping_body_ends_at_the_deadline(session: requests.Session, start: bytes) -> None:
    with RawServer(drip(start, b" ")) as server:
        found = post(session, server.url, deadline=DEADLINE)

    assert (found.status, found.complete) == (200, False)  # type: ignore[union-attr]


def test_a_dripping_body_ends_at_the_deadline_over_tls(
    session: requests.Session, certificate: Path, server_tls: ssl.SSLContext
) -> None:
    session.verify = str(certificate)

    with RawServer(drip(HEAD + b"\r\n", b" "), tls=server_tls) as server:
        found = post(session, server.url, deadline=1, connect_timeout=0.9)

    assert (found.status, found.complete) == (200, False)  # type: ignore[union-attr]


def test_no_more_of_a_body_is_read_than_the_limit(session: requests.Session) -> None:
    body = b" " * (MAX_BODY_BYTES * 3)

    with RawServer(say(HEAD + b"\r\n" + body)) as server:
        found = post(session, server.url)

    assert found.complete is False  # type: ignore[union-attr]
    assert len(found.body) < MAX_BODY_BYTES * 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "behaviour",
    [
        hang,
        drip(b"", b"H"),
        drip(b"HTTP/1.1 200 OK\r\n", b"X-Drop: 1\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Type: ", b"a"),
        say_and_hang(b"HTTP/1.1 200 OK\r\n"),
        say_and_hang(b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n"),
    ],
)
def test_an_answer_whose_head_is_not_there_by_the_deadline_is_none(
    session: requests.Session, behaviour: Behaviour
) -> None:
    with RawServer(behaviour) as server:
        assert post(session, server.url, deadline=DEADLINE) == TransportFailure.DEADLINE


@pytest.mark.parametrize(
    "behaviour",
    [
        reset,
        say(b""),
        say(b"SSH-2.0-OpenSSH_9.2\r\n"),
        say(b"HTTP/1.1 200 OK\r\n"),
        say(b"HTTP/1.1 200 OK\r\nContent-Type: text/h"),
        say(b"HTTP/1.1 200 OK"),
        say_and_reset(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"),
        without_reading(say(b"")),
    ],
)
def test_a_connection_that_breaks_before_the_head_is_whole_gives_no_answer(
    session: requests.Session, behaviour: Behaviour
) -> None:
    with RawServer(behaviour) as server:
        assert post(session, server.url) == TransportFailure.BROKEN


def test_the_deadline_covers_the_upload(session: requests.Session) -> None:
    never_reads = threading.Event()

    def refuse_to_read(_: socket.socket) -> None:
        never_reads.wait(10)

    with RawServer(without_reading(refuse_to_read)) as server:
        found = post(session, server.url, data=b" " * 32_000_000, deadline=DEADLINE)
        never_reads.set()

    assert found == TransportFailure.DEADLINE


def test_an_upload_may_take_longer_than_connecting(session: requests.Session) -> None:
    late_reader = threading.Event()
    threading.Timer(0.3, late_reader.set).start()

    def read_late(sock: socket.socket) -> None:
        late_reader.wait(10)
        remaining = 32_000_000
        while remaining > 0:
            remaining -= len(sock.recv(1_000_000))
        ACCEPTED(sock)

    with RawServer(without_reading(read_late)) as server:
        found = post(session, server.url, data=b" " * 32_000_000, deadline=20, connect_timeout=0.1)

    assert found == TrackResponse(200, "application/json", b'{"uuid": "a1"}')


def test_an_early_answer_to_a_large_upload_is_heard(session: requests.Session) -> None:
    def answer_after_the_head(sock: socket.socket) -> None:
        sock.recv(65536)
        answer(413)(sock)
        hang(sock)

    with RawServer(without_reading(answer_after_the_head)) as server:
        found = post(session, server.url, data=b" " * 8_000_000)

    assert found.status == 413  # type: ignore[union-attr]


def test_neither_logs_nor_prints_show_the_token_the_body_or_the_answer(
    session: requests.Session,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    caplog.set_level(logging.DEBUG)
    session.auth = BearerAuth("planted-token")
    broken_head = b"HTTP/1.1 200 OK\r\nno header planted-echo\r\n\r\nplanted-echo"

    for behaviour in (say(broken_head), say(b"planted-echo\r\n\r\n")):
        with RawServer(behaviour) as server:
            post(session, server.url, data=b"planted-body")
    printed = capfd.readouterr()

    assert "planted" in server.requests[0].decode()
    assert "planted" not in caplog.text + printed.out + printed.err + repr(session.auth)


@pytest.mark.parametrize("token", ["", " ", "two words", "line\nbreak", "ção"])
def test_a_token_that_no_header_takes_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BearerAuth(token)

    assert not token.strip() or token not in str(caught.value)
