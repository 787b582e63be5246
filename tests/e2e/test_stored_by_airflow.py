"""What Airflow stores and shows of what people give it, asked of its own REST API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import requests
from airflow import settings
from airflow.models.connection import Connection
from airflow.models.dagrun import DagRun
from sqlalchemy import delete, func, select

from tests.e2e.api_server import serving_api
from track_dispatch.ledger.keys import new_keys

if TYPE_CHECKING:
    from track_dispatch.ledger.keys import KeyRing

#: Parts of an address that whoever knows it may post to.
SECRET_PATH = "services/T0SECRET/B0SECRET/xSECRETx"


@pytest.fixture(scope="module")
def api(airflow: None) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "of-this-test-alone-" * 4)
        with serving_api() as url:
            yield url


@pytest.fixture
def stored(airflow: None) -> Iterator[Any]:
    """Return a function that stores a connection as the UI does; they are gone afterwards."""
    session = settings.Session()

    def store(**fields: Any) -> None:
        session.add(Connection(**fields))
        session.commit()

    yield store
    session.execute(delete(Connection))
    session.commit()


def runs() -> int:
    session = settings.Session()
    session.rollback()
    return session.scalar(select(func.count()).select_from(DagRun)) or 0


# -- connections -------------------------------------------------------------------


def secrets_of(keys: KeyRing) -> list[str]:
    return [*keys.payload_secrets, *(key.secret for key in keys.identity_secrets)]


def test_the_api_masks_every_key_of_the_ledger(api: str, stored: Any) -> None:
    keys = new_keys()
    extra = {**keys.model_dump(mode="json"), "sslmode": "require"}
    stored(
        conn_id="track_ledger",
        conn_type="postgres",
        host="db.test",
        login="track",
        password="the-databases-own",
        extra=json.dumps(extra),
    )

    for path in ("/connections/track_ledger", "/connections"):
        shown = requests.get(f"{api}{path}", timeout=30)
        assert shown.status_code == 200
        assert keys.ledger_id in shown.text
        assert "require" in shown.text
        assert [one for one in [*secrets_of(keys), "the-databases-own"] if one in shown.text] == []


def test_the_api_masks_a_webhooks_address_in_the_password(api: str, stored: Any) -> None:
    stored(conn_id="track_alert", conn_type="http", password=f"https://hooks.test/{SECRET_PATH}")

    shown = requests.get(f"{api}/connections/track_alert", timeout=30)

    assert shown.status_code == 200
    assert "SECRET" not in shown.text


# -- what is filled in -------------------------------------------------------------


def trigger(api: str, **conf: Any) -> requests.Response:
    return requests.post(
        f"{api}/dags/track_decide/dagRuns",
        json={"logical_date": None, "conf": conf},
        timeout=30,
    )


@pytest.mark.parametrize(
    "conf",
    [
        {"what": "resume", "why": "ligou do 27 99999-0000"},
        {"what": "resume", "why": "maria@exemplo.test pediu"},
        {"what": "resume", "why": "CPF 529.982.247-25"},
        {"what": "resume", "why": "Maria " * 60},
        {"what": "resume", "why": ""},
        {"what": "resume"},
        {"why": "por um motivo"},
        {"what": "settle_sent", "batch": "Maria da Silva", "why": "por um motivo"},
        {"what": "release", "hospital": "27 99999-0000", "why": "por um motivo"},
    ],
    ids=str,
)
def test_airflow_stores_nothing_of_a_form_that_is_refused(
    api: str, no_runs: None, conf: dict[str, str]
) -> None:
    answer = trigger(api, **conf)

    assert (answer.status_code, runs()) == (400, 0)


def test_airflow_stores_a_form_that_is_filled_in(api: str, no_runs: None) -> None:
    answer = trigger(api, what="resume", why="captcha resolvido")

    assert (answer.status_code, runs()) == (200, 1)
