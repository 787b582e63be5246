"""The stand-in as a server: surveys, one batch at a time, coming and going."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading

import pytest
import requests

from stand_ins.track_api import ORGANIZATION, TOKEN, TrackStandIn, faults

EXAMES = "11111111-1111-4111-8111-111111111111"
INTERNACAO = "22222222-2222-4222-8222-222222222222"


def names(response) -> list[str]:
    return [row["name"].rpartition(" ")[2] for row in response.json()["data"]]


@pytest.mark.parametrize(
    ("page", "expected"), [(1, ["Exames", "Internação"]), (2, ["Ambulatório"]), (3, [])]
)
def test_surveys_come_page_by_page(api, get_surveys, page, expected):
    response = get_surveys(api, include_questions="False", limit=2, page=page)

    assert names(response) == expected
    assert (response.json()["page"], response.json()["total_pages"]) == (page, 2)


def test_surveys_may_come_as_a_bare_list(make_api, get_surveys):
    response = get_surveys(make_api(bare_list=True), limit=1, page=2)

    assert response.json() == [
        {"uuid": INTERNACAO, "name": "Hospital A · Internação", "status": "active"}
    ]


def test_questions_come_when_asked_for(api, get_surveys):
    assert get_surveys(api, include_questions="True").json()["data"][0]["questions"] == []


@pytest.mark.parametrize(
    "params", [{"page": 0}, {"limit": "x"}, {"include_questions": "maybe"}, {"order": "name"}]
)
def test_a_wrong_parameter_is_refused(api, get_surveys, params):
    assert get_surveys(api, **params).status_code == 422


@pytest.mark.parametrize(
    ("organization", "token", "status"),
    [
        (ORGANIZATION, "wrong", 401),
        ("99999999-9999-4999-8999-999999999999", TOKEN, 403),
    ],
)
@pytest.mark.parametrize("what", ["surveys", "distributions"])
def test_only_the_organizations_own_token_is_let_in(api, organization, token, status, what):
    method = requests.get if what == "surveys" else requests.post
    url = f"{api.url}/v1/organizations/{organization}/{what}"

    response = method(url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    assert response.status_code == status


def test_any_other_path_is_not_found(api):
    url = f"{api.distributions_url}/createLinkList"

    assert requests.post(url, json={}, timeout=30).status_code == 404


def waiting_post(api, body) -> socket.socket:
    """POST, read the status line, and leave the rest of the answer where it is."""
    request = requests.Request(
        "POST", api.distributions_url, json=body, headers={"Authorization": f"Bearer {TOKEN}"}
    ).prepare()
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    client = socket.create_connection((api.host, api.port))
    client.sendall(f"POST {request.path_url} HTTP/1.1\r\n{head}\r\n".encode() + request.body)
    assert client.recv(12) == b"HTTP/1.1 201"
    return client


def test_a_second_post_to_a_survey_at_once_is_a_violation(api, post, email_body, line):
    api.script(faults.slow_body())
    with waiting_post(api, email_body(line(1))):
        response = post(api, email_body(line(2)))

    assert response.status_code == 409
    assert api.accepted_ids() == {"900000001": 1}
    assert [received.concurrent for received in api.received] == [False, True]
    assert len(api.violations) == 1


def test_a_post_to_another_survey_at_once_is_no_violation(api, post, email_body, line):
    api.script(faults.slow_body())
    with waiting_post(api, email_body(line(1))):
        response = post(api, email_body(line(2, uuid=INTERNACAO), survey_uuid=INTERNACAO))

    assert (response.status_code, api.violations) == (201, [])


def test_a_post_after_the_client_gave_up_is_no_violation(api, post, email_body, line):
    api.script(faults.slow_body())
    waiting_post(api, email_body(line(1))).close()

    response = post(api, email_body(line(2)))

    assert (response.status_code, api.violations) == (201, [])


def test_one_post_after_the_other_is_no_violation(api, post, email_body, line):
    for number in range(20):
        post(api, email_body(line(number)))

    assert api.violations == []


def test_stopping_ends_a_pause_and_every_thread(make_api, email_body):
    api = make_api()
    api.script(faults.slow_body())
    with waiting_post(api, email_body()) as client:
        api.stop()
        while client.recv(4096):
            pass

    assert [thread for thread in threading.enumerate() if thread.name == "track-api"] == []


def test_nobody_listens_after_stopping():
    with TrackStandIn(surveys={EXAMES: "Exames"}) as api:
        pass

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((api.host, api.port))


def test_connections_are_refused_meanwhile(api, get_surveys):
    with api.refusing(), pytest.raises(requests.ConnectionError, match="refused"):
        get_surveys(api)

    assert get_surveys(api).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_command_cleanly(tmp_path, number):
    surveys = tmp_path / "surveys.json"
    surveys.write_text(f'{{"{EXAMES}": "Exames"}}', encoding="utf-8")
    command = [sys.executable, "-m", "stand_ins.track_api", "--port", "0", "--token", "t"]
    with subprocess.Popen(
        [*command, "--surveys-file", str(surveys)], stdout=subprocess.PIPE, text=True
    ) as process:
        url = process.stdout.readline().split()[-1]
        counts = requests.get(f"{url}/received.json", timeout=30).json()
        process.send_signal(number)
        code = process.wait(timeout=30)

    assert [row["name"] for row in counts["surveys"]] == ["Exames"]
    assert code == 0
