"""Look up Airflow connections, and read the extra of those of type http."""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import requests
from airflow import settings
from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded
from airflow.secrets.environment_variables import EnvironmentVariablesBackend
from airflow.secrets.metastore import MetastoreBackend
from airflow.utils.strings import to_boolean
from sqlalchemy.exc import SQLAlchemyError

from track_dispatch.errors import ConfigError
from track_dispatch.process import within

Found = TypeVar("Found")

#: The variable with the seconds that a verb waits for one answer of Airflow's. A task has none: it
#: asks through Airflow's API, which has deadlines, and tries again.
ANSWER_SECONDS = "TRACK_AIRFLOW_SECONDS"


def find_connection(conn_id: str) -> Connection | None:
    """Return a connection, or None if there certainly is none.

    Airflow's look-up skips a store of connections that fails. Taken for "there is none", that would
    make a second, empty ledger, or lose an alert.

    Raises:
        ConfigError: a store failed, so that it is not known; or what it has cannot be understood.
    """
    try:
        found = _ask(BaseHook.get_connection, conn_id)
    except AirflowNotFoundException:
        _require_certain_absence(conn_id)
        return None
    _check_extra(found)
    return found


def require_connection(conn_id: str, made_of: str) -> Connection:
    """Return a connection that must be there.

    Args:
        conn_id: the connection's id.
        made_of: the command or form that creates it, for the error's message.

    Raises:
        ConfigError: there is no such connection, or a store failed.
    """
    connection = find_connection(conn_id)
    if connection is None:
        raise ConfigError(f"there is no Airflow connection {conn_id!r}: create it with {made_of}")
    return connection


def ask_airflow(look: Callable[[], Found]) -> Found:
    """Run `look`, which asks what Airflow keeps, but not for ever: its database may fall silent.

    Raises:
        TimeoutError: there was no answer in time.
    """
    seconds = os.environ.get(ANSWER_SECONDS)
    if seconds is None:
        return look()
    try:
        return within(float(seconds), look)
    except TimeoutError:
        # at the process's end it would close a session in which a thread still waits, and complain
        atexit.unregister(settings.dispose_orm)
        raise


def _ask(look_up: Callable[[str], Found], conn_id: str) -> Found:
    """Look a connection up in one store, or in all."""
    try:
        return ask_airflow(lambda: look_up(conn_id))
    except TimeoutError as error:
        message = (
            f"Airflow {error}, asked for the connection {conn_id}: check that Airflow's database"
            " runs, or the store in front of it (`secrets.backend`), and the way there; then try"
            " again"
        )
        raise ConfigError(message) from None


def _require_certain_absence(conn_id: str) -> None:
    for store in ensure_secrets_backend_loaded():
        try:
            _ask(store.get_connection, conn_id)
        except ConfigError:
            raise
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
                f" whether there is a connection {conn_id}: {_advice(store, error, conn_id)}"
            )
            raise ConfigError(message) from None


def _advice(store: object, error: Exception, conn_id: str) -> str:
    """Say what to do about a store of Airflow's, or anybody's, that fails."""
    if isinstance(error, SQLAlchemyError):
        return (
            "check that Airflow's database runs and is migrated (`airflow db migrate`), then try"
            " again"
        )
    if isinstance(store, EnvironmentVariablesBackend):
        return (
            f"correct AIRFLOW_CONN_{conn_id.upper()}: as JSON it has no other fields than"
            " conn_type, host, port (a number), login, password, schema and extra (an object)"
        )
    if isinstance(store, MetastoreBackend):
        return (
            "what it has cannot be decrypted: give this process the `core.fernet_key` that it was"
            " stored with, which the API server has (AIRFLOW__CORE__FERNET_KEY)"
        )
    return "look at the configuration of that store (`secrets.backend`), and whether it answers"


def _check_extra(connection: Connection) -> None:
    """Refuse an extra that is no JSON object: Airflow takes what is not JSON for an empty one."""
    where = f"the extra of the Airflow connection {connection.conn_id!r}"
    try:
        extra = json.loads(connection.extra) if connection.extra else {}
    except json.JSONDecodeError as error:
        message = f"{where} is not JSON from character {error.pos + 1} on: correct it"
        raise ConfigError(message) from None
    if not isinstance(extra, dict):
        message = f'{where} must be a JSON object, like {{"service_name": "ERP"}}: correct it'
        raise ConfigError(message)


#: Keys of the extra that are read; HttpHook has a second name for two of them.
HTTP_EXTRA = ("proxies", "verify", "cert", "trust_env")


def check_http_extra(extra: Mapping[str, Any], conn_id: str) -> None:
    """Check the types of the extra's values, on which `requests` would fail without a hint.

    Raises:
        ConfigError: a value is of a wrong type; the message names its key.
    """
    proxies = extra.get("proxies", extra.get("proxy"))
    verify = _verify(extra)
    cert = extra.get("cert")
    if not (proxies is None or _are_http_proxies(proxies)):
        problem = '`proxies` must be an object like {"https": "http://proxy.example:3128"}'
    elif not (verify is None or isinstance(verify, (bool, str))):
        problem = "`verify` must be true, false or the path of a file with certificates"
    elif not (cert is None or isinstance(cert, str) or _is_pair(cert)):
        problem = "`cert` must be a path, or the two paths of certificate and key"
    else:
        return
    raise ConfigError(f"The extra of the Airflow connection {conn_id!r} is wrong: {problem}.")


def session_of(extra: Mapping[str, Any]) -> requests.Session:
    """Open a session with the proxies and certificates of a checked extra."""
    session = requests.Session()
    session.trust_env = to_boolean(str(extra.get("trust_env", False)))
    session.proxies = dict(extra.get("proxies") or {})
    session.verify = extra.get("verify", True)
    session.cert = extra.get("cert")
    set_certificates(session, extra)
    return session


def set_certificates(session: requests.Session, extra: Mapping[str, Any]) -> None:
    """Set a session's certificates in the form that `requests` takes."""
    if _verify(extra) is True:
        # given as a path, REQUESTS_CA_BUNDLE does not overrule it
        session.verify = requests.utils.DEFAULT_CA_BUNDLE_PATH
    if isinstance(session.cert, list):
        session.cert = tuple(session.cert)


def _verify(extra: Mapping[str, Any]) -> object:
    return extra.get("verify", extra.get("verify_ssl"))


def _are_http_proxies(proxies: object) -> bool:
    return isinstance(proxies, dict) and all(
        isinstance(url, str) and url.startswith(("http://", "https://")) for url in proxies.values()
    )


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and [type(part) for part in value] == [str, str]
