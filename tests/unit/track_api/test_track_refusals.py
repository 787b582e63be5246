"""Content that is refused: by its id, by a predicate, by a marker; whole or in part."""

from __future__ import annotations

import pytest

from stand_ins.track_api import ErrorsForm, Fate


def test_a_rejected_line_takes_the_batch_with_it(api, post, email_body, line):
    api.reject({"900000002"})

    response = post(api, email_body(line(1), line(2)))

    assert response.status_code == 422
    assert response.json()["errors"] == {"import_lines.1": ["is not acceptable"]}
    assert api.accepted_ids() == {}


def test_the_rest_is_accepted_without_it(api, post, email_body, line):
    api.reject(lambda line: line["medico"] == "X", status=400)
    post(api, email_body(line(1), line(2, medico="X")))

    post(api, email_body(line(1)))

    assert api.accepted_ids() == {"900000001": 1}


def test_a_rejection_may_name_nobody(api, post, email_body, line):
    api.reject({"900000002"}, named=False)

    response = post(api, email_body(line(1), line(2)))

    assert response.status_code == 422
    assert "errors" not in response.json()
    assert api.received[0].ids(Fate.REFUSED) == []


@pytest.mark.parametrize(
    ("form", "entry"),
    [
        (ErrorsForm.BY_LINE, {"line": 1, "message": "is not acceptable"}),
        (
            ErrorsForm.BY_ATTENDANCE,
            {"cd_atendimento": "900000002", "message": "is not acceptable"},
        ),
    ],
)
def test_lines_may_be_refused_inside_an_acceptance(api, post, email_body, line, form, entry):
    api.refuse_in_acceptance({"900000002"}, form=form)

    response = post(api, email_body(line(1), line(2)))

    assert response.status_code == 201
    assert response.json()["errors"] == [entry]
    assert "uuid" in response.json()
    assert api.accepted_ids() == {"900000001": 1}


def test_broken_rules_name_lines_in_the_form_chosen(make_api, post, email_body, line):
    api = make_api(form=ErrorsForm.BY_ATTENDANCE)

    errors = post(api, email_body(line(1), line(2, email=""))).json()["errors"]

    assert [(error["cd_atendimento"], error["field"]) for error in errors] == [
        ("900000002", "email")
    ]


def test_the_demos_marker_is_refused_whatever_is_forgotten(make_api, post, email_body, line):
    api = make_api(refused_email_domain="recusado.test")
    marked = line(2, email="fulana@recusado.test")
    api.behave()

    response = post(api, email_body(line(1), marked))

    assert list(response.json()["errors"]) == ["import_lines.1"]
    assert post(api, email_body(line(1))).status_code == 201
