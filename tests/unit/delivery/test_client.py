from __future__ import annotations

import json
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from transport_rig import free_port

from tests.unit.delivery.raw_server import (
    Behaviour,
    RawServer,
    answer,
    drip,
    hang,
    head_of,
    reset,
    say,
    say_and_reset,
)
from track_dispatch.delivery.answer_body import LineError
from track_dispatch.delivery.answer_table import AnswerCase, OutcomeKind, TransportFailure
from track_dispatch.delivery.client import MAX_PAGES, TrackClient, TrackSurvey
from track_dispatch.delivery.responses import BatchTexts, Outcome, TrackResponse, classify_response
from track_dispatch.delivery.transport import BearerAuth
from track_dispatch.errors import ConfigError, NotDeliveredError, ServiceStoppedError

#: Seconds for what never ends by itself; everything else has ample time on a busy machine.
DEADLINE = 0.4
ORGANIZATION = "6f9b3c52-0000-4000-8000-0000000000aa"
ROOT = f"/v1/organizations/{ORGANIZATION}"
NOW = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
IDS = ("900000001", "900000002")
BODY: dict[str, Any] = {
    "survey_uuid": "0d2a0000-0000-4000-8000-000000000001",
    "distribution_channel": "email",
    "import_lines": [
        {"cd_atendimento": IDS[0], "name": "Antônia Planted", "cpf": "11122233344"},
        {"cd_atendimento": IDS[1], "name": "João Planted", "phone": "5527999990000"},
    ],
}
HTML = "<html>Em manutenção</html>"


def client_of(url: str, *, deadline: float = 10) -> TrackClient:
    session = requests.Session()
    session.trust_env = False
    session.auth = BearerAuth("planted-token")
    return TrackClient(
        session,
        base_url=url,
        organization=ORGANIZATION,
        deadline_seconds=deadline,
        clock=lambda: NOW,
    )


@pytest.fixture
def closed_port() -> str:
    return f"http://127.0.0.1:{free_port()}"


def posted(client: TrackClient) -> Outcome:
    body = json.dumps(BODY, ensure_ascii=False).encode()
    with client:
        answer = client.post_distribution(body, idempotency_key="batch-1")
    return classify_response(
        answer, IDS, now=NOW, acceptance=("uuid", "id"), values=BatchTexts(body)
    )


def errors(value: object) -> str:
    return json.dumps({"uuid": "d-1", "errors": value})


JSON_HEAD = head_of(200, "x" * 50)

#: The table of docs/track-api.md#answers, row by row.
ROWS: list[tuple[str, Behaviour, OutcomeKind]] = [
    ("429 in seconds", answer(429, headers={"Retry-After": "60"}), OutcomeKind.NOT_DELIVERED),
    ("405, the CAPTCHA", answer(405, HTML, "text/html"), OutcomeKind.STOPPED),
    ("401", answer(401), OutcomeKind.STOPPED),
    ("403", answer(403), OutcomeKind.STOPPED),
    ("302", answer(302, headers={"Location": "/login"}), OutcomeKind.UNCERTAIN),
    ("303 to nowhere", answer(303, headers={"Location": "http://["}), OutcomeKind.UNCERTAIN),
    ("307", answer(307, headers={"Location": "/login"}), OutcomeKind.MISCONFIGURED),
    ("308 to nowhere", answer(308, headers={"Location": "http://["}), OutcomeKind.MISCONFIGURED),
    ("404", answer(404, HTML, "text/html"), OutcomeKind.MISCONFIGURED),
    ("415", answer(415), OutcomeKind.MISCONFIGURED),
    ("418", answer(418), OutcomeKind.MISCONFIGURED),
    ("413", answer(413), OutcomeKind.TOO_LARGE),
    ("400 naming", answer(400, errors([{"cd_atendimento": IDS[0]}])), OutcomeKind.REFUSED),
    ("422 naming", answer(422, errors({"import_lines.0.cpf": ["x"]})), OutcomeKind.REFUSED),
    ("422 naming nobody", answer(422, '{"message": "no"}'), OutcomeKind.REFUSED),
    ("200 JSON", answer(200, '{"uuid": "d-1"}'), OutcomeKind.ACCEPTED),
    ("201 without length", say(b"HTTP/1.1 201 OK\r\n\r\n"), OutcomeKind.UNCERTAIN),
    ("204", answer(204, content_type=None), OutcomeKind.ACCEPTED),
    ("200 JSON cut short", say(JSON_HEAD + b'{"uuid'), OutcomeKind.UNCERTAIN),
    ("200 JSON reset in the body", say_and_reset(JSON_HEAD + b'{"uuid'), OutcomeKind.UNCERTAIN),
    ("200 with errors", answer(200, errors([{"line": 1}])), OutcomeKind.ACCEPTED),
    ("200 with other errors", answer(200, errors(["oops"])), OutcomeKind.UNCERTAIN),
    ("200 HTML", answer(200, HTML, "text/html; charset=utf-8"), OutcomeKind.UNCERTAIN),
    ("200 text", answer(200, "OK", "text/plain"), OutcomeKind.UNCERTAIN),
    ("200 cut in the head", say(b"HTTP/1.1 200 OK\r\nContent-Ty"), OutcomeKind.UNCERTAIN),
    ("207", answer(207, '{"uuid": "d-1"}'), OutcomeKind.UNCERTAIN),
    ("103 and no answer", say(b"HTTP/1.1 103 Early Hints\r\n\r\n"), OutcomeKind.UNCERTAIN),
    ("999", answer(999), OutcomeKind.UNCERTAIN),
    ("408", answer(408), OutcomeKind.UNCERTAIN),
    ("409", answer(409), OutcomeKind.UNCERTAIN),
    ("500", answer(500, HTML, "text/html"), OutcomeKind.UNCERTAIN),
    ("502", answer(502, HTML, "text/html"), OutcomeKind.UNCERTAIN),
    ("reset", reset, OutcomeKind.UNCERTAIN),
    ("hung up", say(b""), OutcomeKind.UNCERTAIN),
]


@pytest.mark.parametrize(
    ("behaviour", "verdict"),
    [pytest.param(behaviour, verdict, id=name) for name, behaviour, verdict in ROWS],
)
def test_each_row_of_the_table_of_outcomes(behaviour: Behaviour, verdict: OutcomeKind) -> None:
    with RawServer(behaviour) as server:
        outcome = posted(client_of(server.url))

    assert (outcome.verdict, len(server.requests)) == (verdict, 1)


def test_every_case_that_a_status_tells_comes_over_the_wire() -> None:
    told = []
    for _, behaviour, _ in ROWS:
        with RawServer(behaviour) as server:
            told.append(posted(client_of(server.url)).detail)

    cases = [case for case in AnswerCase if case.statuses or case is AnswerCase.UNFORESEEN]
    assert [case for case in cases if not any(text.startswith(case.fact) for text in told)] == []


@pytest.mark.parametrize(
    ("behaviour", "verdict"),
    [
        (drip(JSON_HEAD, b" "), OutcomeKind.UNCERTAIN),
        (hang, OutcomeKind.UNCERTAIN),
        (drip(b"HTTP/1.1 200 OK\r\n", b"X-Drop: 1\r\n"), OutcomeKind.UNCERTAIN),
    ],
)
def test_what_never_ends_is_judged_at_the_deadline(
    behaviour: Behaviour, verdict: OutcomeKind
) -> None:
    with RawServer(behaviour) as server:
        outcome = posted(client_of(server.url, deadline=DEADLINE))

    assert (outcome.verdict, len(server.requests)) == (verdict, 1)


def test_a_refused_connection_is_no_delivery(closed_port: str) -> None:
    assert posted(client_of(closed_port)).verdict == OutcomeKind.NOT_DELIVERED


@pytest.mark.parametrize("header", ["300", "Mon, 02 Mar 2026 11:05:00 GMT"])
def test_retry_after_counts_in_seconds_from_now(header: str) -> None:
    with RawServer(answer(429, headers={"Retry-After": header})) as server:
        assert posted(client_of(server.url)).retry_after == 300.0


def test_receipt_and_refused_lines_come_out_of_an_acceptance() -> None:
    body = errors([{"cd_atendimento": IDS[1], "code": "invalid_phone", "field": "phone"}])

    with RawServer(answer(200, body)) as server:
        outcome = posted(client_of(server.url))

    assert (outcome.receipt, outcome.faults) == ("d-1", {1: LineError("invalid_phone", "phone")})


@pytest.mark.parametrize("echo", ["Planted", "planted_cpf", "11122233344", "5527999990000"])
def test_what_track_echoes_of_the_batch_is_not_kept(echo: str) -> None:
    body = json.dumps({"uuid": echo, "errors": [{"line": 0, "code": echo, "field": echo}]})

    with RawServer(answer(422, body)) as server:
        outcome = posted(client_of(server.url))

    assert echo not in repr(outcome)


def test_bytes_are_posted_as_they_stand_each_with_its_key() -> None:
    bodies = [b'{"import_lines":[]}', b" \n{}", '{"name": "Antônia"}'.encode()]

    with RawServer(answer(200, '{"uuid": "d-1"}')) as server, client_of(server.url) as client:
        found = [
            client.post_distribution(body, idempotency_key=f"batch-{i}")
            for i, body in enumerate(bodies)
        ]
    requests = [request.partition(b"\r\n\r\n") for request in server.requests]
    heads = [set(head.decode().split("\r\n")) for head, _, _ in requests]

    assert found == [TrackResponse(200, "application/json", b'{"uuid": "d-1"}')] * 3
    assert [body for _, _, body in requests] == bodies
    for i, (head, body) in enumerate(zip(heads, bodies, strict=True)):
        assert {
            f"POST {ROOT}/distributions HTTP/1.1",
            "Authorization: Bearer planted-token",
            "Accept: application/json",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            f"Idempotency-Key: batch-{i}",
        } <= head


def test_bytes_that_bring_no_answer_bring_the_reason(closed_port: str) -> None:
    with client_of(closed_port) as client:
        found = client.post_distribution(b"{}", idempotency_key="batch-1")

    assert found == TransportFailure.UNREACHABLE


def test_a_post_says_nothing_of_a_question_asked_before_nor_the_other_way_round() -> None:
    with RawServer(answer(200, "[]")) as server, client_of(server.url) as client:
        client.probe()
        client.post_distribution(b"{}", idempotency_key="batch-1")
        client.probe()
    first, post, second = server.requests

    assert post.endswith(b"\r\n\r\n{}")
    assert (b"Idempotency-Key" in first, b"Idempotency-Key" in second) == (False, False)
    assert first == second


@pytest.mark.parametrize("posts", [0, 1])
def test_a_closed_client_leaves_no_thread(closed_port: str, posts: int) -> None:
    before = threading.active_count()

    with client_of(closed_port) as client:
        for _ in range(posts):
            client.post_distribution(b"{}", idempotency_key="batch-1")

    assert threading.active_count() == before


def test_a_worker_posts_while_the_main_thread_goes_on() -> None:
    arrived, may_answer = threading.Event(), threading.Event()

    def answer_when_told(sock: socket.socket) -> None:
        arrived.set()
        may_answer.wait(10)
        answer(204)(sock)

    with (
        RawServer(answer_when_told) as server,
        client_of(server.url) as client,
        ThreadPoolExecutor(1) as worker,
    ):
        posting = worker.submit(client.post_distribution, b"{}", idempotency_key="batch-1")
        assert arrived.wait(10)
        may_answer.set()  # nothing of the main thread has waited for the answer

        assert posting.result() == TrackResponse(204, "application/json")


def test_a_post_is_utf8_json_with_token_and_key() -> None:
    with RawServer(answer(204)) as server:
        posted(client_of(server.url))
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")

    assert lines[0] == f"POST {ROOT}/distributions HTTP/1.1"
    assert {
        "Authorization: Bearer planted-token",
        "Content-Type: application/json",
        "Idempotency-Key: batch-1",
        "Accept-Encoding: identity",
        "Connection: close",
    } <= set(lines)
    assert json.loads(body.decode("utf-8")) == BODY
    assert "Antônia".encode() in body


def test_nothing_of_a_post_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    for behaviour in (answer(422, errors(["Planted"])), reset):
        with RawServer(behaviour) as server:
            posted(client_of(server.url))

    assert not {text for text in ("lanted", *IDS, "11122233344") if text in caplog.text}


def pages(server_pages: list[object]) -> Behaviour:
    """Give one page after the other, the last one for ever."""
    left = [json.dumps(page) for page in server_pages]

    def behave(sock: socket.socket) -> None:
        answer(200, left.pop(0) if len(left) > 1 else left[0])(sock)

    return behave


def rows(first: int, last: int) -> list[dict[str, str]]:
    return [
        {"uuid": f"s{i}", "name": f"Survey {i}", "status": "active"} for i in range(first, last)
    ]


def listed(server_pages: list[object]) -> list[str]:
    with RawServer(pages(server_pages)) as server, client_of(server.url) as client:
        return [survey.uuid for survey in client.list_surveys()]


def uuids(last: int) -> list[str]:
    return [f"s{i}" for i in range(last)]


@pytest.mark.parametrize(
    ("server_pages", "count"),
    [
        ([{"data": rows(0, 2), "page": 1, "total_pages": 1}], 2),
        ([{"data": rows(0, 2), "total_pages": 2}, {"data": rows(2, 3), "total_pages": 2}], 3),
        ([{"data": [], "page": 1, "total_pages": 0}], 0),
        ([rows(0, 3)], 3),
        ([rows(0, 100), rows(100, 101)], 101),
        ([rows(0, 100)], 100),
        ([{"data": rows(0, 100)}, {"data": []}], 100),
        ([{"data": rows(0, 2), "total_pages": 10**9}], 2),
        ([[]], 0),
    ],
)
def test_surveys_are_listed_page_by_page(server_pages: list[object], count: int) -> None:
    assert listed(server_pages) == uuids(count)


def test_a_survey_has_uuid_name_and_status() -> None:
    page = [{"uuid": "s0", "name": "Internação", "status": "active"}, {"uuid": "s1"}]

    with RawServer(pages([page])) as server, client_of(server.url) as client:
        assert client.list_surveys() == [
            TrackSurvey("s0", "Internação", "active"),
            TrackSurvey("s1", "", ""),
        ]


def test_a_list_of_surveys_without_end_is_given_up() -> None:
    endless = [{"data": rows(i, i + 1), "total_pages": 10**9} for i in range(MAX_PAGES + 5)]

    with pytest.raises(NotDeliveredError, match="did not end"):
        listed(endless)


def test_listing_asks_for_the_pages_in_turn() -> None:
    with (
        RawServer(pages([rows(0, 100), []])) as server,
        client_of(server.url) as client,
    ):
        client.list_surveys()
    targets = [urlsplit(request.split()[1].decode()) for request in server.requests]

    assert [target.path for target in targets] == [f"{ROOT}/surveys"] * 2
    assert [parse_qs(target.query) for target in targets] == [
        {"include_questions": ["False"], "limit": ["100"], "page": [page]} for page in ("1", "2")
    ]


def test_a_probe_asks_once_for_one_survey() -> None:
    with RawServer(pages([rows(0, 1)])) as server, client_of(server.url) as client:
        client.probe()

    assert [request.split()[:2] for request in server.requests] == [
        [b"GET", f"{ROOT}/surveys?include_questions=False&limit=1&page=1".encode()]
    ]


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (answer(401), ServiceStoppedError),
        (answer(403), ServiceStoppedError),
        (answer(405, HTML, "text/html"), ServiceStoppedError),
        (answer(302, headers={"Location": "/login"}), ConfigError),
        (answer(308, headers={"Location": "/login"}), ConfigError),
        (answer(404), ConfigError),
        (answer(400), ConfigError),
        (answer(422), ConfigError),
        (answer(429), NotDeliveredError),
        (answer(409), NotDeliveredError),
        (answer(500), NotDeliveredError),
        (answer(503), NotDeliveredError),
        (answer(200, HTML, "text/html"), NotDeliveredError),
        (answer(200, HTML), NotDeliveredError),
        (answer(200, ""), NotDeliveredError),
        (answer(200, "null"), NotDeliveredError),
        (answer(200, "{}"), NotDeliveredError),
        (answer(200, '{"data": [{"name": "x"}]}'), NotDeliveredError),
        (answer(200, '["s1"]'), NotDeliveredError),
        (answer(204), NotDeliveredError),
        (answer(207, "[]"), NotDeliveredError),
        (say(JSON_HEAD + b"[]"), NotDeliveredError),
        (say(JSON_HEAD + b'[{"uuid"'), NotDeliveredError),
        (reset, NotDeliveredError),
    ],
)
def test_a_question_without_a_proper_answer_is_an_error(
    behaviour: Behaviour, error: type[Exception]
) -> None:
    with RawServer(behaviour) as server, client_of(server.url) as client, pytest.raises(error):
        client.probe()


@pytest.mark.parametrize("behaviour", [hang, drip(JSON_HEAD, b" ")])
def test_a_question_that_gets_no_answer_in_time_is_an_error(behaviour: Behaviour) -> None:
    with (
        RawServer(behaviour) as server,
        client_of(server.url, deadline=DEADLINE) as client,
        pytest.raises(NotDeliveredError),
    ):
        client.probe()


def test_an_outage_is_an_error_of_the_question(closed_port: str) -> None:
    with client_of(closed_port) as client, pytest.raises(NotDeliveredError):
        client.probe()


def test_a_question_put_off_says_for_how_long() -> None:
    with (
        RawServer(answer(503, headers={"Retry-After": "90"})) as server,
        client_of(server.url) as client,
        pytest.raises(NotDeliveredError) as caught,
    ):
        client.list_surveys()

    assert (caught.value.status, caught.value.retry_after) == (503, 90.0)
