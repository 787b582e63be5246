"""What the stand-in remembers, which is what every test of the product judges by."""

from __future__ import annotations

from datetime import UTC, datetime

import requests

from stand_ins.track_api import TOKEN, Fate, faults

EXAMES = "11111111-1111-4111-8111-111111111111"
INTERNACAO = "22222222-2222-4222-8222-222222222222"


def test_a_post_is_recorded_before_it_is_answered(api, post, email_body):
    body = email_body()
    post(api, body)

    (received,) = api.received

    assert received.body == body
    assert (received.number, received.status, received.accepted) == (1, 201, True)
    assert (received.idempotency_key, received.authorized) == ("batch-1", True)
    assert (received.survey_uuid, received.channel) == (EXAMES, "email")
    assert received.at == datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def test_headers_that_are_missing_or_wrong_show(api, post, email_body):
    post(api, email_body(), headers={"Authorization": None, "Idempotency-Key": None})
    post(api, email_body(), headers={"Authorization": "Bearer wrong"})

    shown = [(received.authorized, received.idempotency_key) for received in api.received]

    assert shown == [(None, None), (False, "batch-1")]


def test_a_post_without_an_answer_has_no_status(api, post, email_body, get_surveys):
    api.script(faults.drop_unread(), faults.drop(accepted=True))
    for _ in range(2):
        try:
            post(api, email_body())
        except requests.ConnectionError:
            continue

    assert [received.status for received in api.received] == [None, None]
    assert [received.accepted for received in api.received] == [False, True]


def test_a_kept_alive_connection_shows(api, email_body, line):
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        for number in range(2):
            session.post(api.distributions_url, json=email_body(line(number)), timeout=30)

    assert [received.connection for received in api.received] == [1, 1]


def test_fresh_connections_show(api, post, email_body, line):
    for number in range(2):
        post(api, email_body(line(number)))

    assert [received.connection for received in api.received] == [1, 2]


def test_accepted_twice_is_told_by_id_and_survey(api, post, email_body, line):
    post(api, email_body(line(1), line(2)))
    post(api, email_body(line(2, uuid=INTERNACAO), survey_uuid=INTERNACAO))

    assert api.accepted_ids() == {"900000001": 1, "900000002": 2}
    assert api.accepted_ids(EXAMES) == {"900000001": 1, "900000002": 1}
    assert api.accepted_twice() == [("Hospital A", "900000002")]


def test_the_same_number_at_two_hospitals_is_two_people(api, post, email_body, line):
    post(api, email_body(line(1), line(1, unidade="Hospital B")))

    assert api.accepted_twice() == []


def test_requests_are_counted_by_kind(api, post, get_surveys, email_body):
    get_surveys(api)
    post(api, email_body())
    post(api, email_body())
    requests.get(f"{api.url}/nowhere", timeout=30)
    requests.get(f"{api.url}/received.json", timeout=30)

    assert api.requests == {"surveys": 1, "distributions": 2, "other": 1}


def test_refused_lines_are_those_singled_out(api, post, email_body, line):
    api.reject({"900000002"}, named=False)
    post(api, email_body(line(1), line(2)))
    post(api, email_body(line(2)))

    fates = [received.ids(Fate.REFUSED) for received in api.received]

    assert fates == [[], ["900000002"]]


def test_the_summary_counts_a_refused_line_once(api, post, email_body, line):
    api.reject({"900000002"})
    post(api, email_body(line(1), line(2)))
    post(api, email_body(line(1)))
    post(api, email_body(line(2)))

    expected = {
        "unidade": "Hospital A",
        "area_pesquisa": "EXAMES",
        "channel": "email",
        "posts": 3,
        "accepted": 1,
        "refused": 1,
    }

    assert api.summary()["units"] == [expected]


def test_a_line_accepted_after_a_refusal_is_not_refused(api, post, email_body, line):
    api.script(faults.refuse(422, positions=[0]))
    post(api, email_body(line(1)))
    post(api, email_body(line(1)))

    (unit,) = api.summary()["units"]

    assert (unit["accepted"], unit["refused"]) == (1, 0)


def test_bodies_may_be_forgotten_but_not_the_counts(make_api, post, email_body, line):
    api = make_api(keep_bodies=False)
    post(api, email_body(line(1)))

    assert (api.received[0].body, api.received[0].raw) == (None, b"")
    assert api.accepted_ids() == {"900000001": 1}


def test_no_repr_shows_a_patient(api, post, email_body, line):
    post(api, email_body(line(1)))

    shown = repr(api.received)

    assert "900000001" not in shown
    assert "fulana" not in shown.lower()
