"""A Track stand-in at a fixed moment, and POSTs that are right unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from stand_ins.track_api import TOKEN, Survey, TrackStandIn
from stand_ins.track_api.terms import LINE_FIELDS

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
EXAMES = "11111111-1111-4111-8111-111111111111"
INTERNACAO = "22222222-2222-4222-8222-222222222222"
CLOSED = "33333333-3333-4333-8333-333333333333"
SURVEYS = (
    Survey(uuid=EXAMES, name="Hospital A · Exames"),
    Survey(uuid=INTERNACAO, name="Hospital A · Internação"),
    Survey(uuid=CLOSED, name="Hospital A · Ambulatório", status="closed"),
)


@pytest.fixture
def make_api() -> Iterator[Callable[..., TrackStandIn]]:
    started: list[TrackStandIn] = []

    def make(**options: Any) -> TrackStandIn:
        api = TrackStandIn(**{"surveys": SURVEYS, "clock": lambda: NOW} | options).start()
        started.append(api)
        return api

    yield make
    for api in started:
        api.stop()


@pytest.fixture
def api(make_api: Callable[..., TrackStandIn]) -> TrackStandIn:
    return make_api()


@pytest.fixture
def line() -> Callable[..., dict[str, Any]]:
    def make(number: int = 1, **fields: Any) -> dict[str, Any]:
        return dict.fromkeys(LINE_FIELDS, "") | {
            "ID_Cliente_Hfocus": "40085",
            "cd_atendimento": f"90000000{number}",
            "data_atendimento": "2026-03-09 08:00:00",
            "name": "Fulana de Tal",
            "email": f"fulana{number}@exemplo.test",
            "phone": "5527999990000",
            "area_pesquisa": "EXAMES",
            "unidade": "Hospital A",
            "setor": "IMAGEM",
            "uuid": EXAMES,
            **fields,
        }

    return make


@pytest.fixture
def email_body(line: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def make(*lines: Any, **fields: Any) -> dict[str, Any]:
        return {
            "survey_uuid": EXAMES,
            "distribution_channel": "email",
            "validity_at": int(NOW.timestamp()) + 15 * 86400,
            "reminder_at": int(NOW.timestamp()) + 8 * 86400,
            "import_lines": list(lines) or [line()],
            "template_invite_hash": "aB3dE6",
            "template_expired_hash": "aB3dE7",
            "template_thanks_hash": "aB3dE8",
        } | fields

    return make


@pytest.fixture
def whatsapp_body(line: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    template = {
        "name": "convite",
        "language": "pt_BR",
        "variables": ["customer.firstname", "interaction.area_pesquisa"],
        "id_provider": "HX0123456789abcdef",
    }

    def make(*lines: Any, **fields: Any) -> dict[str, Any]:
        return {
            "survey_uuid": EXAMES,
            "distribution_channel": "whatsapp",
            "reminder_channel": "whatsapp",
            "validity_at": int(NOW.timestamp()) + 15 * 86400,
            "reminder_at": int(NOW.timestamp()) + 8 * 86400,
            "import_lines": list(lines) or [line(email="")],
            "whatsapp_template": template,
            "whatsapp_reminder_template": template,
            "whatsapp_integration_uuid": "44444444-4444-4444-8444-444444444444",
        } | fields

    return make


@pytest.fixture
def post() -> Callable[..., requests.Response]:
    """POST on a fresh connection, following no redirect."""

    def send(api: TrackStandIn, body: Any = None, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "batch-1"}
        headers |= options.pop("headers", {})
        if body is not None:
            options["json"] = body
        settings = {"allow_redirects": False, "timeout": 30} | options
        return requests.post(api.distributions_url, headers=headers, **settings)

    return send


@pytest.fixture
def get_surveys() -> Callable[..., requests.Response]:
    def get(api: TrackStandIn, **params: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return requests.get(api.surveys_url, headers=headers, params=params, timeout=30)

    return get
