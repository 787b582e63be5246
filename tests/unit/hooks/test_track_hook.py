from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.unit.delivery.certificates import self_signed, serving
from tests.unit.delivery.raw_server import RawServer, answer, reset
from track_dispatch.delivery.answer_table import TransportFailure
from track_dispatch.errors import ConfigError, NotDeliveredError, ServiceStoppedError
from track_dispatch.hooks.track import TrackHook

ORGANIZATION = "6f9b3c52-0000-4000-8000-0000000000aa"
SURVEYS = answer(200, '{"data": [{"uuid": "s0", "name": "A", "status": "active"}]}')


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., TrackHook]:
    """Define the connection track_api as an administrator would; each argument is a field."""

    def define(**fields: Any) -> TrackHook:
        connection = {
            "conn_type": "http",
            "host": "https://api.track.co",
            "login": ORGANIZATION,
            "password": "planted-token",
        } | fields
        monkeypatch.setenv("AIRFLOW_CONN_TRACK_API", json.dumps(connection))
        return TrackHook()

    return define


def headers(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines)


def test_the_token_goes_as_bearer_and_the_login_into_the_path(
    connect: Callable[..., TrackHook],
) -> None:
    with RawServer(SURVEYS) as server:
        connect(host=server.url).list_surveys()

    assert headers(server.requests[0])["Authorization"] == "Bearer planted-token"
    assert f"/v1/organizations/{ORGANIZATION}/surveys?".encode() in server.requests[0]


def test_a_port_and_a_scheme_may_stand_in_their_own_fields(
    connect: Callable[..., TrackHook],
) -> None:
    with RawServer(SURVEYS) as server:
        surveys = connect(host="127.0.0.1", schema="http", port=server.port).list_surveys()

    assert [survey.uuid for survey in surveys] == ["s0"]


def test_unknown_keys_of_the_extra_never_become_headers(connect: Callable[..., TrackHook]) -> None:
    extra = {"org": "planted-extra", "timeout": 3, "X-Planted": "planted-extra"}

    with RawServer(SURVEYS) as server:
        connect(host=server.url, extra=extra).list_surveys()

    assert b"lanted-extra" not in server.requests[0]


def test_a_reset_is_not_retried(connect: Callable[..., TrackHook]) -> None:
    with RawServer(reset) as server, connect(host=server.url).client() as client:
        answer = client.post_distribution(b"{}", idempotency_key="batch-1")

    assert (answer, len(server.requests)) == (TransportFailure.BROKEN, 1)


@pytest.mark.parametrize("extra", [None, {}, {"trust_env": False}, {"trust_env": "false"}])
def test_the_environments_proxy_is_not_used_by_itself(
    connect: Callable[..., TrackHook], monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any] | None
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with RawServer(SURVEYS) as proxy, RawServer(SURVEYS) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        connect(host=server.url, extra=extra).list_surveys()

    assert (proxy.connections, server.connections) == (0, 1)


def test_the_environments_proxy_is_used_when_the_extra_says_so(
    connect: Callable[..., TrackHook], monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(SURVEYS) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        connect(host="http://track-api.test", extra={"trust_env": True}).list_surveys()

    assert proxy.requests[0].startswith(b"GET http://track-api.test/v1/")


def test_a_proxy_of_the_extra_is_used(connect: Callable[..., TrackHook]) -> None:
    with RawServer(SURVEYS) as proxy:
        hook = connect(host="http://track-api.test", extra={"proxies": {"http": proxy.url}})
        hook.list_surveys()

    assert proxy.requests[0].startswith(b"GET http://track-api.test/v1/")


def test_a_proxy_of_the_extra_wins_over_the_environments(
    connect: Callable[..., TrackHook], monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(SURVEYS) as proxy, RawServer(SURVEYS) as other:
        for name in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(name, other.url)
        extra = {"trust_env": True, "proxies": {"all": proxy.url}}
        connect(host="http://track-api.test", extra=extra).list_surveys()

    assert (proxy.connections, other.connections) == (1, 0)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("name", ["verify", "verify_ssl"])
@pytest.mark.parametrize(
    ("verify", "is_trusted"), [(None, True), (True, False), (False, True), ("own", False)]
)
def test_a_verify_of_the_extra_wins_over_the_environments_certificates(
    connect: Callable[..., TrackHook],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    verify: object,
    is_trusted: bool,
) -> None:
    name_of_server = x509.IPAddress(ip_address("127.0.0.1"))
    certificate, own = (self_signed(tmp_path / f"{i}.pem", name_of_server) for i in range(2))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    said = {} if verify is None else {name: str(own) if verify == "own" else verify}

    with (
        RawServer(SURVEYS, tls=serving(certificate)) as server,
        connect(host=server.url, extra={"trust_env": True, **said}).client() as client,
        nullcontext() if is_trusted else pytest.raises(NotDeliveredError, match="`verify`"),
    ):
        client.probe()


def test_verify_and_cert_of_the_extra_reach_the_session(connect: Callable[..., TrackHook]) -> None:
    extra = {"verify": "/etc/ssl/own.pem", "cert": ["/etc/ssl/a.pem", "/etc/ssl/a.key"]}

    with connect(extra=extra).get_conn() as session:
        assert (session.verify, session.cert) == (
            "/etc/ssl/own.pem",
            ("/etc/ssl/a.pem", "/etc/ssl/a.key"),
        )


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"login": None}, "UUID as login"),
        ({"login": "planted-login"}, "UUID as login"),
        ({"password": None}, "password"),
        ({"password": "planted token"}, "password"),
        ({"password": "planted-token\n"}, "password"),
        ({"host": None}, "host with its scheme"),
        ({"host": "api.track.co"}, "host with its scheme"),
        ({"host": "ftp://api.track.co"}, "host with its scheme"),
        ({"host": "https://"}, "host with its scheme"),
        ({"host": "https://["}, "host with its scheme"),
        ({"host": "http://api.track.co"}, "https"),
        ({"host": "api.track.co", "schema": "http"}, "https"),
        ({"host": "http://10.0.0.1"}, "https"),
        ({"host": "https://user:planted@api.track.co"}, "login and password only"),
        ({"host": "https://:planted@api.track.co"}, "login and password only"),
        ({"host": "https://planted@api.track.co"}, "login and password only"),
        ({"host": "user:planted@api.track.co", "schema": "https"}, "login and password only"),
        ({"host": "https:/user:planted@api.track.co", "schema": "https"}, "password only"),
        ({"host": "https://api.track.co\\:planted@other"}, "login and password only"),
        ({"host": "https://api.track.co/planted@x"}, "login and password only"),
        ({"host": "https://api.track.co/?token=planted@x"}, "login and password only"),
        ({"host": "api.track.co", "schema": "https://user:planted@x"}, "password only"),
        ({"host": "https://api.track.co?planted=1"}, "more in its host"),
        ({"extra": {"proxies": "planted:3128"}}, "proxies"),
        ({"extra": {"proxies": {"https": "socks5://planted"}}}, "proxies"),
        ({"extra": {"verify": 3}}, "verify"),
        ({"extra": {"cert": ["planted"]}}, "cert"),
    ],
)
def test_a_wrong_connection_is_refused_saying_what_to_set(
    connect: Callable[..., TrackHook], fields: dict[str, Any], hint: str
) -> None:
    with pytest.raises(ConfigError, match=hint) as caught:
        connect(**fields).client()

    assert "planted" not in str(caught.value)


def test_a_missing_connection_is_refused_saying_what_to_create(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_TRACK_NOWHERE", raising=False)

    with pytest.raises(ConfigError, match="no Airflow connection 'track_nowhere'"):
        TrackHook("track_nowhere").client()


def test_https_and_stand_ins_are_accepted(connect: Callable[..., TrackHook]) -> None:
    hosts = ["https://api.track.co", "http://track-api.test:8000", "http://localhost:1"]

    for host in hosts:
        connect(host=host).client().close()


def test_the_test_button_lists_the_surveys(connect: Callable[..., TrackHook]) -> None:
    with RawServer(SURVEYS) as server:
        assert connect(host=server.url).test_connection() == (True, "Track answers: 1 surveys")


def test_the_test_button_says_what_is_wrong(connect: Callable[..., TrackHook]) -> None:
    with RawServer(answer(401)) as server:
        works, message = connect(host=server.url).test_connection()

    assert (works, "token" in message) == (False, True)


def test_a_stopped_service_is_an_error_of_its_own(connect: Callable[..., TrackHook]) -> None:
    with RawServer(answer(405)) as server, pytest.raises(ServiceStoppedError):
        connect(host=server.url).list_surveys()
