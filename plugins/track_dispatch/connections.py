"""An Airflow connection, or the certainty that there is none."""

from __future__ import annotations

import json

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

from track_dispatch.errors import ConfigError


def find_connection(conn_id: str) -> Connection | None:
    """Return a connection, or None where there certainly is none.

    Airflow's look-up passes over a store that fails: what follows from "there is none" - a second,
    empty ledger, an alert that nobody gets - must not come of that.

    Raises:
        ConfigError: a store failed, so that nobody knows.
    """
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        _require_certain_absence(conn_id)
    return None


def require_connection(conn_id: str, made_of: str) -> Connection:
    """Return a connection that must be there.

    Args:
        conn_id: the connection's id.
        made_of: how it is created, where there is none.

    Raises:
        ConfigError: there is none, or nobody knows.
    """
    connection = find_connection(conn_id)
    if connection is None:
        raise ConfigError(f"there is no Airflow connection {conn_id!r}: create it with {made_of}")
    return connection


def _require_certain_absence(conn_id: str) -> None:
    for store in ensure_secrets_backend_loaded():
        try:
            store.get_connection(conn_id)
        except json.JSONDecodeError as error:
            # its own text would quote what is written there
            message = (
                f"{type(store).__name__} has a connection {conn_id} that is not JSON from character"
                f" {error.pos + 1} on: correct AIRFLOW_CONN_{conn_id.upper()}, or wherever else it"
                " is written"
            )
            raise ConfigError(message) from None
        except Exception as error:  # noqa: BLE001 - a store is anybody's plugin
            message = (
                f"{type(store).__name__} failed with {type(error).__name__}, so that nobody knows"
                f" whether there is a connection {conn_id}: check that Airflow's database runs and"
                " is migrated (`airflow db migrate`), then try again"
            )
            raise ConfigError(message) from None
