"""Somebody was told only when the webhook took it, and its address stands in no log."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.log import redact

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
)
from track_dispatch.errors import ConfigError
from track_dispatch.hooks.alert import (
    LONGEST_ALERT,
    AlertFormat,
    AlertProblem,
    UndeliveredAlert,
    find_webhook,
    send_alert,
    shortened,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "services/T0SECRET/B0SECRET/xSECRETx"
LINES = ["Pesquisas: há o que fazer", "HMS · 10/03/2026: o envio <falhou> & 2 linhas em dúvida"]
TEXT = "\n".join(LINES)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that defines the connection, by its fields or as a URI."""

    def define(uri: str = "", **fields: Any) -> None:
        value = uri or json.dumps({"conn_type": "http"} | fields)
        monkeypatch.setenv("AIRFLOW_CONN_TRACK_ALERT", value)

    return define


def requested(server: RawServer) -> list[str]:
    return [request.split(b"\r\n", 1)[0].decode() for request in server.requests]


def posted(server: RawServer) -> Any:
    (request,) = server.requests
    return json.loads(request.partition(b"\r\n\r\n")[2])


def test_without_a_connection_nobody_is_to_be_told() -> None:
    assert send_alert(LINES) is None
    assert find_webhook() is None


# -- what counts -------------------------------------------------------------------

TAKEN: Mapping[str, Behaviour] = {
    "slack": answer(200, "ok", "text/html"),
    "teams workflow": answer(202, "", None),
    "no content": answer(204),
    "no length": say(b"HTTP/1.0 200 OK\r\n\r\n"),
    "a one": answer(200, "1", "text/plain"),
    "an object": answer(200, '{"ok": true}'),
    "nothing wrong": answer(201, '{"id": "a1", "errors": [], "error": null}'),
    "a document": answer(200, '{"errcode": 0, "errmsg": "ok", "messageId": 7}'),
    "a word of success": answer(200, "Accepted", "text/plain"),
    "a yes": answer(200, "true"),
    "our own words": answer(200, TEXT, "text/plain"),
    "an echo": answer(200, json.dumps({"name": "spaces/x", "text": TEXT})),
}
STATUS, SAYS = AlertProblem.STATUS, AlertProblem.SAYS_FAILURE
UNCONFIRMED = AlertProblem.UNCONFIRMED
NOT_TAKEN: Mapping[str, tuple[Behaviour, AlertProblem, int | None]] = {
    **{
        str(status): (answer(status, "ok"), STATUS, status)
        for status in (302, 307, 308, 400, 404, 410, 429, 500)
    },
    "moved": (answer(302, "", None, {"Location": "/elsewhere"}), STATUS, 302),
    "teams connector": (
        answer(200, "Webhook message delivery failed with error: HTTP error 413", "text/plain"),
        SAYS,
        200,
    ),
    "taken, but failed": (answer(202, '{"status": "failed"}'), SAYS, 202),
    "not ok": (answer(200, '{"ok": false, "error": "invalid_token"}'), SAYS, 200),
    "no success": (answer(200, '{"success": false}'), SAYS, 200),
    "false": (answer(200, "false"), SAYS, 200),
    "a word": (answer(200, "invalid_payload", "text/plain"), SAYS, 200),
    "a sentence": (answer(200, '{"message": "channel not found"}'), SAYS, 200),
    "not delivered": (answer(200, '{"delivered": false}'), SAYS, 200),
    "a code of failure": (answer(200, '{"errcode": 310000, "errmsg": "x"}'), SAYS, 200),
    "no service": (answer(200, "no_service", "text/plain"), UNCONFIRMED, 200),
    "an archived channel": (answer(200, "channel_is_archived", "text/plain"), UNCONFIRMED, 200),
    "too many": (answer(200, "rate_limited", "text/plain"), SAYS, 200),
    "a phrase of HTTP": (answer(200, "Bad Request", "text/plain"), UNCONFIRMED, 200),
    "a text of JSON": (answer(200, '"no_service"'), UNCONFIRMED, 200),
    "nought": (answer(200, "0"), UNCONFIRMED, 200),
    "nothing": (answer(200, "null"), UNCONFIRMED, 200),
    "both": (answer(200, '{"ok": false, "ok": true}'), UNCONFIRMED, 200),
    "ours, and more": (answer(200, json.dumps([TEXT, "rejected"])), SAYS, 200),
    "cut": (say(head_of(200, '{"status": "failed"}') + b'{"st'), SAYS, 200),
    "a log-in page": (
        answer(200, "<!DOCTYPE html><title>Sign in</title>", "text/html"),
        AlertProblem.PAGE,
        200,
    ),
    "a reset": (reset, AlertProblem.UNREACHABLE, None),
    "silence": (hang, AlertProblem.DEADLINE, None),
    "half a head": (say_and_hang(b"HTTP/1.1 200 OK\r\n"), AlertProblem.DEADLINE, None),
    "a drip": (drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), AlertProblem.DEADLINE, None),
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_success_that_speaks_of_no_failure_is_told(connect: Any, case: str) -> None:
    with RawServer(TAKEN[case]) as server:
        connect(host=server.url)

        assert send_alert(LINES) is None
        assert posted(server) == {"text": TEXT}


@pytest.mark.parametrize("case", NOT_TAKEN)
def test_anything_else_is_not_told_and_says_why(connect: Any, case: str) -> None:
    behaviour, problem, status = NOT_TAKEN[case]
    deadline = 0.3 if problem is AlertProblem.DEADLINE else 15
    with RawServer(behaviour) as server:
        connect(host=server.url)

        found = send_alert(LINES, deadline_seconds=deadline)

        assert found == UndeliveredAlert(problem, status)
        assert server.connections == 1


@pytest.mark.parametrize(
    ("shape", "status", "body", "problem"),
    [
        ("slack", 200, "ok", None),
        ("slack", 200, " ok\n", None),
        ("slack", 200, "", UNCONFIRMED),
        ("slack", 200, "OK, later", UNCONFIRMED),
        ("slack", 200, "no_service", UNCONFIRMED),
        ("slack", 200, "channel_is_archived", UNCONFIRMED),
        ("slack", 200, "no_text", UNCONFIRMED),
        ("slack", 200, '{"ok": true}', UNCONFIRMED),
        ("slack", 200, "1", UNCONFIRMED),
        ("slack", 404, "no_service", STATUS),
        ("teams", 202, "", None),
        ("teams", 200, "", None),
        ("teams", 200, "1", None),
        ("teams", 200, "ok", UNCONFIRMED),
        ("teams", 200, "0", UNCONFIRMED),
        ("teams", 200, '{"status": "success"}', UNCONFIRMED),
        ("teams", 200, "Summary or Text is required.", UNCONFIRMED),
        ("teams", 200, "Microsoft Teams endpoint returned HTTP error 429", SAYS),
        ("teams", 400, "1", STATUS),
    ],
)
def test_a_known_service_must_answer_as_it_does_where_it_took_the_message(
    connect: Any, shape: str, status: int, body: str, problem: AlertProblem | None
) -> None:
    with RawServer(answer(status, body, "text/plain")) as server:
        connect(host=server.url, extra={"alert_format": shape})

        assert send_alert(LINES) == (problem and UndeliveredAlert(problem, status))


def test_nobody_listens(connect: Any) -> None:
    with RawServer(hang) as server:
        url = server.url
    connect(host=url)

    assert send_alert(LINES) == UndeliveredAlert(AlertProblem.UNREACHABLE)


# -- where it goes -----------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "{url}/" + PATH},
        {"host": "{url}", "schema": PATH},
        {"host": "{url}/", "schema": "/" + PATH},
        {"host": "{name}", "port": "{port}", "schema": PATH},
        {"host": "http://{name}/services", "port": "{port}", "schema": PATH.partition("/")[2]},
        {"host": "{name}:{port}/" + PATH, "schema": "http"},
        {"password": "{url}/" + PATH},
        {"password": " {url}/" + PATH + "\n"},
        {"uri": "{url}/" + PATH},
    ],
    ids=str,
)
def test_the_path_is_joined_wherever_it_was_filled_in(connect: Any, fields: dict[str, str]) -> None:
    """Before, a path in the field Schema was lost: it was posted to `/`."""
    with RawServer(answer(200)) as server:
        place = {"url": server.url, "name": "127.0.0.1", "port": server.port}
        filled: dict[str, Any] = {name: text.format(**place) for name, text in fields.items()}
        if "port" in filled:
            filled["port"] = int(filled["port"])
        connect(**filled)

        assert send_alert(LINES) is None
        assert requested(server) == [f"POST /{PATH} HTTP/1.1"]


def test_a_query_belongs_to_the_address(connect: Any) -> None:
    with RawServer(answer(202)) as server:
        connect(password=f"{server.url}/workflows/1/invoke?api-version=1&sig=SECRET%2Fx")

        assert send_alert(LINES) is None
        assert requested(server) == [
            "POST /workflows/1/invoke?api-version=1&sig=SECRET%2Fx HTTP/1.1"
        ]


def test_a_login_is_sent_with_its_password(connect: Any) -> None:
    with RawServer(answer(200)) as server:
        connect(host=server.url, login="track", password="its-password")

        assert send_alert(LINES) is None
        assert b"Authorization: Basic dHJhY2s6aXRzLXBhc3N3b3Jk\r\n" in server.requests[0]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "whole address"),
        ({"host": "ftp://hooks.test/SECRET"}, "whole address"),
        ({"host": "https://hooks.test:x/SECRET"}, "whole address"),
        ({"host": "https://hooks.test/SECRET x"}, "whole address"),
        ({"host": "hooks.test", "password": "SECRET"}, "without a login"),
        ({"host": "hooks.test", "password": "https://hooks.test/SECRET"}, "empty the host"),
        ({"host": "https://hooks.test", "extra": {"alert_format": "SECRET"}}, "json, slack, teams"),
        ({"host": "https://hooks.test", "extra": {"alert_fomat": "SECRET"}}, '"alert_format"'),
        ({"host": "https://hooks.test", "extra": {"sig": "SECRET"}}, "part of the address"),
        ({"host": "https://hooks.test", "extra": {"verify": 3}}, "`verify`"),
        ({"uri": "https://hooks.test/x?sig=SECRET"}, "part of the address"),
    ],
    ids=str,
)
def test_a_connection_that_is_wrong_is_told_without_what_it_holds(
    connect: Any, caplog: pytest.LogCaptureFixture, fields: dict[str, Any], said: str
) -> None:
    connect(**fields)

    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        find_webhook()
    assert "SECRET" not in str(caught.value)
    assert send_alert(LINES) == UndeliveredAlert(AlertProblem.SETTINGS)
    assert said in caplog.text
    assert "SECRET" not in caplog.text


# -- its shapes --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ("json", {"text": TEXT}),
        (
            "slack",
            {
                "text": TEXT.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
                "mrkdwn": False,
            },
        ),
        (
            "teams",
            {
                "type": "message",
                "attachments": [
                    {
                        "contentType": "application/vnd.microsoft.card.adaptive",
                        "content": {
                            "type": "AdaptiveCard",
                            "version": "1.4",
                            "body": [
                                {
                                    "type": "TextBlock",
                                    "text": LINES[0],
                                    "wrap": True,
                                    "weight": "Bolder",
                                },
                                {"type": "TextBlock", "text": LINES[1], "wrap": True},
                            ],
                        },
                    }
                ],
            },
        ),
    ],
)
def test_each_service_gets_the_shape_that_it_takes(connect: Any, shape: str, body: Any) -> None:
    with RawServer(answer(200, "" if shape == "teams" else "ok")) as server:
        connect(host=server.url, extra={"alert_format": shape})

        assert send_alert(LINES) is None
        assert posted(server) == body
        assert b"Content-Type: application/json\r\n" in server.requests[0]


def test_a_long_morning_is_shortened_by_whole_lines() -> None:
    lines = [f"hospital {number}: {'x' * 90}" for number in range(200)]

    kept = shortened(lines).splitlines()

    assert len("\n".join(kept[:-1])) <= LONGEST_ALERT
    assert kept[:-1] == lines[: len(kept) - 1]
    assert kept[-1] == f"... e mais {200 - len(kept) + 1}: veja o log"
    assert shortened(lines[:3]) == "\n".join(lines[:3])


@pytest.mark.parametrize("shape", AlertFormat)
def test_the_longest_alert_fits_into_a_card_of_teams(connect: Any, shape: AlertFormat) -> None:
    with RawServer(answer(200)) as server:
        connect(host=server.url, extra={"alert_format": shape})
        send_alert(["é & à" * 10] * 1000)

        assert len(server.requests[0]) < 28 * 1024


# -- its secret --------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour", [answer(200, "ok"), answer(302), answer(404, PATH), reset], ids=range(4)
)
@pytest.mark.parametrize("field", ["host", "password"])
def test_its_address_stands_in_no_log(
    connect: Any, caplog: pytest.LogCaptureFixture, behaviour: Behaviour, field: str
) -> None:
    caplog.set_level(logging.INFO)
    with RawServer(behaviour) as server:
        connect(**{field: f"{server.url}/{PATH}"})
        send_alert(LINES)
        assert "SECRET" not in caplog.text
        assert "SECRET" not in repr(find_webhook())


def test_airflow_masks_its_address_where_somebody_debugs(
    connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = "services/of-this-test-alone"  # whatever the masker learnt once, it masks for ever
    with RawServer(answer(200, "ok")) as server:
        connect(host=f"{server.url}/{path}")
        send_alert(LINES)

    assert path in caplog.text  # urllib3's own line, before it is masked
    assert path not in str(redact(caplog.text))
