"""The doctor looks at the alert's webhook, and posts nothing to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.delivery.raw_server import RawServer, reset, say
from track_dispatch.doctor.check import CheckStatus
from track_dispatch.doctor.hospital_checks import check_alert

OK, WARN, FAIL = CheckStatus.OK, CheckStatus.WARN, CheckStatus.FAIL


def look(patch: pytest.MonkeyPatch, **fields: Any) -> tuple[CheckStatus, str]:
    patch.setenv("AIRFLOW_CONN_TRACK_ALERT", json.dumps({"conn_type": "http"} | fields))
    found = check_alert()
    return found.verdict, found.detail


def test_without_a_webhook_all_is_well() -> None:
    assert check_alert().verdict is OK


@pytest.mark.parametrize("status", [200, 302, 400, 404, 405])
def test_any_answer_shows_that_the_way_is_open_and_nothing_was_posted(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with RawServer(say(b"HTTP/1.1 %d Whatever\r\n\r\n" % status)) as server:
        found = look(
            monkeypatch, password=f"{server.url}/xSECRETx", extra={"alert_format": "teams"}
        )

        assert found == (
            OK,
            f"127.0.0.1 answers (HTTP {status} to a HEAD, which posts nothing); told as teams",
        )
        assert [one.split(b" ", 1)[0] for one in server.requests] == [b"HEAD"]


def test_a_webhook_that_does_not_answer_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(reset) as server:
        verdict, said = look(monkeypatch, host=f"{server.url}/xSECRETx")

    assert verdict is WARN
    assert said.startswith("127.0.0.1: the connection broke")


def test_an_address_that_can_be_read_on_its_way_is_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verdict, said = look(monkeypatch, host="http://hooks.example/xSECRETx")

    assert (verdict, "SECRET" in said) == (WARN, False)
    assert "without https" in said


@pytest.mark.parametrize(
    "fields", [{}, {"host": "https://hooks.test", "extra": {"alert_format": "teans"}}], ids=str
)
def test_a_connection_that_is_wrong_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    assert look(monkeypatch, **fields)[0] is FAIL
