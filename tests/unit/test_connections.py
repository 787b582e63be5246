"""A connection that cannot be read is not taken for none, whatever follows from its absence."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from track_dispatch.connections import find_connection
from track_dispatch.errors import ConfigError
from track_dispatch.extraction.oracle import account_of, open_erp
from track_dispatch.hooks.alert import find_webhook
from track_dispatch.hooks.ledger import place
from track_dispatch.hooks.track import track_host

USES = [
    ("track_alert", find_webhook),
    ("track_api", track_host),
    ("oracle_mv", lambda: account_of("oracle_mv")),
    ("oracle_mv", lambda: log_on("oracle_mv")),
]


def log_on(conn_id: str) -> None:
    with open_erp(conn_id, logon_deadline_seconds=60, call_timeout_seconds=60):
        pass


@pytest.mark.parametrize(("conn_id", "use"), USES)
def test_an_unreadable_connection_is_told(
    monkeypatch: pytest.MonkeyPatch, conn_id: str, use: Callable[[], object]
) -> None:
    name = f"AIRFLOW_CONN_{conn_id.upper()}"
    monkeypatch.setenv(name, '{"conn_type": "http", "password": "planted"}}')

    with pytest.raises(ConfigError, match=f"not JSON from character 45 on: correct {name}") as told:
        use()
    assert "planted" not in str(told.value)


@pytest.mark.parametrize(("conn_id", "use"), [*USES, ("track_ledger", place)])
@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"extra": "{planted"}, "is not JSON from character 2 on"),
        ({"extra": "  "}, "is not JSON from character 3 on"),
        ({"extra": ["planted"]}, "must be a JSON object"),
        ({"extra": "7"}, "must be a JSON object"),
        ({"port": "planted"}, "failed with ValueError, .*: correct AIRFLOW_CONN_"),
        ({"hosst": "planted"}, "failed with TypeError, .*: correct AIRFLOW_CONN_"),
    ],
)
def test_what_airflow_would_half_understand_is_told(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    conn_id: str,
    use: Callable[[], object],
    written: dict[str, object],
    told: str,
) -> None:
    content = {"conn_type": "postgres", "password": "planted"} | written
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(content))

    with pytest.raises(ConfigError, match=told) as error:
        use()
    assert "planted" not in str(error.value)
    assert "Traceback" not in capfd.readouterr().out


@pytest.mark.parametrize("extra", [{}, None, "", {"a": 1}])
def test_an_extra_may_be_left_out(monkeypatch: pytest.MonkeyPatch, extra: object) -> None:
    content = {"conn_type": "http", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_TRACK_ALERT", json.dumps(content))

    assert find_connection("track_alert") is not None


def test_certain_absence_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_TRACK_ALERT", raising=False)

    assert find_connection("track_alert") is None
