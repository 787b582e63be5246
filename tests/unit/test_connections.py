"""A connection that cannot be read is not taken for none, whatever follows from its absence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from track_dispatch.connections import find_connection
from track_dispatch.errors import ConfigError
from track_dispatch.extraction.oracle import account_of, open_erp
from track_dispatch.hooks.alert import find_webhook
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


def test_certain_absence_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_TRACK_ALERT", raising=False)

    assert find_connection("track_alert") is None
