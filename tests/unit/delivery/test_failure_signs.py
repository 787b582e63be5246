"""What may stand beside a receipt, and what may not: three lines are sent."""

from __future__ import annotations

import json

import pytest

from tests.unit.delivery.acceptance_rig import BODY, http, posted
from track_dispatch.delivery.answer_table import OutcomeKind
from track_dispatch.delivery.failure_signs import says_failure

#: Good news, or nothing that a machine could take for news.
GOOD = (
    '"success": 3',
    '"success": {"code": 200, "at": "2026-03-03"}',
    '"was_successful": true',
    '"success_count": 3',
    '"successful": "3/3"',
    '"succeeded": 3.0',
    '"unsuccessful": 0',
    '"insucessos": []',
    '"accepted": "3 of 3"',
    '"accepted": "3.0"',
    '"accepted": "yes"',
    '"accepted": {"email": 3}',
    '"accepted_at": "2026-03-03T10:00:00Z"',
    '"aceito_em": "03/03/2026 10:00"',
    '"import_lines": 3',
    '"import_lines": [{"line": 0}, {"line": 1}, {"line": 2}]',
    '"lines": [{"accepted": 1}, {"accepted": 1}, {"accepted": 1}]',
    '"customers": {"href": "/customers"}',
    '"customers": "/customers"',
    '"total": 3, "sent": 0, "delivered": 0, "opened": 0, "answers_count": 0, "bounced": 0',
    '"status": {"id": 7, "name": "queued"}',
    '"status": "200 OK"',
    '"status": "Em processamento"',
    '"import_status": "created"',
    '"result": {"name": "x"}',
    '"code": 0',
    '"code": "SUCCESS"',
    '"http_code": "201"',
    '"country_code": "55", "survey_code": "A42"',
    '"err": null, "errno": 0, "errcode": 0, "errmsg": "ok"',
    '"failed": "0", "error": "none"',
    '"failures": {"count": 0, "lines": []}',
    '"no_errors": true',
    '"x": "no_errors"',
    '"not_before": "2026-03-03"',
    '"unlimited": true',
    '"message": "Created. No errors, sem falhas, 0 rejected."',
    '"message": "Distribution created and queued"',
    '"messages": ["Nenhum erro"]',
    '"description": "Pesquisa sobre falhas"',
    '"reminder": "none", "recurrence": "never"',
    '"medico": "Ferro", "cidade": "Erros Grandes"',
    '"state": "created"',
    '"estado": "ES"',
    '"created": "2026-03-03", "updated": 0, "saved": 3, "valid": true',
    '"processed_lines": 0, "pending": 3',
    '"async": true, "shortened_link": false, "anonymous": false, "has_more": "no"',
    '"archived": false, "opened": false, "completed": false',
    '"is_active": true, "registered": true, "all_ok": true, "ready": true',
    '"status": "aguardando", "sucesso": "S"',
    '"accepted_by": "api"',
    '"tags": ["nps"], "links": [], "variables": ["customer.firstname"]',
    '"message": "", "info": null, "detail": {"id": 7}',
    '"message": "3 of 3 lines imported"',
    '"message": "Importa\u00e7\u00e3o iniciada"',
    '"title": "Pesquisa encerrada"',
    '"status": "1", "retries": 0, "next_retry_at": null, "unsubscribe_url": "/u"',
    '"response": {"name": "x"}, "data": null, "sent": "2026-03-03"',
)
#: Bad news, and what speaks of the outcome and cannot be read.
BAD = (
    '"was_successful": false',
    '"success": {}',
    '"success": {"code": 200, "name": "on_hold"}',
    '"success": 2',
    '"success_count": 0',
    '"successCount": 2',
    '"successCount": 1',
    '"total_success": "1"',
    '"unsuccessful": true',
    '"insucesso": true',
    '"inactive": 1',
    '"accepted": 2.0',
    '"accepted": "2.0"',
    '"accepted": "2/3"',
    '"accepted": "-1"',
    '"accepted": null',
    '"accepted": {}',
    '"accepted": {"email": 2}',
    '"accepted": "later"',
    '"accepted": 1e999',
    '"accepted_at": null',
    '"import_lines": 2',
    '"import_lines": [{}, {}]',
    '"total_lines": null',
    '"line_count": "2"',
    '"total": 0',
    '"lines": [{"accepted": 1}, {"accepted": 1}, {"accepted": 0}]',
    '"batches": [{"accepted": 2}]',
    '"delivered": false',
    '"registered": "no"',
    '"result": {}',
    '"status": {"name": "on_hold"}',
    '"status": {}',
    '"statuses": [201, 422, 201]',
    '"err": "x"',
    '"errno": 5',
    '"errcode": 310000',
    '"code": "QUOTA_EXCEEDED"',
    '"code": 1001',
    '"code": false',
    '"return_code": "E42"',
    '"upstream_code": 503',
    '"excluded": [1]',
    '"not_found": [1]',
    '"notFound": 1',
    '"left_out": [0]',
    '"test": true',
    '"is_draft": true',
    '"no_errors": false',
    '"on_hold": true',
    '"failures": {"count": 1}',
    '"message": "Failed."',
    '"x": "FAILED!"',
    '"x": "not_delivered"',
    '"x": "RATE_LIMITED"',
    '"x": "SurveyInactive"',
    '"x": "ThrottlingException"',
    '"x": "ERR"',
    '"message": "Quota exceeded for this month"',
    '"message": "The batch was not accepted"',
    '"mensagem": "N\u00e3o foi poss\u00edvel importar"',
    '"accepted": [null, null, null]',
    '"accepted": [false, false, false]',
    '"accepted": [0, 0, 0]',
    '"results": [{}, {}]',
    '"results": [true, true, false]',
    '"import_lines": {}',
    '"created": 0',
    '"saved_lines": 2',
    '"lines_received": 2',
    '"ok_count": 2',
    '"rows_affected": 1',
    '"code": 1',
    '"rc": 1',
    '"retorno": false',
    '"http": 500',
    '"blacklisted": 2',
    '"faultstring": "x"',
    '"trace": "x"',
    '"x": "NOK"',
    '"severity": "critical"',
    '"message": "Survey is closed"',
    '"message": "Bad Request"',
    '"mensagem": "Saldo insuficiente"',
    '"message": "0 lines imported"',
    '"message": "No lines were imported"',
    '"message": "Couldn\'t import"',
    '"message": "2 of 3 lines imported"',
    '"closed": true',
    '"stuck": true',
    '"needs_review": true',
    '"awaiting_approval": "yes"',
    '"ready": false',
    '"acknowledged": false',
    '"bad": [1]',
    '"ids": ["900000001"]',
    '"status": "-1"',
    '"ReturnCode": "-1"',
    '"processed": -1',
    '"created": "never"',
    '"valid": "n"',
    '"lines_ko": 1',
    '"bad_lines": 2',
    '"unreachable": 2',
    '"unsubscribed": 1',
    '"retryAfter": 60',
    '"login_url": "/login"',
    '"batch_size": 2',
    '"importCount": 0',
    '"emails_queued": 2',
    '"response": "Import failed"',
    '"message": {"text": "Import failed"}',
    '"body": "<html>Entrar"',
    '"detail": ["ok", "Nothing was imported"]',
)


def beside(members: str) -> bytes:
    return http(b'{"uuid": "d-1", ' + members.encode() + b"}")


@pytest.mark.parametrize("members", GOOD)
def test_a_real_acceptance_is_not_doubted_for_nothing(members: str) -> None:
    assert posted(beside(members)).verdict is OutcomeKind.ACCEPTED


@pytest.mark.parametrize("members", BAD)
def test_a_receipt_proves_nothing_beside_bad_news(members: str) -> None:
    assert posted(beside(members)).verdict is OutcomeKind.UNCERTAIN


@pytest.mark.parametrize("members", BAD)
def test_bad_news_is_found_further_down(members: str) -> None:
    assert posted(beside('"data": {' + members + "}")).verdict is OutcomeKind.UNCERTAIN


ODD: tuple[object, ...] = (
    None, True, False, 0, 1, -1, 0.5, 10**4000, -(10**4000), 1e308, "", " ", "0", "9" * 5000,
    f"{'9' * 5000} of {'9' * 5001}", "not", "2/0", "\u00ba", [], [[]], {}, {"": ""}, [None],
    json.loads("[" * 900 + "]" * 900), json.loads('{"x":' * 900 + "1" + "}" * 900),
)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["", "error", "no_errors", "code", "country_code", "accepted", "lines", "result", "success",
     "status", "saved", "sent", "message", "x"],
)  # fmt: skip
@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("strict", [True, False])
def test_nothing_that_is_json_makes_the_judge_stumble(name: str, odd: object, strict: bool) -> None:
    """Between a POST and its settlement: whatever is raised there leaves a doubt for nothing."""
    assert says_failure({name: odd}, lines=3, strict=strict) in {True, False}


def test_lines_that_errors_names_need_not_be_taken() -> None:
    answer = '"errors": [{"line": 0}], "success_count": 2, "import_lines": 2, "message": "Invalid."'

    assert posted(beside(answer)).verdict is OutcomeKind.ACCEPTED


def test_an_echo_of_all_that_was_posted_is_no_bad_news() -> None:
    echo = json.dumps(json.loads(BODY) | {"uuid": "d-1"}).encode()

    assert posted(http(echo)).verdict is OutcomeKind.ACCEPTED
