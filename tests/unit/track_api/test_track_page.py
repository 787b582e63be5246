"""The page and the counts it is made of."""

from __future__ import annotations

import requests

from stand_ins.track_api import Survey, faults

EXAMES = "11111111-1111-4111-8111-111111111111"


def page(api) -> str:
    response = requests.get(api.url, timeout=30)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    return response.text


def test_an_empty_page_lists_the_surveys(api):
    text = page(api)

    assert "Hospital A · Internação" in text
    assert "Nothing received yet." in text


def test_a_batch_shows_with_its_id_and_answer(api, post, email_body):
    api.script(faults.answer(503))
    post(api, email_body())

    text = page(api)

    assert "batch-1" in text
    assert ">503</span>" in text


def test_names_are_masked_and_contacts_are_absent(api, post, email_body, line):
    people = [line(number, name="Ana Souza") for number in range(5)]
    post(api, email_body(*people))

    text = page(api)

    assert "A. S., A. S., A. S., + 2" in text
    assert "Souza" not in text
    assert "exemplo.test" not in text
    assert "5527999990000" not in text
    assert "90000000" not in text


def test_what_others_wrote_is_escaped(make_api, post, email_body):
    api = make_api(surveys=[Survey(uuid=EXAMES, name="<script>1</script>")])
    post(api, email_body(), headers={"Idempotency-Key": "<b>key</b>"})

    text = page(api)

    assert "<script>" not in text
    assert "&lt;script&gt;1&lt;/script&gt;" in text
    assert "&lt;b&gt;key&lt;/b&gt;" in text


def test_broken_rules_show(api, post, email_body):
    api.script(faults.redirect())
    post(api, email_body(), allow_redirects=True)

    assert "a GET followed a redirect" in page(api)


def test_the_page_stands_alone(api):
    text = page(api)

    assert "http://" not in text
    assert "https://" not in text
    assert "src=" not in text


def test_a_body_that_is_anything_still_shows(api, post):
    post(api, {"survey_uuid": 1, "import_lines": ["x", {"name": 2, "cd_atendimento": []}]})

    assert "(no survey of ours)" in page(api)


def test_received_json_counts_by_survey_and_unit(api, post, email_body, line):
    post(api, email_body(line(1), line(2, unidade="Hospital B")))

    counts = requests.get(f"{api.url}/received.json", timeout=30).json()

    assert counts["posts"] == 1
    assert counts["surveys"][0] == {
        "uuid": EXAMES,
        "name": "Hospital A · Exames",
        "batches": 1,
        "accepted": 2,
        "refused": 0,
        "last_received_at": "2026-03-10T12:00:00+00:00",
    }
    assert [(unit["unidade"], unit["accepted"]) for unit in counts["units"]] == [
        ("Hospital A", 1),
        ("Hospital B", 1),
    ]
