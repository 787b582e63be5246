"""What proves that Track accepted a batch: bodies that count, and bodies that must not.

Each goes over a real socket, so that what a body is made of and how it travels are judged together.
"""

from __future__ import annotations

import gzip

import pytest

from tests.unit.delivery.acceptance_rig import BODY, OK, SURVEY, chunked, http, posted
from track_dispatch.delivery.answer_body import member_names
from track_dispatch.delivery.answer_table import AnswerCase, OutcomeKind
from track_dispatch.delivery.failure_signs import says_failure
from track_dispatch.delivery.responses import BatchTexts, TrackResponse
from track_dispatch.delivery.transport import MAX_BODY_BYTES

PACKED = gzip.compress(OK)
NESTED = b'{"a":' * 100 + b"1" + b"}" * 100
HUGE = b'{"uuid": "d-1", "x": "' + b"x" * (MAX_BODY_BYTES - 30) + b'"}'

COUNTS = {
    "a receipt": http(OK),
    "a number as receipt": http(b'{"id": 815}'),
    "201": http(OK, start="HTTP/1.1 201 Created"),
    "202": http(OK, start="HTTP/1.1 202 Accepted"),
    "a 2xx that nobody knows": http(OK, start="HTTP/1.1 299 Whatever"),
    "201 and where it is": http(
        b"", "Location: https://a.test/distributions/d-1", start="HTTP/1.1 201 Created"
    ),
    "202 and where it will be": http(b"", "Location: /jobs/17/", start="HTTP/1.1 202 Accepted"),
    "a receipt, and a place": http(OK, "Location: /distributions/d-1"),
    "a large number like a status": http(b'{"id": 500}'),
    "letters and numbers": http(b'{"id": "HX4b1"}'),
    "with charset": http(OK, "Content-Type: application/json; charset=utf-8"),
    "type in capitals": http(OK, "Content-Type: APPLICATION/JSON"),
    "a kind of JSON": http(OK, "Content-Type: application/vnd.api+json"),
    "without a type": b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n" + OK,
    "until the connection ends": http(OK, length=False),
    "HTTP/1.0": http(OK, start="HTTP/1.0 200 OK", length=False),
    "in one chunk": chunked(OK),
    "in chunks": chunked(OK[:3], OK[3:]),
    "gzip, though we asked for none": http(PACKED, "Content-Encoding: gzip"),
    "after 100": b"HTTP/1.1 100 Continue\r\n\r\n" + http(OK),
    "one length twice": http(OK, "Content-Length: 15"),
    "a byte order mark": http(b"\xef\xbb\xbf" + OK),
    "white space around it": http(b" \r\n" + OK + b"\n"),
    "200 and no body": http(b""),
    "200 and no body, whatever type": http(b"", "Content-Type: text/html"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a body of no chunks": chunked(),
    "a blank body": http(b" \r\n"),
    "success": http(b'{"success": true, "uuid": "d-1"}'),
    "ok as text": http(b'{"ok": "true", "uuid": "d-1"}'),
    "a status that is success": http(b'{"status": "success", "uuid": "d-1"}'),
    "the status of HTTP": http(b'{"status": 201, "uuid": "d-1"}'),
    "no error": http(b'{"error": null, "errors": [], "uuid": "d-1"}'),
    "no failures": http(b'{"failed": 0, "failures": {}, "uuid": "d-1"}'),
    "in Portuguese": http(b'{"sucesso": true, "status": "criado", "erro": "", "uuid": "d-1"}'),
    "a status below": http(b'{"uuid": "d-1", "survey": {"status": "active"}}'),
    "when it was made": http(b'{"uuid": "d-1", "created": "2026-03-03", "sent": 0, "valid": true}'),
    "how many were taken": http(b'{"uuid": "d-1", "accepted": 3, "imported": true}'),
    "nobody left out": http(b'{"uuid": "d-1", "ignored": [], "skipped": 0, "cancelled_at": null}'),
    "a code of its own": http(b'{"uuid": "d-1", "code": 200, "country_code": "55"}'),
    "a way to cancel": http(b'{"uuid": "d-1", "cancel_url": "/d-1"}'),
    "no rehearsal": http(b'{"uuid": "d-1", "dry_run": false, "duplicates": 0, "sandbox": null}'),
    "a default": http(b'{"uuid": "d-1", "default_language": "pt"}'),
    "deep, and all is well": http(b'{"uuid": "d-1", "x": ' + NESTED + b"}"),
    "a plan of theirs": http(b'{"uuid": "d-1", "processed": 0, "completed": false}'),
    "nothing that is not sent": http(b'{"uuid": "d-1", "not_accepted": [], "unprocessed": 0}'),
    "who took it, by name": http(b'{"uuid": "d-1", "accepted_at": "2026-03-03"}'),
    "which were taken": http(b'{"uuid": "d-1", "accepted_lines": [0, 1, 2]}'),
    "the rest was taken": http(b'{"uuid": "d-1", "accepted": 2, "errors": [{"line": 0}]}'),
    "a name that holds a word of failure": http(b'{"uuid": "d-1", "name": "Ferro"}'),
    "a receipt of letters": http(b'{"id": "VkTqHbWzPnRsXcYdGf"}'),
    "large": http(HUGE),
    "some lines refused": http(b'{"uuid": "d-1", "errors": {"import_lines.1": ["x"]}}'),
    "some refused, with codes": http(b'{"id": 7, "errors": [{"line": 0, "error": "invalid"}]}'),
}

DOES_NOT = {
    "success is false": http(b'{"success": false, "uuid": "d-1"}'),
    "and says why": http(b'{"success": false, "error": "quota"}'),
    "false as text": http(b'{"success": "false", "uuid": "d-1"}'),
    "false as a number": http(b'{"ok": 0, "uuid": "d-1"}'),
    "success is not told": http(b'{"success": null, "uuid": "d-1"}'),
    "in capitals": http(b'{"SUCCESS": false, "uuid": "d-1"}'),
    "an error": http(b'{"error": "quota exceeded", "uuid": "d-1"}'),
    "an error in capitals": http(b'{"Error": {"code": 5}, "uuid": "d-1"}'),
    "an error below": http(b'{"uuid": "d-1", "meta": [{"error_message": "x"}]}'),
    "a failure in Portuguese": http(b'{"uuid": "d-1", "erro": "cota excedida"}'),
    "success denied in Portuguese": http(b'{"uuid": "d-1", "sucesso": false}'),
    "errors below": http(b'{"uuid": "d-1", "data": {"errors": {"import_lines.0": ["x"]}}}'),
    "errors in capitals": http(b'{"uuid": "d-1", "ERRORS": {"import_lines.0": ["x"]}}'),
    "some ignored": http(b'{"uuid": "d-1", "ignored": [0]}'),
    "some left out": http(b'{"uuid": "d-1", "skippedLines": 2}'),
    "some refused in Portuguese": http(b'{"uuid": "d-1", "recusados": 2}'),
    "blocked": http(b'{"uuid": "d-1", "account": {"blocked": true}}'),
    "cancelled": http(b'{"uuid": "d-1", "cancelled": true}'),
    "no right": http(b'{"uuid": "d-1", "unauthorized": true}'),
    "a limit": http(b'{"uuid": "d-1", "quota_exceeded": true}'),
    "problems": http(b'{"uuid": "d-1", "problems": ["x"]}'),
    "none accepted": http(b'{"uuid": "d-1", "accepted": 0}'),
    "none imported": http(b'{"uuid": "d-1", "data": {"imported": false}}'),
    "fewer accepted than there are": http(b'{"uuid": "d-1", "accepted": 2}'),
    "one accepted of three": http(b'{"uuid": "d-1", "accepted": "1"}'),
    "not all are listed": http(b'{"uuid": "d-1", "accepted_lines": [0, 2]}'),
    "none in all": http(b'{"uuid": "d-1", "total_accepted": 0}'),
    "none of the lines": http(b'{"uuid": "d-1", "linhas_importadas": 0}'),
    "no, in words": http(b'{"uuid": "d-1", "accepted": "no"}'),
    "no, in Portuguese": http('{"uuid": "d-1", "enviado": "N\u00e3o"}'.encode()),
    "some not sent": http(b'{"uuid": "d-1", "not_sent": 3}'),
    "some not sent, in Portuguese": http('{"uuid": "d-1", "n\u00e3oEnviados": 3}'.encode()),
    "some unprocessed": http(b'{"uuid": "d-1", "unprocessed": [1]}'),
    "no login": http(b'{"uuid": "d-1", "authenticated": false}'),
    "in part": http(b'{"uuid": "d-1", "partial": true}'),
    "given up": http(b'{"uuid": "d-1", "aborted": true}'),
    "a limit reached": http(b'{"uuid": "d-1", "limit_reached": true}'),
    "lines missing": http(b'{"uuid": "d-1", "missing": [1]}'),
    "an account at rest": http(b'{"uuid": "d-1", "suspended": true}'),
    "for people only": http(b'{"uuid": "d-1", "captcha": "https://example"}'),
    "a kind of failure": http(b'{"uuid": "d-1", "type": "error"}'),
    "a level of failure": http(b'{"uuid": "d-1", "messages": [{"severity": "ERROR"}]}'),
    "an exception by its name": http(b'{"uuid": "d-1", "__type": "ThrottlingException"}'),
    "a reason in the place of a receipt": http(b'{"id": "unauthorized", "message": "x"}'),
    "a word in the place of a receipt": http(b'{"id": "rate_limited", "message": "x"}'),
    "another": http(b'{"uuid": "PENDING"}'),
    "not queued": http(b'{"uuid": "d-1", "queued": false}'),
    "not valid": http(b'{"uuid": "d-1", "is_valid": "false"}'),
    "a code of failure": http(b'{"uuid": "d-1", "code": 500}'),
    "a code below": http(b'{"uuid": "d-1", "response": {"http_code": "422"}}'),
    "why it was refused, in Portuguese": http(b'{"uuid": "d-1", "motivo_recusa": "cota"}'),
    "slowed down": http(b'{"uuid": "d-1", "throttled": true}'),
    "had before": http(b'{"uuid": "d-1", "duplicated": [0]}'),
    "a rehearsal of theirs": http(b'{"uuid": "d-1", "dry_run": true}'),
    "a place to try": http(b'{"uuid": "d-1", "meta": {"sandbox": true}}'),
    "a number below zero": http(b'{"id": -1}'),
    "some failed": http(b'{"uuid": "d-1", "failed": 2}'),
    "a status of failure": http(b'{"uuid": "d-1", "status": "failed"}'),
    "a status nobody knows": http(b'{"uuid": "d-1", "status": "on_hold"}'),
    "the status of HTTP": http(b'{"uuid": "d-1", "statusCode": 500}'),
    "a status below": http(b'{"uuid": "d-1", "parts": [{"status": 201}, {"status": 422}]}'),
    "a failure deep down": http(
        b'{"uuid": "d-1", "x": ' + b"[" * 200 + b'{"error": 1}' + b"]" * 200 + b"}"
    ),
    "every line refused": http(
        b'{"uuid": "d-1", "errors": [{"line": 0}, {"line": 1}, {"line": 2}]}'
    ),
    "errors of no line": http(b'{"uuid": "d-1", "errors": {"survey_uuid": ["x"]}}'),
    "errors in text": http(b'{"uuid": "d-1", "errors": "something"}'),
    "no receipt": http(b"{}"),
    "a message": http(b'{"message": "Thank you."}'),
    "a receipt in capitals": http(b'{"UUID": "d-1"}'),
    "a receipt further down": http(b'{"data": {"uuid": "d-1"}}'),
    "an empty receipt": http(b'{"uuid": "", "id": null}'),
    "the receipt of nothing": http(b'{"id": 0}'),
    "a nil UUID": http(b'{"uuid": "00000000-0000-0000-0000-000000000000"}'),
    "a yes as receipt": http(b'{"id": true}'),
    "our own survey as receipt": http(b'{"uuid": "%b"}' % SURVEY.encode()),
    "an attendance as receipt": http(b'{"id": 900000002}'),
    "our own batch as receipt": http(b'{"uuid": "batch-1"}'),
    "the same in capitals": http(b'{"id": "BATCH1"}'),
    "our own organization as receipt": http(b'{"id": "org-77"}'),
    "our own template as receipt": http(b'{"id": "a1b2c3"}'),
    "a status as receipt": http(b'{"id": "500"}'),
    "a status of HTTP as receipt": http(b'{"id": "HTTP-500"}'),
    "a code of failure as receipt": http(b'{"id": "ERR-42"}'),
    "a word of failure as receipt": http(b'{"id": "error-7f3a9c"}'),
    "nothing, numbered, as receipt": http(b'{"id": "undefined-0"}'),
    "a date as receipt": http(b'{"id": "2026-03-03"}'),
    "a list": http(b'[{"uuid": "d-1"}]'),
    "an empty list": http(b"[]"),
    "false": http(b"false"),
    "true": http(b"true"),
    "null": http(b"null"),
    "a text of JSON": http(b'"d-1"'),
    "a number": http(b"815"),
    "bare text": http(b"OK", "Content-Type: text/plain"),
    "bare text that claims to be JSON": http(b"OK"),
    "a page": http(b"<html>Entrar</html>", "Content-Type: text/html"),
    "a problem by its type": http(OK, "Content-Type: application/problem+json"),
    "a page that claims to be JSON": http(b"<!doctype html>"),
    "JSON that claims to be a page": http(OK, "Content-Type: text/html"),
    "a member twice": http(b'{"success": false, "success": true, "uuid": "d-1"}'),
    "a receipt twice": http(b'{"uuid": "d-1", "uuid": "d-2"}'),
    "a member twice below": http(b'{"uuid": "d-1", "x": {"ok": false, "ok": true}}'),
    "NaN": http(b'{"uuid": "d-1", "score": NaN}'),
    "infinity": http(b'{"uuid": "d-1", "score": -Infinity}'),
    "two objects": http(OK + OK),
    "text behind it": http(OK + b"<!-- 0.02 s -->"),
    "a comma too many": http(b'{"uuid": "d-1",}'),
    "single quotes": http(b"{'uuid': 'd-1'}"),
    "a byte that is no UTF-8": http(b'{"uuid": "d-1", "x": "\xff"}'),
    "deeper than anybody reads": http(b'{"uuid": "d-1", "x": ' + b"[" * 100_000),
    "larger than we read": http(HUGE + b" " * 100),
    "empty, to a log-in": http(b"", "Location: /login"),
    "empty, to a log-in with what we asked": http(b"", "Location: /login?next=/v1/d-1"),
    "created, to a log-in": http(b"", "Location: /login", start="HTTP/1.1 201 Created"),
    "200, to what nobody made": http(b"", "Location: /distributions/d-1"),
    "empty, refreshed elsewhere": http(b"", "Refresh: 0; url=/login"),
    "cut, with its length": http(OK)[:-1],
    "cut, without one": http(OK[:-1], length=False),
    "cut before it began": http(OK)[: -len(OK)],
    "no length and no body": http(b"", length=False),
    "HTTP/1.0 without a body": http(b"", start="HTTP/1.0 200 OK", length=False),
    "a length that is no number": http(b"", "Content-Length: none", length=False),
    "cut amid the chunks": chunked(OK[:3], end=b"c\r\nid"),
    "without a last chunk": chunked(OK, end=b""),
    "chunks that are none": http(OK, "Transfer-Encoding: chunked", length=False),
    "cut amid gzip": http(PACKED[:12], "Content-Encoding: gzip"),
    "gzip that unpacks to nothing": http(PACKED[:10], "Content-Encoding: gzip"),
    "no gzip": http(OK, "Content-Encoding: gzip"),
    "packed as we cannot read": http(b"\x0b\x02\x80{}\x03", "Content-Encoding: x-strange"),
    "two lengths": http(OK, "Content-Length: 2"),
    "206": http(OK, start="HTTP/1.1 206 Partial Content"),
    "207": http(OK, start="HTTP/1.1 207 Multi-Status"),
    "207 that names a line": http(
        b'{"uuid": "d-1", "errors": [{"line": 0}]}', start="HTTP/1.1 207 Multi-Status"
    ),
    "207 and no body": http(b"", start="HTTP/1.1 207 Multi-Status"),
    "103 in place of the answer": b"HTTP/1.1 103 Early Hints\r\n\r\n" + http(OK),
    "no HTTP at all": OK,
}


@pytest.mark.parametrize("data", COUNTS.values(), ids=COUNTS)
def test_what_proves_an_acceptance_counts(data: bytes) -> None:
    assert posted(data).verdict is OutcomeKind.ACCEPTED


@pytest.mark.parametrize("data", DOES_NOT.values(), ids=DOES_NOT)
def test_what_proves_no_acceptance_leaves_it_to_a_person(data: bytes) -> None:
    outcome = posted(data)

    assert (outcome.verdict, outcome.faults) == (OutcomeKind.UNCERTAIN, {})


def test_every_success_of_the_table_is_met_here() -> None:
    told = {posted(data).detail for data in (*COUNTS.values(), *DOES_NOT.values())}
    cases = [case for case in AnswerCase if not case.statuses]

    facts = [case.fact.format(count=1) for case in cases if case is not AnswerCase.UNFORESEEN]
    assert [fact for fact in facts if not any(text.startswith(fact) for text in told)] == []


@pytest.mark.parametrize(
    ("data", "receipt"),
    [
        (http(b'{"uuid": "d-1", "import_lines": 3}')[:-2], "d-1"),
        (http(b'{"id": 815, "import_lines": 3}')[:-2], "815"),
        (http(b'{"uuid": "d-1", "x": NaN}'), "d-1"),
        (http(b'{"uuid": "d-1", "success": false}'), "d-1"),
        (http(OK, start="HTTP/1.1 207 Multi-Status"), "d-1"),
        (http(OK, "Content-Type: text/html"), "d-1"),
        (http(b'{"uuid": "d-1", "id": 815}')[:-9], "d-1"),
        # what is cut in the middle is no receipt
        (http(b'{"uuid": "d-123456"}')[:-5], None),
        (http(b'{"id": 815815}')[:-2], None),
        (http(b'{"id": 815')[:-1], None),
    ],
)
def test_what_came_of_a_receipt_is_kept_with_the_doubt(data: bytes, receipt: str | None) -> None:
    outcome = posted(data)

    assert (outcome.verdict, outcome.receipt) == (OutcomeKind.UNCERTAIN, receipt)


@pytest.mark.parametrize(
    ("body", "acceptance", "verdict"),
    [
        (b'{"data": {"uuid": "d-1"}}', ("data.uuid",), OutcomeKind.ACCEPTED),
        (b'{"data": {"id": 4}}', ("uuid", "data.id"), OutcomeKind.ACCEPTED),
        (b'{"data": [{"uuid": "d-1"}]}', ("data.uuid",), OutcomeKind.UNCERTAIN),
        (b'{"data": "d-1"}', ("data.uuid",), OutcomeKind.UNCERTAIN),
        (b'{"uuid": "d-1"}', ("protocol",), OutcomeKind.UNCERTAIN),
        (b'{"protocol": "2026-1"}', ("protocol",), OutcomeKind.ACCEPTED),
        (b"", ("protocol",), OutcomeKind.ACCEPTED),
    ],
)
def test_the_setting_names_where_a_receipt_stands(
    body: bytes, acceptance: tuple[str, ...], verdict: OutcomeKind
) -> None:
    assert posted(http(body), *acceptance).verdict is verdict


def test_a_doubt_says_what_was_missing() -> None:
    assert "the setting `acceptance` names" in posted(http(b'{"message": "ok"}')).detail


@pytest.mark.parametrize("failing", ["failed", "error", "hasErrors", "rejected_lines", "falhas"])
@pytest.mark.parametrize("depth", [0, 1, 50])
def test_a_word_of_failure_is_found_wherever_it_stands(failing: str, depth: int) -> None:
    document: object = {"uuid": "d-1", failing: True}
    for _ in range(depth):
        document = [{"inner": document}]

    assert says_failure(document)


def test_the_members_of_an_answer_are_named_without_a_value() -> None:
    body = b'{"uuid": "d-1", "message": "Planted", "900000001": 1, "Planted": 2, "a.b": 3}'

    assert member_names(body, BatchTexts(BODY)) == ["uuid", "message"]
    assert member_names(body[:30], BatchTexts(BODY)) == ["uuid"]
    assert member_names(b"<html>", BatchTexts(BODY)) == []


def test_an_answer_says_nothing_of_its_body() -> None:
    assert "Planted" not in repr(TrackResponse(200, None, b"Planted"))
