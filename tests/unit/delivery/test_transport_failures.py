"""What was certainly no delivery, and what may have arrived: names, TLS, proxies, settings."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest
from transport_rig import (
    ACCEPTED,
    DEADLINE,
    KEPT_OPEN,
    free_port,
    post,
    send,
)
from urllib3.exceptions import InsecureRequestWarning

from tests.unit.delivery.raw_server import (
    Behaviour,
    RawServer,
    answer,
    drip,
    hang,
    reset,
    say,
    say_and_hang,
    tunnel_to,
    without_reading,
)
from track_dispatch.delivery.answer_table import TransportFailure
from track_dispatch.delivery.responses import TrackResponse
from track_dispatch.delivery.transport import Transport

if TYPE_CHECKING:
    import requests


def test_a_refused_connection_was_certainly_no_delivery(session: requests.Session) -> None:
    assert post(session, f"http://127.0.0.1:{free_port()}") == TransportFailure.UNREACHABLE


def test_an_unanswered_connection_was_certainly_no_delivery(session: requests.Session) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # a queue that is full answers nobody any more
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())

        found = post(session, f"http://127.0.0.1:{listener.getsockname()[1]}", connect_timeout=0.2)

    assert found == TransportFailure.CONNECT_TIMEOUT


def test_an_unknown_name_was_certainly_no_delivery(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert post(session, "http://track-api.test") == TransportFailure.NAME


@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve every name to loopback, just after the deadline."""
    resolve = socket.getaddrinfo

    def resolve_late(*args: Any) -> list[Any]:
        threading.Event().wait(DEADLINE + 0.1)
        return resolve("127.0.0.1", *args[1:])

    monkeypatch.setattr(socket, "getaddrinfo", resolve_late)


def test_a_name_that_resolves_too_late_sends_nothing(
    session: requests.Session, slow_names: None
) -> None:
    with RawServer(ACCEPTED) as server:
        found = post(session, f"http://track-api.test:{server.port}", deadline=DEADLINE)

    assert (found, server.requests) == (TransportFailure.LATE, [])


def test_after_a_late_name_no_handshake_begins(session: requests.Session, slow_names: None) -> None:
    received: Queue[bytes] = Queue()

    def listen(sock: socket.socket) -> None:
        received.put(sock.recv(65536))

    with RawServer(without_reading(listen)) as server:
        found = post(session, f"https://track-api.test:{server.port}", deadline=DEADLINE)

        assert (found, received.get(timeout=10)) == (TransportFailure.LATE, b"")


@pytest.mark.parametrize(
    "behaviour", [say(b"220 this is no TLS\r\n"), say(b""), reset, answer(400)]
)
def test_a_server_without_tls_was_certainly_no_delivery(
    session: requests.Session, behaviour: Behaviour
) -> None:
    def after_the_hello(sock: socket.socket) -> None:
        sock.recv(65536)
        behaviour(sock)

    with RawServer(without_reading(after_the_hello)) as server:
        found = post(session, server.url.replace("http:", "https:"))

    assert found in {TransportFailure.TLS, TransportFailure.UNREACHABLE}


def test_an_untrusted_certificate_was_certainly_no_delivery(
    session: requests.Session, server_tls: ssl.SSLContext
) -> None:
    with RawServer(ACCEPTED, tls=server_tls) as server:
        found = post(session, server.url)

    assert (found, server.requests) == (TransportFailure.TLS, [])


def test_a_certificate_of_another_host_was_certainly_no_delivery(
    session: requests.Session, certificate: Path, server_tls: ssl.SSLContext
) -> None:
    session.verify = str(certificate)

    with RawServer(ACCEPTED, tls=server_tls) as server:
        found = post(session, f"https://localhost:{server.port}")

    assert (found, server.requests) == (TransportFailure.TLS, [])


def test_a_certificate_may_go_unverified_if_the_session_says_so(
    session: requests.Session, server_tls: ssl.SSLContext
) -> None:
    session.verify = False

    with (
        RawServer(ACCEPTED, tls=server_tls) as server,
        pytest.warns(InsecureRequestWarning, match="verification"),
    ):
        found = post(session, server.url)

    assert found == TrackResponse(200, "application/json", b'{"uuid": "a1"}')


def test_a_certificate_of_ours_is_shown_to_a_server_that_asks(
    session: requests.Session, certificate: Path, server_tls: ssl.SSLContext
) -> None:
    server_tls.load_verify_locations(certificate)
    server_tls.verify_mode = ssl.CERT_REQUIRED
    session.verify = session.cert = str(certificate)

    with RawServer(ACCEPTED, tls=server_tls) as server:
        found = post(session, server.url)

    assert found == TrackResponse(200, "application/json", b'{"uuid": "a1"}')


def test_trusted_certificates_are_loaded_once(
    session: requests.Session,
    transport: Transport,
    certificate: Path,
    server_tls: ssl.SSLContext,
    tmp_path: Path,
) -> None:
    bundle = shutil.copy(certificate, tmp_path / "bundle.pem")
    session.verify = str(bundle)

    with RawServer(ACCEPTED, tls=server_tls) as server:
        send(transport, server.url)
        bundle.write_text("no certificate")
        found = send(transport, server.url)

    assert found == TrackResponse(200, "application/json", b'{"uuid": "a1"}')


def test_a_file_without_certificates_is_a_matter_of_settings(
    session: requests.Session, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("no certificate")
    session.verify = str(bundle)

    assert post(session, f"https://127.0.0.1:{free_port()}") == TransportFailure.SETTINGS


@pytest.mark.parametrize("explicit", [True, False])
def test_the_environments_certificates_count_where_the_session_names_none(
    session: requests.Session,
    certificate: Path,
    server_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    explicit: bool,
) -> None:
    session.trust_env = True
    if explicit:
        session.verify = str(certificate)
    named = "/nowhere/certificates.pem" if explicit else str(certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", named)

    with RawServer(ACCEPTED, tls=server_tls) as server:
        found = post(session, server.url)

    assert found == TrackResponse(200, "application/json", b'{"uuid": "a1"}')


def test_requests_go_through_a_proxys_tunnel_one_after_the_other(
    session: requests.Session,
    transport: Transport,
    certificate: Path,
    server_tls: ssl.SSLContext,
) -> None:
    session.verify = str(certificate)

    with (
        RawServer(say_and_hang(KEPT_OPEN), tls=server_tls) as server,
        RawServer(tunnel_to(server.port)) as proxy,
    ):
        session.proxies = {"https": proxy.url}
        found = [send(transport, server.url) for _ in range(2)]

    assert found == [TrackResponse(200, "application/json", b"{}")] * 2
    assert (proxy.connections, server.connections) == (2, 2)


@pytest.mark.parametrize("behaviour", [hang, drip(b"\x16\x03\x03\x40\x00", b"\x02")])
def test_a_handshake_that_never_ends_was_certainly_no_delivery(
    session: requests.Session, behaviour: Behaviour
) -> None:
    with RawServer(without_reading(behaviour)) as server:
        found = post(session, server.url.replace("http:", "https:"), deadline=DEADLINE)

    assert found in {TransportFailure.CONNECT_TIMEOUT, TransportFailure.LATE, TransportFailure.TLS}


def test_a_missing_certificate_file_is_a_matter_of_settings(session: requests.Session) -> None:
    session.verify = "/nowhere/certificates.pem"

    assert post(session, f"https://127.0.0.1:{free_port()}") == TransportFailure.SETTINGS


@pytest.mark.parametrize("url", ["http://", "track-api.test", "ftp://track-api.test"])
def test_an_impossible_address_is_a_matter_of_settings(session: requests.Session, url: str) -> None:
    assert post(session, url) == TransportFailure.SETTINGS


def test_a_proxy_that_is_down_was_certainly_no_delivery(session: requests.Session) -> None:
    session.proxies = {"https": f"http://127.0.0.1:{free_port()}"}

    assert post(session, "https://track-api.test") == TransportFailure.PROXY


@pytest.mark.parametrize("behaviour", [answer(407), answer(502), say(b""), hang])
def test_a_proxy_that_does_not_connect_us_was_certainly_no_delivery(
    session: requests.Session, behaviour: Behaviour
) -> None:
    with RawServer(behaviour) as proxy:
        session.proxies = {"https": proxy.url}
        found = post(
            session,
            "https://track-api.test",
            headers={"Authorization": "Bearer s3cret"},
            deadline=DEADLINE,
        )

    assert found in {
        TransportFailure.PROXY,
        TransportFailure.UNREACHABLE,
        TransportFailure.CONNECT_TIMEOUT,
        TransportFailure.LATE,
    }
    assert b"s3cret" not in b"".join(proxy.requests)


def test_a_request_through_a_proxy_that_breaks_may_have_arrived(session: requests.Session) -> None:
    with RawServer(reset) as proxy:
        session.proxies = {"http": proxy.url}
        found = post(session, "http://track-api.test")

    assert found == TransportFailure.BROKEN


def test_other_kinds_of_proxies_are_a_matter_of_settings(session: requests.Session) -> None:
    session.proxies = {"http": f"socks5://127.0.0.1:{free_port()}"}

    assert post(session, "http://track-api.test") == TransportFailure.SETTINGS
