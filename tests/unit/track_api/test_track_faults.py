"""Each fault: what the client sees, and whether the batch was accepted behind it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import requests

from stand_ins.track_api import ErrorsForm, faults

ONE = {"900000001": 1}


def outcome(api, post, body, **options) -> str:
    """Tell what a client sees of a POST: a status, or the kind of failure."""
    try:
        return str(post(api, body, **options).status_code)
    except requests.exceptions.ConnectionError as error:
        return "timeout" if "timed out" in str(error) else "cut"
    except requests.exceptions.ChunkedEncodingError:
        return "short"
    except requests.exceptions.Timeout:
        return "timeout"


@pytest.mark.parametrize(
    ("fault", "seen", "accepted"),
    [
        (faults.drop_unread(), "cut", {}),
        (faults.drop(accepted=False), "cut", {}),
        (faults.drop(accepted=True), "cut", ONE),
        (faults.drop(accepted=True, orderly=True), "cut", ONE),
        (faults.answer(500), "500", {}),
        (faults.answer(502), "502", {}),
        (faults.answer(503, accepted=True), "503", ONE),
        (faults.answer(408), "408", {}),
        (faults.answer(409, accepted=True), "409", ONE),
        (faults.answer(404), "404", {}),
        (faults.answer(401), "401", {}),
        (faults.answer(403), "403", {}),
        (faults.truncated(), "short", ONE),
        (faults.html(), "200", ONE),
        (faults.html(status=502, accepted=False), "502", {}),
        (faults.empty(), "200", ONE),
        (faults.empty(status=204), "204", ONE),
        (faults.redirect(302), "302", {}),
        (faults.redirect(307), "307", {}),
        (faults.refuse(400), "400", {}),
        (faults.refuse(413), "413", {}),
        (faults.refuse(415), "415", {}),
        (faults.refuse(422, positions=[0]), "422", {}),
        (faults.too_many_requests(), "429", {}),
        (faults.captcha(), "405", {}),
        (faults.unmatched_errors(), "201", ONE),
        (faults.drip(0.0005), "201", ONE),
        (faults.drip(0.0005, accepted=False), "503", {}),
        (faults.slow_headers(0.01), "201", ONE),
        (faults.slow_body(0.01), "201", ONE),
        (faults.slow_body(0.01, accepted=False), "503", {}),
    ],
    ids=lambda value: value.name if isinstance(value, faults.Fault) else "",
)
def test_a_fault_on_the_wire(api, post, email_body, fault, seen, accepted):
    api.script(fault)

    assert (outcome(api, post, email_body()), api.accepted_ids()) == (seen, accepted)
    assert api.received[0].fault == fault.name


@pytest.mark.parametrize("fault", [faults.drip(30), faults.slow_headers(), faults.slow_body()])
def test_a_pause_outlasts_the_client(api, post, email_body, fault):
    api.script(fault)

    assert outcome(api, post, email_body(), timeout=1) == "timeout"
    assert api.accepted_ids() == ONE


def test_a_large_unread_body_is_not_waited_for(api, post, email_body, line):
    api.script(faults.drop_unread())
    large = email_body(*[line(number, medico="x" * 50_000) for number in range(90)])

    assert outcome(api, post, large) == "cut"
    assert api.received[0].body is None


def test_faults_come_in_order_and_none_is_peace(api, post, email_body):
    api.script(faults.answer(503), None, faults.answer(404))

    seen = [outcome(api, post, email_body()) for _ in range(4)]

    assert seen == ["503", "201", "404", "201"]
    assert api.scripted_left == 0


def test_a_fault_accepts_nothing_that_breaks_the_contract(api, post, email_body, line):
    api.script(faults.answer(503, accepted=True))

    assert outcome(api, post, email_body(line(email=""))) == "503"
    assert api.accepted_ids() == {}


def test_a_refused_connection_comes_after_the_surveys(api, post, get_surveys, email_body):
    api.script(faults.refuse_connections(), None)

    assert get_surveys(api).status_code == 200
    with pytest.raises(requests.ConnectionError, match="refused"):
        post(api, email_body())

    api.listen_again()
    assert post(api, email_body()).status_code == 201
    assert (len(api.received), api.violations) == (1, [])


def test_a_refused_connection_comes_between_two_posts(api, post, email_body):
    api.script(None, faults.refuse_connections(), faults.answer(503))

    assert post(api, email_body()).status_code == 201
    with pytest.raises(requests.ConnectionError, match="refused"):
        post(api, email_body())
    api.listen_again()
    assert post(api, email_body()).status_code == 503


def test_refusing_ends_by_itself(api, post, get_surveys, email_body):
    api.script(faults.refuse_connections(0.001))
    get_surveys(api)

    for _ in range(1000):
        if outcome(api, post, email_body()) == "201":
            break

    assert api.accepted_ids() == ONE


def test_a_refused_connection_nobody_could_refuse_is_told(api, post, email_body):
    api.script(faults.refuse_connections())

    assert outcome(api, post, email_body()) == "cut"
    assert "before a refused connection" in api.violations[0]


@pytest.mark.parametrize(
    ("form", "errors"),
    [
        (ErrorsForm.BY_KEY, {"import_lines.1.email": ["is not acceptable"]}),
        (
            ErrorsForm.BY_LINE,
            [{"line": 1, "field": "email", "message": "is not acceptable"}],
        ),
        (
            ErrorsForm.BY_ATTENDANCE,
            [{"cd_atendimento": "900000002", "field": "email", "message": "is not acceptable"}],
        ),
    ],
)
def test_a_refusal_names_lines_in_either_form(api, post, email_body, line, form, errors):
    api.script(faults.refuse(422, positions=[1], form=form))

    assert post(api, email_body(line(1), line(2))).json()["errors"] == errors


def test_a_refusal_may_name_no_line(api, post, email_body):
    api.script(faults.refuse(422))

    assert "errors" not in post(api, email_body()).json()


@pytest.mark.parametrize(
    ("retry_after", "header"),
    [
        (120, "120"),
        (datetime(2026, 3, 10, 12, 2, tzinfo=UTC), "Tue, 10 Mar 2026 12:02:00 GMT"),
        (None, None),
    ],
)
def test_retry_after_comes_in_seconds_or_as_a_date(api, post, email_body, retry_after, header):
    api.script(faults.too_many_requests(retry_after))

    assert post(api, email_body()).headers.get("Retry-After") == header


def test_a_captcha_is_a_page(api, post, email_body):
    api.script(faults.captcha())

    response = post(api, email_body())

    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "CAPTCHA" in response.text


@pytest.mark.parametrize("form", ErrorsForm)
def test_unmatched_errors_are_there(api, post, email_body, form):
    api.script(faults.unmatched_errors(form))

    assert len(post(api, email_body()).json()["errors"]) == 1


@pytest.mark.parametrize(("status", "method"), [(302, "GET"), (307, "POST")])
def test_a_followed_redirect_is_a_violation(api, post, email_body, status, method):
    api.script(faults.redirect(status))

    assert post(api, email_body(), allow_redirects=True).status_code == 200
    assert api.requests["moved"] == 1
    assert api.violations == [f"a {method} followed a redirect"]


def test_the_surveys_get_faults_of_their_own(api, post, get_surveys, email_body):
    api.script_surveys(faults.answer(503), faults.html(), None)

    seen = [get_surveys(api) for _ in range(3)]

    assert [response.status_code for response in seen] == [503, 200, 200]
    assert seen[1].headers["Content-Type"].startswith("text/html")
    assert post(api, email_body()).status_code == 201


def test_refusing_a_get_is_not_scripted(api):
    with pytest.raises(ValueError, match="refusing"):
        api.script_surveys(faults.refuse_connections())


def test_random_faults_repeat_with_their_seed(make_api, post, email_body):
    def run() -> list[str | None]:
        api = make_api()
        api.random_faults(seed=7, rate=0.5)
        for _ in range(30):
            outcome(api, post, email_body())
        return [received.fault for received in api.received]

    first = run()

    assert first == run()
    assert {None} < set(first)


def test_random_faults_are_of_the_kinds_wanted(api, post, email_body):
    api.random_faults(seed=1, rate=1.0, kinds=faults.CERTAIN)

    for _ in range(10):
        outcome(api, post, email_body())

    assert api.accepted_ids() == {}


def test_behaving_again_forgets_everything(api, post, email_body):
    api.script(faults.answer(503))
    api.random_faults(seed=1, rate=1.0)
    api.reject({"900000001"})

    api.behave()

    assert post(api, email_body()).status_code == 201
