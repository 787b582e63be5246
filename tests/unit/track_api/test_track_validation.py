"""Every rule of the contract refuses, at the place where it is broken."""

from __future__ import annotations

import json

import pytest

EXAMES = "11111111-1111-4111-8111-111111111111"
JSON_TYPE = {"Content-Type": "application/json"}


def keys(response) -> list[str]:
    return sorted(response.json().get("errors", {}))


def test_a_right_email_distribution_is_accepted(api, post, email_body):
    response = post(api, email_body())

    assert response.status_code == 201
    assert set(response.json()) == {"uuid"}


def test_a_right_whatsapp_distribution_is_accepted(api, post, whatsapp_body):
    assert post(api, whatsapp_body()).status_code == 201


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"survey_uuid": "no-uuid"}, "survey_uuid"),
        ({"distribution_channel": "pigeon"}, "distribution_channel"),
        ({"reminder_channel": "pigeon"}, "reminder_channel"),
        ({"reminder_channel": None}, "reminder_channel"),
        ({"validity_at": "1900000000"}, "validity_at"),
        ({"validity_at": 1900000000.5}, "validity_at"),
        ({"validity_at": True}, "validity_at"),
        ({"validity_at": 1773144000}, "validity_at"),  # the very moment of the clock
        ({"validity_at": 1774440000000}, "validity_at"),  # milliseconds
        ({"reminder_at": 1773143999}, "reminder_at"),
        ({"template_invite_hash": "aB3dE"}, "template_invite_hash"),
        ({"template_expired_hash": "aB3dE67"}, "template_expired_hash"),
        ({"template_thanks_hash": 123456}, "template_thanks_hash"),
        ({"import_lines": []}, "import_lines"),
        ({"import_lines": {}}, "import_lines"),
        ({"import_lines": ["a line"]}, "import_lines.0"),
        ({"stranger": "x"}, "stranger"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(api, post, email_body, fields, key):
    response = post(api, email_body() | fields)

    assert (response.status_code, keys(response)) == (422, [key])


@pytest.mark.parametrize(
    "name",
    [
        "survey_uuid",
        "distribution_channel",
        "validity_at",
        "import_lines",
        "template_invite_hash",
        "template_expired_hash",
        "template_thanks_hash",
    ],
)
def test_an_email_distribution_needs(api, post, email_body, name):
    body = email_body()
    del body[name]

    response = post(api, body)

    assert (response.status_code, keys(response)) == (422, [name])


@pytest.mark.parametrize(
    "name",
    [
        "whatsapp_template",
        "whatsapp_reminder_template",
        "whatsapp_integration_uuid",
        "reminder_at",
    ],
)
def test_a_whatsapp_distribution_with_a_reminder_needs(api, post, whatsapp_body, name):
    body = whatsapp_body()
    del body[name]

    response = post(api, body)

    assert (response.status_code, keys(response)) == (422, [name])


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"name": ""}, "whatsapp_template.name"),
        ({"language": "en"}, "whatsapp_template.language"),
        ({"id_provider": "12"}, "whatsapp_template.id_provider"),
        ({"variables": ["medico"]}, "whatsapp_template.variables.0"),
        ({"stranger": "x"}, "whatsapp_template.stranger"),
    ],
)
def test_a_whatsapp_template_has_its_form(api, post, whatsapp_body, fields, key):
    body = whatsapp_body()
    body["whatsapp_template"] = body["whatsapp_template"] | fields

    response = post(api, body)

    assert (response.status_code, keys(response)) == (422, [key])


@pytest.mark.parametrize("variable", ["interaction.nickname", "customer.nickname"])
def test_a_template_takes_only_what_the_line_has(api, post, whatsapp_body, variable):
    body = whatsapp_body()
    body["whatsapp_template"] = body["whatsapp_template"] | {"variables": [variable]}

    response = post(api, body)

    assert keys(response) == [f"import_lines.0.{variable.partition('.')[2]}"]


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"medico": None}, "medico"),
        ({"cd_atendimento": 900000001}, "cd_atendimento"),
        ({"cd_atendimento": ""}, "cd_atendimento"),
        ({"cd_atendimento": " "}, "cd_atendimento"),
        ({"uuid": "22222222-2222-4222-8222-222222222222"}, "uuid"),
        ({"email": ""}, "email"),
        ({"email": "NAO TEM"}, "email"),
        ({"phone": "+55 27 99999-0000"}, "phone"),
        ({"data_atendimento": "09/03/2026 08:00"}, "data_atendimento"),
        ({"data_atendimento": "2026-03-09"}, "data_atendimento"),
        ({"data_saida_alta": "2026-02-30 08:00:00"}, "data_saida_alta"),
        ({"x_idade": "40"}, "x_idade"),
    ],
)
def test_a_wrong_line_is_named_with_its_field(api, post, email_body, line, fields, key):
    response = post(api, email_body(line(1), line(2, **fields)))

    assert (response.status_code, keys(response)) == (422, [f"import_lines.1.{key}"])


@pytest.mark.parametrize("phone", ["", "27999990000", "552733330000", "55279999900001"])
def test_whatsapp_needs_a_mobile(api, post, whatsapp_body, line, phone):
    response = post(api, whatsapp_body(line(phone=phone)))

    assert keys(response) == ["import_lines.0.phone"]


def test_the_identifier_is_the_organizations_choice(make_api, post, email_body, line):
    api = make_api(identifier="cpf")

    assert keys(post(api, email_body(line()))) == ["import_lines.0.cpf"]
    assert post(api, email_body(line(cpf="00000000191"))).status_code == 201


@pytest.mark.parametrize(
    "survey",
    ["33333333-3333-4333-8333-333333333333", "55555555-5555-4555-8555-555555555555"],
    ids=["closed", "unknown"],
)
def test_a_survey_that_is_not_open_takes_nothing(api, post, email_body, line, survey):
    response = post(api, email_body(line(uuid=survey), survey_uuid=survey))

    assert (response.status_code, keys(response)) == (422, ["survey_uuid"])


@pytest.mark.parametrize(("limit", "lines", "status"), [(2, 2, 201), (2, 3, 413)])
def test_too_many_lines_are_too_large(make_api, post, email_body, line, limit, lines, status):
    api = make_api(max_lines=limit)

    assert post(api, email_body(*map(line, range(lines)))).status_code == status


def test_a_hundred_lines_are_the_limit(api, post, email_body, line):
    assert post(api, email_body(*map(line, range(100)))).status_code == 201
    assert post(api, email_body(*map(line, range(101)))).status_code == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": None}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic abc"}, 401),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 201),
    ],
)
def test_headers_are_checked(api, post, email_body, headers, status):
    raw = json.dumps(email_body()).encode()

    assert post(api, data=raw, headers=JSON_TYPE | headers).status_code == status


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        '{"name": "João"}'.encode("latin-1"),
        b'{"validity_at": 1, "validity_at": 2}',
        b'{"validity_at": NaN}',
    ],
)
def test_what_is_no_json_object_in_utf8_is_a_bad_request(api, post, raw):
    assert post(api, data=raw, headers=JSON_TYPE).status_code == 400


def test_no_problem_says_a_value(api, post, email_body, line):
    wrong = line(email="segredo-1", phone="segredo-2", data_atendimento="segredo-3", medico=4711)

    text = post(api, email_body(wrong)).text + repr(api.received)

    assert "segredo" not in text
    assert "4711" not in text
