from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from track_dispatch.delivery.answer_body import LineError
from track_dispatch.delivery.answer_table import OutcomeKind, TransportFailure
from track_dispatch.delivery.responses import BatchTexts, Outcome, TrackResponse, classify_response

NOW = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
IDS = ("900000001", "900000002", "900000003")
JSON = "application/json"


def judged(answer: TrackResponse | TransportFailure, **options: object) -> Outcome:
    settings = {"acceptance": ("uuid", "id"), **options}
    return classify_response(answer, IDS, now=NOW, **settings)  # type: ignore[arg-type]


def with_errors(status: int, errors: object) -> TrackResponse:
    return TrackResponse(status, JSON, json.dumps({"uuid": "d-1", "errors": errors}).encode())


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        (TransportFailure.NAME, OutcomeKind.NOT_DELIVERED),
        (TransportFailure.UNREACHABLE, OutcomeKind.NOT_DELIVERED),
        (TransportFailure.CONNECT_TIMEOUT, OutcomeKind.NOT_DELIVERED),
        (TransportFailure.TLS, OutcomeKind.NOT_DELIVERED),
        (TransportFailure.PROXY, OutcomeKind.NOT_DELIVERED),
        (TransportFailure.LATE, OutcomeKind.NOT_DELIVERED),
        (TransportFailure.SETTINGS, OutcomeKind.MISCONFIGURED),
        (TransportFailure.BROKEN, OutcomeKind.UNCERTAIN),
        (TransportFailure.DEADLINE, OutcomeKind.UNCERTAIN),
    ],
)
def test_a_failure_is_uncertain_only_once_the_request_had_begun(
    failure: TransportFailure, verdict: OutcomeKind
) -> None:
    assert judged(failure).verdict == verdict


def test_every_failure_has_a_verdict() -> None:
    assert {judged(failure).status for failure in TransportFailure} == {None}


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (206, OutcomeKind.UNCERTAIN),
        (207, OutcomeKind.UNCERTAIN),
        (208, OutcomeKind.UNCERTAIN),
        (300, OutcomeKind.UNCERTAIN),
        (301, OutcomeKind.UNCERTAIN),
        (302, OutcomeKind.UNCERTAIN),
        (303, OutcomeKind.UNCERTAIN),
        (304, OutcomeKind.UNCERTAIN),
        (305, OutcomeKind.UNCERTAIN),
        (306, OutcomeKind.UNCERTAIN),
        (307, OutcomeKind.MISCONFIGURED),
        (308, OutcomeKind.MISCONFIGURED),
        (309, OutcomeKind.UNCERTAIN),
        (399, OutcomeKind.UNCERTAIN),
        (400, OutcomeKind.REFUSED),
        (401, OutcomeKind.STOPPED),
        (402, OutcomeKind.MISCONFIGURED),
        (403, OutcomeKind.STOPPED),
        (404, OutcomeKind.MISCONFIGURED),
        (405, OutcomeKind.STOPPED),
        (408, OutcomeKind.UNCERTAIN),
        (409, OutcomeKind.UNCERTAIN),
        (413, OutcomeKind.TOO_LARGE),
        (415, OutcomeKind.MISCONFIGURED),
        (418, OutcomeKind.MISCONFIGURED),
        (422, OutcomeKind.REFUSED),
        (425, OutcomeKind.MISCONFIGURED),
        (429, OutcomeKind.NOT_DELIVERED),
        (499, OutcomeKind.MISCONFIGURED),
        (500, OutcomeKind.UNCERTAIN),
        (502, OutcomeKind.UNCERTAIN),
        (503, OutcomeKind.UNCERTAIN),
        (504, OutcomeKind.UNCERTAIN),
        (599, OutcomeKind.UNCERTAIN),
        (103, OutcomeKind.UNCERTAIN),
        (999, OutcomeKind.UNCERTAIN),
    ],
)
@pytest.mark.parametrize("content_type", [JSON, "text/html", None])
@pytest.mark.parametrize("body", [b"<html>sorry</html>", b'{"uuid": "d-1"}', b""])
def test_without_success_the_status_decides_whatever_the_body(
    status: int, verdict: OutcomeKind, content_type: str | None, body: bytes
) -> None:
    assert judged(TrackResponse(status, content_type, body)).verdict == verdict


OBJECT_FORM = {"import_lines.0.phone": ["invalid"], "import_lines.2": ["invalid"]}
OBJECT_FAULTS = {0: LineError(None, "phone"), 2: LineError(None, None)}


@pytest.mark.parametrize("status", [200, 400, 422])
@pytest.mark.parametrize(
    ("errors", "faults"),
    [
        (OBJECT_FORM, OBJECT_FAULTS),
        ({"import_lines.1.customer.email": ["x"]}, {1: LineError(None, "email")}),
        ([{"cd_atendimento": IDS[1]}], {1: LineError(None, None)}),
        ([{"cd_atendimento": int(IDS[1])}], {1: LineError(None, None)}),
        ([{"cd_atendimento": f" {IDS[1]} "}], {1: LineError(None, None)}),
        ([{"cd_atendimento": IDS[1], "line": 2}], {1: LineError(None, None)}),
        ([{"line": 0}, {"line": "2"}], {0: LineError(None, None), 2: LineError(None, None)}),
        ([{"cd_atendimento": None, "line": 1}], {1: LineError(None, None)}),
        (
            [{"line": 1, "code": "invalid_phone", "field": "phone"}],
            {1: LineError("invalid_phone", "phone")},
        ),
        ([{"line": 1, "code": 1024}], {1: LineError("1024", None)}),
        (
            {"import_lines.1.phone": ["x"], "import_lines.1.email": ["x"]},
            {1: LineError(None, "phone")},
        ),
        ([], {}),
        ({}, {}),
        (None, {}),
        (False, {}),
        (0, {}),
        ("", {}),
    ],
)
def test_errors_name_lines_in_either_form_with_success_and_refusal(
    status: int, errors: object, faults: dict[int, LineError]
) -> None:
    outcome = judged(with_errors(status, errors))

    verdict = OutcomeKind.ACCEPTED if status == 200 else OutcomeKind.REFUSED
    assert (outcome.verdict, outcome.faults) == (verdict, faults)


UNMATCHED = [
    {"survey_uuid": ["unknown"]},
    {"import_lines": ["too many"]},
    {"import_lines.3": ["x"]},
    {"import_lines.-1": ["x"]},
    {"import_lines.one": ["x"]},
    {"import_lines.²": ["x"]},
    {"import_lines.0x": ["x"]},
    [{"line": 3}],
    [{"line": -1}],
    [{"line": True}],
    [{"line": 1.0}],
    [{"line": None}],
    [{"cd_atendimento": "900000009"}],
    [{"cd_atendimento": "900000009", "line": 0}],
    [{"cd_atendimento": True}],
    [{"cd_atendimento": [IDS[0]]}],
    [{}],
    ["something is wrong"],
    [None],
    "something is wrong",
    3,
    True,
]


@pytest.mark.parametrize("errors", UNMATCHED)
def test_errors_that_match_no_line_put_an_accepted_batch_in_doubt(errors: object) -> None:
    outcome = judged(with_errors(200, errors))

    assert (outcome.verdict, outcome.faults) == (OutcomeKind.UNCERTAIN, {})


@pytest.mark.parametrize("errors", UNMATCHED)
def test_errors_that_match_no_line_name_none_in_a_refusal(errors: object) -> None:
    outcome = judged(with_errors(422, errors))

    assert (outcome.verdict, outcome.faults) == (OutcomeKind.REFUSED, {})


@pytest.mark.parametrize(
    "errors",
    [
        {f"import_lines.{i}": ["invalid"] for i in range(len(IDS))},
        [{"cd_atendimento": id_} for id_ in IDS],
    ],
)
def test_errors_for_every_line_put_an_accepted_batch_in_doubt(errors: object) -> None:
    outcome = judged(with_errors(200, errors))

    assert (outcome.verdict, outcome.faults) == (OutcomeKind.UNCERTAIN, {})
    assert len(judged(with_errors(422, errors)).faults) == len(IDS)


def test_one_unmatched_error_among_others_still_puts_an_accepted_batch_in_doubt() -> None:
    errors = OBJECT_FORM | {"whatsapp_template": ["unknown"]}

    assert judged(with_errors(200, errors)).verdict == OutcomeKind.UNCERTAIN


def test_one_unmatched_error_among_others_leaves_a_refusals_lines_named() -> None:
    errors = OBJECT_FORM | {"whatsapp_template": ["unknown"]}

    assert judged(with_errors(422, errors)).faults == OBJECT_FAULTS


@pytest.mark.parametrize("status", [409, 413, 429, 500])
def test_only_acceptance_and_refusal_name_lines(status: int) -> None:
    assert judged(with_errors(status, OBJECT_FORM)).faults == {}


@pytest.mark.parametrize(
    ("body", "receipt"),
    [
        ({"uuid": "0b1c-77", "id": 5}, "0b1c-77"),
        ({"id": 815}, "815"),
        ({"uuid": "", "id": "x1"}, "x1"),
        ({"uuid": True}, None),
        ({"uuid": "a" * 101}, None),
        ({"uuid": "two words"}, None),
        ({"uuid": ["x"]}, None),
        ({"uuid": "null"}, None),
        ({"id": 0}, None),
        ({"uuid": "00000000-0000-0000-0000-000000000000"}, None),
        ({"uuid": "11122233344", "id": 5}, "5"),
        ({"UUID": "0b1c-77"}, None),
        ({"data": {"uuid": "0b1c-77"}}, None),
        ([], None),
    ],
)
def test_the_receipt_is_an_id_that_is_no_value_of_the_batch(
    body: object, receipt: str | None
) -> None:
    answer = TrackResponse(200, JSON, json.dumps(body).encode())

    assert judged(answer, values={"11122233344"}).receipt == receipt


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"code": "invalid_jose", "field": "phone"}, LineError(None, "phone")),
        ({"code": "Jose"}, LineError(None, None)),
        ({"code": "27999990000"}, LineError(None, None)),
        ({"code": "phone_27999990000"}, LineError(None, None)),
        ({"code": 27999990000}, LineError(None, None)),
        ({"code": "Nome José inválido"}, LineError(None, None)),
        ({"code": "required" * 10}, LineError(None, None)),
        ({"code": {"a": 1}, "field": ["phone"]}, LineError(None, None)),
        ({"code": "required", "field": "Jose"}, LineError("required", None)),
    ],
)
def test_a_fault_keeps_neither_free_text_nor_a_value_of_the_batch(
    entry: dict[str, object], fault: LineError
) -> None:
    outcome = judged(with_errors(422, [{"line": 0, **entry}]), values={"José da Silva"})

    assert outcome.faults == {0: fault}


def test_an_attendance_id_is_no_receipt_even_if_no_line_carries_it() -> None:
    outcome = judged(TrackResponse(200, JSON, f'{{"uuid": "{IDS[1]}", "id": {IDS[0]}}}'.encode()))

    assert (outcome.receipt, outcome.verdict) == (None, OutcomeKind.UNCERTAIN)


@pytest.mark.parametrize("status", [200, 422])
def test_a_fault_keeps_no_attendance_id_even_if_no_line_carries_it(status: int) -> None:
    answer = with_errors(status, [{"line": 0, "code": "unknown_xyz1"}])

    outcome = classify_response(answer, ["XYZ1", "2"], now=NOW, acceptance=("uuid",))

    assert outcome.faults == {0: LineError(None, None)}


LINES = [
    {"name": 'Antônia "Toni" de Souza', "cpf": "11122233344", "email": "a\\b@example.com"},
    {"name": "Ação", "cpf": "", "phone": "5527999990000"},
]


@pytest.mark.parametrize("as_ascii", [True, False])
@pytest.mark.parametrize(
    ("text", "is_value"),
    [
        *((value, True) for line in LINES for value in line.values()),
        ("1112223334", False),
        ("example", False),
        ("Souza", False),
        ("ação", False),
        ("cpf", False),
        ("import_lines", False),
        ("survey-1", False),
        ("elsewhere", False),
        (11122233344, False),
        (None, False),
    ],
)
def test_a_text_of_a_batch_is_a_whole_value_of_a_line(
    text: object, is_value: bool, as_ascii: bool
) -> None:
    body = {"survey_uuid": "survey-1", "import_lines": LINES}

    texts = BatchTexts(json.dumps(body, ensure_ascii=as_ascii).encode())

    assert (text in texts) is is_value


def test_the_texts_of_a_batch_can_be_walked() -> None:
    texts = BatchTexts(json.dumps({"import_lines": LINES}).encode())

    assert set(texts) == {value for line in LINES for value in line.values()}
    assert len(texts) == 6


NOT_PARSED = BatchTexts(b"whoever parses this fails")


@pytest.mark.parametrize(
    "answer",
    [
        TrackResponse(200, JSON, b'{"uuid": "0b1c-77"}'),
        TrackResponse(200, JSON, b'{"uuid": "0b1c-77", "errors": {"import_lines.0.cpf": ["x"]}}'),
        TrackResponse(204),
        TrackResponse(422, JSON, b'{"errors": [{"line": 0, "field": "cpf"}]}'),
        TrackResponse(500, "text/html", b"<html>"),
        TransportFailure.BROKEN,
    ],
)
def test_a_batch_is_parsed_only_for_an_answer_that_may_hold_a_text_of_it(
    answer: TrackResponse | TransportFailure,
) -> None:
    assert judged(answer, values=NOT_PARSED) == judged(answer)


def test_an_outcome_shows_nothing_of_the_answers_body() -> None:
    answer = TrackResponse(422, JSON, b'{"message": "phone 27999990000 of Jose"}')

    assert "27999990000" not in f"{answer!r}{judged(answer)!r}"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Mon, 02 Mar 2026 11:05:00 GMT", 300.0),
        ("Mon, 02 Mar 2026 11:05:00 -0000", 300.0),
        ("Mon, 02 Mar 2026 10:00:00 GMT", 0.0),
        ("soon", None),
        ("Mon, 02 Mar 2026 99999999999:00:00 GMT", None),
        ("Mon, 02 Mar 2026 11:05:00 +99999999999999999999", None),
        ("-5", None),
        ("9" * 400, None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    header: str | None, seconds: float | None
) -> None:
    assert judged(TrackResponse(429, retry_after=header)).retry_after == seconds
